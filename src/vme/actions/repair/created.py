"""A guest whose creation was left unfinished: one that is defined is whole, and of any other nothing stays."""

from pathlib import Path, PurePosixPath

from vme.actions.definition import definition_changed
from vme.actions.image_use import uses_of
from vme.actions.repair.remedy import Ground, Remedy, blocked, on_two_nodes, on_unknown_node
from vme.store.files import remains_of, sync_directory
from vme.store.layout import guest_directory, saved_xml_file, seen_by_nodes


def remedy(ground: Ground) -> Remedy:
    """Finish it where the guest is defined: that came after its images were whole. Undo it where it is not."""
    twice = on_two_nodes(ground)
    if twice is not None:
        return twice
    if ground.same:
        guest, entry = ground.same[0], ground.entry
        unstarted = entry.fact("start") and not guest.active
        then = f"; it was to be started: start_guest {ground.name}" if unstarted else ""

        def finish() -> None:
            definition_changed(ground.config, guest, tool="create_guest", reason=entry.intent.reason)

        return Remedy(f"it is {guest.state} on {guest.node.name}, and whole", f"save its definition{then}", finish)
    return on_unknown_node(ground, "node") or _undo(ground)


def _undo(ground: Ground) -> Remedy:
    store = next((one for one in ground.stores if one.name == ground.entry.fact("store")), None)
    if store is None:
        return blocked(
            f"virt-store {ground.entry.fact('store')!a} is not in the configuration", "add it, and try again"
        )
    directory = guest_directory(store, ground.name)
    files = _files_in(directory, ground)
    if not directory.exists():
        return Remedy("nothing of it was made", "nothing to do")
    uses = [
        f"{file} is {use}"
        for file in files
        for use in uses_of(PurePosixPath(seen_by_nodes(store, file)), ground.definitions, ground.stores)
    ]
    if uses:
        return blocked(f"it is not defined, but {'; '.join(uses)}", f"see who needs {directory}")

    def undo() -> str | None:
        for file in files:
            file.unlink(missing_ok=True)
        others = sorted(path.name for path in directory.iterdir())
        if others:
            return f"left alone in {directory}: {', '.join(map(ascii, others))}"
        directory.rmdir()
        sync_directory(store.management_path)
        return None

    names = ", ".join(file.name for file in files)
    return Remedy("it is not defined anywhere", f"remove {directory}{f' with {names}' if names else ''}", undo)


def _files_in(directory: Path, ground: Ground) -> list[Path]:
    """What its creation may have made in its directory, whole or in part."""
    entry, store = ground.entry, ground.entry.store
    names = [*entry.fact("files"), entry.fact("nvram"), saved_xml_file(store, ground.name).name]
    own = [directory / Path(name).name for name in names if name]
    return [file for name in own for file in (name, *remains_of(name)) if file.is_file()]
