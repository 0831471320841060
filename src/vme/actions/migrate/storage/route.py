"""Which directory of which store a guest's files leave, and which they get to."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Any

from vme.config import Config, Store
from vme.errors import Failed
from vme.hypervisor.moved_xml import moved_path, moved_xml
from vme.journal.entry import Entry
from vme.records import dataclass
from vme.store.layout import guest_directory, seen_by_nodes


@dataclass(frozen=True)
class Route:
    """A guest's way from its store to a store of another zone."""

    guest: str
    home: Store
    new_home: Store

    @property
    def directory(self) -> Path:
        """What it leaves, as this server sees it."""
        return guest_directory(self.home, self.guest)

    @property
    def new_directory(self) -> Path:
        """What it gets to, as this server sees it."""
        return guest_directory(self.new_home, self.guest)

    def on_new_nodes(self, name: str) -> PurePosixPath:
        """A file of the new directory as its nodes see it."""
        return seen_by_nodes(self.new_home, self.new_directory / name)

    def moved(self, path: PurePosixPath) -> PurePosixPath:
        """Where a file of the nodes is at the other end; what is on no store has the same path there."""
        return moved_path(path, self.home.node_path, self.new_home.node_path)

    def moved_xml(self, xml: str, whole: Collection[str] = ()) -> str:
        """A definition, or a snapshot's description, for the other end; of the disks in `whole` nothing lies below."""
        return moved_xml(xml, self.home.node_path, self.new_home.node_path, whole)

    def facts(self) -> dict[str, Any]:
        """For the journal's entry, on the store that the guest leaves."""
        return {"from_store": self.home.name, "to_zone": self.new_home.zone, "to_store": self.new_home.name}


def route_in(config: Config, entry: Entry) -> Route | None:
    """The way that a migration in the journal was to take; None for one within a zone.

    Raises Failed where the configuration has no such store any more.
    """
    if entry.fact("to_zone") is None:
        return None
    places = ((entry.store.zone, entry.fact("from_store")), (entry.fact("to_zone"), entry.fact("to_store")))
    stores = {(store.zone, store.name): store for zone in config.zones for store in zone.stores}
    missing = [f"virt-store {name} of zone {zone}" for zone, name in places if (zone, name) not in stores]
    if missing:
        raise Failed(
            f"{entry.intent.guest}: left unfinished: {entry}; {' and '.join(missing)} is not in the configuration",
            hint="add it again, and repair then; nothing was changed",
        )
    return Route(entry.intent.guest, *(stores[place] for place in places))
