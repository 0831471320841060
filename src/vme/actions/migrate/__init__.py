"""Moving a guest to another node: what speaks against it, the move, and where the guest is afterwards."""
