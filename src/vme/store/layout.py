"""Where things lie on a virt-store, as its nodes see them and as this management server sees them."""

from pathlib import Path, PurePosixPath

from vme.config import Store

IMAGE_LIBRARY = ".images"
TRASH = ".trash"
OWN_FILES = ".vme"


def guest_directory(store: Store, guest: str) -> Path:
    """A guest's directory, as this server sees it."""
    return store.management_path / guest


def saved_xml_file(store: Store, guest: str) -> Path:
    """The saved XML beside a guest's images, as this server sees it."""
    return guest_directory(store, guest) / f"{guest}.xml"


def history_directory(store: Store, guest: str) -> Path:
    """Where a guest's earlier definitions are kept: not in its own directory, into which its QEMU may write."""
    return store.management_path / OWN_FILES / "history" / guest


def kept_directory(store: Store, guest: str) -> Path:
    """Where what a node had of an undefined guest is kept until it is defined again: NVRAM, TPM state, snapshots."""
    return store.management_path / OWN_FILES / "kept" / guest


def journal_file(store: Store, guest: str) -> Path:
    """The journal's entry of a guest, there while work on it is under way or was left unfinished."""
    return store.management_path / OWN_FILES / "journal" / guest


def lock_file(store: Store, guest: str) -> Path:
    """The file whose lock is the right to work on a guest."""
    return store.management_path / OWN_FILES / "locks" / guest


def image_name(guest: str, target: str) -> str:
    """The file name of the image behind a disk: web1-vda."""
    return f"{guest}-{target}"


def seen_by_nodes(store: Store, path: Path) -> PurePosixPath:
    """The path under which the store's nodes see a file of it. Raises ValueError for a path outside the store."""
    return store.node_path / path.relative_to(store.management_path)


def seen_here(store: Store, path: PurePosixPath) -> Path | None:
    """The path under which this server sees a file of a node, or None if it is not on this store."""
    if ".." in path.parts or not path.is_relative_to(store.node_path):
        return None
    return store.management_path / path.relative_to(store.node_path)
