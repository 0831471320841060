"""Replacing a disk of md arrays: a plan, and steps that are derived from the machine's own state each time anew."""
