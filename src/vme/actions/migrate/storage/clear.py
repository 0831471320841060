"""Clearing away after a move to another store: of two directories the one stays that the guest is with."""

from collections.abc import Sequence
from contextlib import suppress

from vme.actions.delete import put_into_trash
from vme.actions.migrate.storage.route import Route
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Store
from vme.errors import Failed
from vme.store.files import remains_of, remove_tree, sync_directory
from vme.store.history import history_store
from vme.store.layout import history_directory, saved_xml_file
from vme.store.proof import must_be_there

# Step of the journal's entry.
CLEARING = "putting its old files away"


def take_back(route: Route, names: Sequence[str]) -> str:
    """Remove what was made of the guest on the other store, for it stays where it was; says so.

    Raises Failed, with nothing removed, where a file of the guest itself is missing: then the copy may be the only one.
    """
    directory = route.new_directory
    must_be_there(route.new_home, f"{route.guest}: what was made of it there is not removed", timeout_s=CALL_TIMEOUT_S)
    if not directory.exists():
        return f"nothing was made of it on virt-store {route.new_home.name} of zone {route.new_home.zone}"
    missing = [name for name in names if not (route.directory / name).is_file()]
    if missing:
        raise Failed(
            f"{route.guest}: {directory} is kept, because {', '.join(missing)} is not in {route.directory} any more",
            hint="look at both directories before anything else",
        )
    for name in names:
        (directory / name).unlink(missing_ok=True)
    try:
        directory.rmdir()
    except OSError:
        others = ", ".join(sorted(ascii(path.name) for path in directory.iterdir()))
        return f"its copies in {directory} were removed; not made by this, so left there: {others}"
    sync_directory(directory.parent)
    return f"what was made of it on virt-store {route.new_home.name} of zone {route.new_home.zone} was removed"


def bring_history(route: Route, stores: Sequence[Store], new_stores: Sequence[Store]) -> None:
    """Give the guest its earlier definitions on the other store too, unless they are there. They stay here yet.

    Raises Failed where a store here can't be looked into: once a new history is begun there, they come no more.
    """
    for store in stores:
        must_be_there(store, f"{route.guest}: its history does not come along", timeout_s=CALL_TIMEOUT_S)
    old = history_directory(history_store(stores, route.guest), route.guest)
    new = history_directory(history_store(new_stores, route.guest), route.guest)
    if not old.is_dir() or new.is_dir():
        return
    new.parent.parent.mkdir(mode=0o755, exist_ok=True)
    new.parent.mkdir(mode=0o700, exist_ok=True)
    partial = new.with_name(f".{new.name}.arriving")
    remove_tree(partial, ignore_errors=True)
    import shutil

    shutil.copytree(old, partial)
    partial.rename(new)
    sync_directory(new.parent)


def put_old_away(route: Route, names: Sequence[str], stores: Sequence[Store]) -> str:
    """Move the guest's old directory and history to its old store's trash, now that it is at the other end; says where.

    Raises Failed, with nothing touched, where one of its files is missing there.
    """
    must_be_there(route.home, f"{route.guest}: its old files are not put away", timeout_s=CALL_TIMEOUT_S)
    missing = [name for name in names if not (route.new_directory / name).is_file()]
    if missing:
        raise Failed(
            f"{route.guest}: {route.directory} is kept, because {', '.join(missing)} is not in {route.new_directory}",
            hint="look at both directories before anything else",
        )
    has_history = history_directory(history_store(stores, route.guest), route.guest).is_dir()
    if not route.directory.is_dir() and not has_history:
        return "nothing of it was left in its old store"
    saved = saved_xml_file(route.home, route.guest)
    for part in remains_of(saved):
        with suppress(OSError):
            part.unlink()
    home = route.home if route.directory.is_dir() else None
    return f"what it had in zone {route.home.zone} is kept in {put_into_trash(route.guest, home, stores)}"
