"""Where on the stores entries of the journal are, and locks."""

from collections.abc import Sequence

from vme.config import Config, Store, Zone
from vme.errors import Failed
from vme.journal.entry import Entry, is_begun, parsed, text_of
from vme.names import is_allowed
from vme.records import dataclass
from vme.store.layout import OWN_FILES, journal_file
from vme.store.proof import reasons_not_there


@dataclass(frozen=True)
class Place:
    """A guest's entry, or what is left of a lock on it, on one store."""

    guest: str
    store: Store

    def __str__(self) -> str:
        return f"{self.guest} (zone {self.store.zone})"


def places(config: Config, guests: Sequence[str]) -> tuple[tuple[Place, ...], list[str]]:
    """Where entries and locks are, of these guests or (with none named) of all; and why some stores can't be read."""
    found: list[Place] = []
    problems: list[str] = []
    for store in (store for zone in config.zones for store in zone.stores):
        reasons = reasons_not_there(store, timeout_s=config.defaults.timeout_s)
        problems += reasons
        if reasons:
            continue
        own = store.management_path / OWN_FILES
        names = {file.name for kind in ("journal", "locks") if (own / kind).is_dir() for file in (own / kind).iterdir()}
        wanted = names & set(guests) if guests else names
        found += [Place(name, store) for name in sorted(wanted) if is_allowed(name)]
    # Work that is noted in a second zone is found where its entry is.
    return tuple(place for place in found if place_of_entry(config, place) is None), problems


def place_of_entry(config: Config, place: Place) -> Place | None:
    """Where the entry is that a note at this place tells of; None where it is no note, or a note without an entry."""
    entry = _entry_at(place)
    if entry is None or entry.entry_zone is None:
        return None
    zone = next((one for one in config.zones if one.name == entry.entry_zone), None)
    there = [Place(place.guest, store) for store in zone.stores] if zone is not None else []
    return next((one for one in there if journal_file(one.store, one.guest).exists()), None)


def other_zone(config: Config, place: Place) -> Zone | None:
    """The second zone that the work at a place concerns, if there is one and the configuration knows it."""
    entry = _entry_at(place)
    name = None if entry is None else entry.fact("to_zone")
    return next((zone for zone in config.zones if zone.name == name), None)


def _entry_at(place: Place) -> Entry | None:
    """The entry or note at a place, as far as it can be read by somebody who does not hold the guest."""
    try:
        text = text_of(place.store, place.guest)
        return parsed(place.store, place.guest, text) if is_begun(text) else None
    except (OSError, Failed):
        return None
