"""Everything that speaks against moving a guest to a node, found before anything moves.

What the guest needs (needs), what each node offers (offers: all nodes at once, one ssh session and a few libvirt calls
each), and pure functions from both to reasons (reasons_*). `assess` brings them together; `matrix` shows them.
"""
