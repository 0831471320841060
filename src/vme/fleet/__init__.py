"""Which node holds which guest, asked of all nodes at once."""
