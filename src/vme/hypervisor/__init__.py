"""The only importer of libvirt: connections to nodes, guests on them, their XML, their migration, facts of a node."""
