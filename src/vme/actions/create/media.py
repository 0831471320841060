"""An ISO to install from: found where every node of the zone sees it."""

from pathlib import Path, PurePosixPath

from vme.actions.ownership import Owner
from vme.config import Store
from vme.names import checked
from vme.store.layout import IMAGE_LIBRARY, seen_by_nodes, seen_here


def find_iso(text: str, store: Store, owner: Owner | None) -> tuple[PurePosixPath | None, list[str]]:
    """The ISO as the nodes see it: a name in the store's library, or a path on the store (ours or the nodes')."""
    library = store.management_path / IMAGE_LIBRARY
    if "/" in text:
        path = seen_here(store, PurePosixPath(text)) or Path(text).absolute()
    else:
        checked(text, "image")
        path = library / (text if text.lower().endswith(".iso") else f"{text}.iso")
    if not path.is_file():
        return None, [f"there is no ISO {path}"]
    if not path.is_relative_to(store.management_path) or ".." in path.parts:
        here = f"cp {path} {library}/, then --iso {path.name}"
        return None, [f"{path} is not on virt-store {store.name}, so the nodes don't see it: {here}"]
    state = path.stat()
    if owner is not None and not state.st_mode & 0o004 and owner.uid not in (0, state.st_uid):
        return None, [f"{path} is closed to {owner.user}, which QEMU runs as: chmod o+r {path}"]
    return seen_by_nodes(store, path), []
