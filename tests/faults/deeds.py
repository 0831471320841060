"""What a deed that was done wholly leaves: the world before, changed by it. One that was undone leaves that world."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from tests.faults.world import Definition, World, in_zone

V = TypeVar("V")


def moved(before: World, guest: str, node: str) -> World:
    """The guest with all it has is on that node, and nothing of it is on the one it came from."""

    def carried(values: Mapping[tuple[str, str], V]) -> dict[tuple[str, str], V]:
        return {(name, node if name == guest else at): value for (name, at), value in values.items()}

    return replace(
        before,
        processes={**before.processes, **({guest: (node,)} if guest in before.processes else {})},
        states=carried(before.states),
        definitions=carried(before.definitions),
        snapshots=carried(before.snapshots),
    )


def moved_with_images(before: World, after: World, guest: str, node: str, zone: str) -> World:
    """The guest with all it has is on that node of another zone, its files in that zone's store.

    What it left is one item in the trash of the store it came from.
    """
    home = next(definition.zone for (name, _), definition in before.definitions.items() if name == guest)
    old, new = in_zone(home, guest), in_zone(zone, guest)

    def there(file: str) -> str:
        directory, slash, name = file.partition("/")
        return f"{new}{slash}{name}" if directory == old else file

    away = moved(before, guest, node)
    definition = away.definitions[guest, node]
    arrived = replace(definition, zone=zone, images=tuple(map(there, definition.images)))
    return replace(
        away,
        definitions={**away.definitions, (guest, node): arrived},
        files={there(file): state for file, state in before.files.items()},
        histories=before.histories - {old} | {new},
        trash=before.trash | _new_trash(before, after, old),
    )


def _new_trash(before: World, after: World, directory: str) -> set[str]:
    """The one item that came from this directory; its name has the time in it."""
    return set(sorted(name for name in after.trash - before.trash if name.startswith(f"{directory}."))[:1]) or {
        f"{directory}.(time)"
    }


def stopped(before: World, guest: str) -> World:
    """The guest's QEMU is gone, and all else is as it was: what a dead QEMU leaves."""
    return replace(
        before,
        processes={name: nodes for name, nodes in before.processes.items() if name != guest},
        states={key: "shut off" if key[0] == guest else state for key, state in before.states.items()},
        counts={name: None if name == guest else count for name, count in before.counts.items()},
    )


def created(before: World, after: World, guest: str, node: str, *, like: str, running: bool) -> World:
    """The guest is there with a directory and one image, owned as those of the guest `like`, and a history."""
    expected = {path.replace(like, guest): state for path, state in before.files_of(like).items()}
    files = {
        path: replace(after.files.get(path, state), owner=state.owner, mode=state.mode, snapshots=0)
        for path, state in expected.items()
    }
    saved = f"{guest}/{guest}.xml"
    return replace(
        before,
        processes={**before.processes, **({guest: (node,)} if running else {})},
        states={**before.states, (guest, node): "running" if running else "shut off"},
        definitions={**before.definitions, (guest, node): after.definitions.get((guest, node), _NONE)},
        files={**before.files, **files, saved: before.files[saved.replace(guest, like)]},
        histories=before.histories | {guest},
    )


def deleted(before: World, after: World, guest: str, *, purged: bool = False) -> World:
    """Nothing is left of the guest but one item in the trash (with `purged` not that either)."""

    def without(values: Mapping[tuple[str, str], V]) -> dict[tuple[str, str], V]:
        return {key: value for key, value in values.items() if key[0] != guest}

    return replace(
        before,
        processes={name: nodes for name, nodes in before.processes.items() if name != guest},
        states=without(before.states),
        definitions=without(before.definitions),
        snapshots=without(before.snapshots),
        files={path: state for path, state in before.files.items() if path.partition("/")[0] != guest},
        trash=before.trash | (set() if purged else _new_trash(before, after, guest)),
        histories=before.histories - {guest},
        counts={name: None if name == guest else count for name, count in before.counts.items()},
    )


def disk_added(before: World, after: World, guest: str, node: str) -> World:
    """The guest has one image more, owned as its first is, in its directory and in its definition."""
    was, now = before.definitions[guest, node], after.definitions.get((guest, node), _NONE)
    new = [image for image in now.images if image not in was.images]
    first = next(before.files[image] for image in was.images)
    paths = [*new[:1]] or [f"{guest}/(one more image)"]
    images = {
        path: replace(after.files.get(path, first), owner=first.owner, mode=first.mode, snapshots=0) for path in paths
    }
    definition = now if now.images[: len(was.images)] == was.images and len(new) == 1 else was
    return replace(
        before, definitions={**before.definitions, (guest, node): definition}, files={**before.files, **images}
    )


_NONE = Definition("none", "", False, ())
