"""What a person types: arguments, one call into actions or fleet, and what is printed."""
