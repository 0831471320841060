"""Guests that are there twice: under one name on two nodes, or with one UUID."""

from collections.abc import Callable, Iterable

from vme.hypervisor.guest import Guest
from vme.names import shown
from vme.records import dataclass


@dataclass(frozen=True)
class Twins:
    """Which guests have a twin (by node and UUID: `name`, `uuid` or `both`), and the same in sentences for a person."""

    marks: dict[tuple[str, str], str]
    sentences: tuple[str, ...]

    def mark(self, guest: Guest) -> str | None:
        """How this guest is there twice, or None."""
        return self.marks.get((guest.node.name, guest.uuid))


def find_twins(guests: Iterable[Guest]) -> Twins:
    """The twins among these guests; a guest that is being migrated is its own twin for as long as that takes."""
    everyone = tuple(guests)
    by_name = _shared(everyone, lambda guest: guest.name)
    by_uuid = _shared(everyone, lambda guest: guest.uuid)
    if not by_name and not by_uuid:
        return Twins({}, ())
    marks = {}
    for guest in everyone:
        names, uuids = guest.name in by_name, guest.uuid in by_uuid
        if names or uuids:
            marks[(guest.node.name, guest.uuid)] = "both" if names and uuids else "name" if names else "uuid"
    one_uuid = [
        f"one UUID, so one guest (being migrated, or never let both run): {_listed(same)}" for same in by_uuid.values()
    ]
    one_name = [
        f"one name, and different guests: {_listed(same)}"
        for same in by_name.values()
        if len({guest.uuid for guest in same}) > 1
    ]
    return Twins(marks, (*one_uuid, *one_name))


def _shared(guests: tuple[Guest, ...], key: Callable[[Guest], str]) -> dict[str, list[Guest]]:
    groups: dict[str, list[Guest]] = {}
    for guest in guests:
        groups.setdefault(key(guest), []).append(guest)
    return {value: same for value, same in groups.items() if len(same) > 1}


def _listed(guests: list[Guest]) -> str:
    return ", ".join(f"{shown(guest.name)} {guest.state} on {guest.node.name}" for guest in guests)
