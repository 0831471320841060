"""Work that was left unfinished, held so that nobody else can work on its guest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vme.actions.repair.places import Place, other_zone, place_of_entry
from vme.config import Config, Node, Zone
from vme.journal.entry import Entry, is_begun, parsed, text_of
from vme.journal.lock import held
from vme.records import dataclass
from vme.store.layout import journal_file


@dataclass(frozen=True)
class Unfinished:
    """An entry, and the zones that its work concerns. `note`: what tells of it in the second of them."""

    entry: Entry
    zones: tuple[Zone, ...]
    note: Path | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(node for zone in self.zones for node in zone.nodes)

    def is_about(self, name: str, uuid: str) -> bool:
        """Whether a guest of a node is the one that was worked on, or has its name."""
        return name == self.entry.intent.guest or uuid == self.entry.uuid

    def __str__(self) -> str:
        return f"{self.entry.intent.guest}: left unfinished: {self.entry}"


@contextmanager
def unfinished_held(config: Config, place: Place) -> Iterator[Unfinished | None]:
    """What was left unfinished at a place, held while the block runs; None if nothing was.

    Raises Refused while another tool is at work on it, Failed where the entry can't be read.
    """
    other = other_zone(config, place)
    zones = (config.zone(place.store.zone), *([other] if other is not None else []))
    stores = tuple(store for zone in zones for store in zone.stores)
    with held(place.guest, stores, f"vme repair {place.guest}", wait_s=config.defaults.turn_wait_s):
        try:
            text = text_of(place.store, place.guest)
        except FileNotFoundError:
            yield None
            return
        if not is_begun(text):
            journal_file(place.store, place.guest).unlink()
            yield None
            return
        entry = parsed(place.store, place.guest, text)
        if entry.entry_zone is not None:
            # Where its entry is, the work is found there. Without one it was not begun, or is done: see check.py.
            yield Unfinished(entry, zones) if place_of_entry(config, place) is None else None
            return
        yield Unfinished(entry, zones, None if other is None else journal_file(other.stores[0], place.guest))
