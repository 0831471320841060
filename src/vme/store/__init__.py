"""Virt-stores: the two views of a path, the proof that it is mounted, images, ownership, saved XML, the trash."""
