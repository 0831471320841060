"""What a migration is going to do, and what it did."""

from pathlib import PurePosixPath

from vme.actions.migrate.owners import ImageOwner
from vme.actions.migrate.storage.passage import Passage
from vme.actions.migrate.storage.route import Route
from vme.actions.migrate.travel import Baggage
from vme.config import Config, MigrationSettings, Store, Zone
from vme.fleet.report import NodeReport
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.guest import Guest
from vme.records import dataclass
from vme.units import duration_text


@dataclass(frozen=True)
class Plan:
    """Which guest goes where and why there, how, and what goes with it; what warns, what spoke against other nodes, and
    whose the images are. A guest that does not run moves cold. `nvram`: its UEFI variables, if they lie on the node.
    `passage`: what goes along to the store of another zone; None within a zone, where images stay.
    """

    config: Config
    guest: Guest
    source: Hypervisor
    destination: NodeReport
    why: str
    settings: MigrationSettings
    baggage: Baggage
    warnings: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    owners: tuple[ImageOwner, ...] = ()
    nvram: PurePosixPath | None = None
    passage: Passage | None = None

    @property
    def live(self) -> bool:
        """Whether it runs, so that its memory moves; otherwise only its definition does."""
        return self.guest.active

    @property
    def route(self) -> Route | None:
        """The way to another store, if it goes to one."""
        return None if self.passage is None else self.passage.route

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zone it is in, and the other one, if it goes to one."""
        names = dict.fromkeys((self.guest.node.zone, self.destination.node.zone))
        return tuple(self.config.zone(name) for name in names)

    @property
    def stores(self) -> tuple[Store, ...]:
        """All stores of these zones."""
        return tuple(store for zone in self.zones for store in zone.stores)

    def lines(self) -> list[str]:
        """The plan for a person."""
        moves = "its definition moves, its images stay" if self.passage is None else "its definition and images move"
        how = "" if self.live else f", which is shut off: {moves}"
        lines = [f"migrate guest {self.guest} to {self.destination.node.name} ({self.why}){how}", *self.baggage.lines()]
        lines += [] if self.passage is None else self.passage.lines()
        lines += [f"give {owner} (it is {owner.was})" for owner in self.owners if owner.was is not None]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return lines + [f"  not to {reason}" for reason in self.against]


@dataclass(frozen=True)
class Moved:
    """A migration that came to its end, as QEMU measured it; and what of it could not be cleared away, in words."""

    guest: Guest
    from_node: str
    total_s: float
    downtime_ms: int | None
    baggage: Baggage
    owners_mended: tuple[str, ...] = ()
    helped_by: tuple[str, ...] = ()
    left_behind: str = ""
    old_files: str = ""

    def __str__(self) -> str:
        pause = "" if self.downtime_ms is None else f", paused for {self.downtime_ms} ms"
        pause += f" (it was too busy without {', '.join(self.helped_by)})" if self.helped_by else ""
        pause += f", {self.baggage}" if self.baggage else ""
        way = f"from {self.from_node} to {self.guest.node.name}"
        mended = f"; owner set right again: {', '.join(self.owners_mended)}" if self.owners_mended else ""
        left = f"; {self.left_behind}" if self.left_behind else ""
        left += f"; {self.old_files}" if self.old_files else ""
        return f"{self.guest.name}: moved {way} in {duration_text(self.total_s)}{pause}{mended}{left}"
