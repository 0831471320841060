"""Where deleted guests' directories wait, so that a slip can be taken back."""

import time
from pathlib import Path

from vme.config import Store
from vme.store.files import remove_tree, sync_directory
from vme.store.layout import TRASH, guest_directory, history_directory


def trash_place(store: Store, guest: str) -> Path:
    """A place in the store's trash for this guest's directory; unlike any used before."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    place = store.management_path / TRASH / f"{guest}.{stamp}"
    return place if not place.exists() else place.with_name(f"{place.name}-{time.monotonic_ns()}")


def move_to_trash(store: Store, guest: str, place: Path) -> None:
    """Move a guest's whole directory into the trash: one rename, so it is here or there."""
    place.parent.mkdir(mode=0o700, exist_ok=True)
    guest_directory(store, guest).rename(place)
    sync_directory(place.parent)
    sync_directory(store.management_path)


def remove_for_good(store: Store, guest: str) -> None:
    """Remove a guest's directory with all that is in it; it can't be taken back."""
    remove_tree(guest_directory(store, guest))
    sync_directory(store.management_path)


def move_history_to_trash(store: Store, guest: str, place: Path) -> None:
    """Move a guest's history, if it has one, into its place in the trash: a later guest of that name begins its own."""
    history = history_directory(store, guest)
    if history.is_dir():
        place.parent.mkdir(mode=0o700, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        history.rename(place / "history")
        sync_directory(place)
        sync_directory(history.parent)


def remove_history_for_good(store: Store, guest: str) -> None:
    """Remove a guest's history, if it has one."""
    history = history_directory(store, guest)
    if history.is_dir():
        remove_tree(history)
