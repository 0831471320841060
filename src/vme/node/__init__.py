"""What ssh asks of a node, and the pure parsers of the answers."""
