"""Who works on which guest: locks on the store."""
