"""What is known of unfinished work, and what follows from it."""

from collections.abc import Callable

from vme.config import Config, Store, Zone
from vme.fleet.definitions import Definition
from vme.hypervisor.guest import Guest
from vme.journal.entry import Entry
from vme.records import dataclass


@dataclass(frozen=True)
class Ground:
    """The entry, and the guests and definitions of all nodes of its zone, every one of which has answered.

    Of work that concerns a second zone those of that zone too.
    """

    config: Config
    entry: Entry
    guests: tuple[Guest, ...]
    definitions: tuple[Definition, ...]

    @property
    def name(self) -> str:
        return self.entry.intent.guest

    @property
    def zone(self) -> Zone:
        return self.config.zone(self.entry.store.zone)

    @property
    def stores(self) -> tuple[Store, ...]:
        return self.zone.stores

    @property
    def same(self) -> tuple[Guest, ...]:
        """The very guest, by its UUID, on each node that has it."""
        return tuple(guest for guest in self.guests if guest.uuid == self.entry.uuid)

    @property
    def namesakes(self) -> tuple[Guest, ...]:
        """Other guests of that name."""
        same = self.same
        return tuple(guest for guest in self.guests if guest.name == self.name and guest not in same)


@dataclass(frozen=True)
class Remedy:
    """What is so, and what is to be done about it. Without a deed nothing is to be done but to close the entry.

    `blocked`: it is not for a tool to decide; nothing is changed, and the entry stays. A deed may return words about
    how it went.
    """

    finding: str
    cure: str
    deed: Callable[[], str | None] | None = None
    blocked: bool = False

    def __str__(self) -> str:
        return f"{self.finding}; {self.cure}"


def blocked(finding: str, cure: str) -> Remedy:
    """A remedy that is a person's to choose."""
    return Remedy(finding, cure, blocked=True)


def on_unknown_node(ground: Ground, *facts: str) -> Remedy | None:
    """The remedy where a node of the work, as these facts name it, is not in our configuration, and so was not asked.

    None where all are: another management server may know a node that this one does not know yet.
    """
    known = {node.name for node in ground.config.nodes}
    unknown = [ground.entry.fact(name) for name in facts if ground.entry.fact(name) not in (None, *known)]
    if not unknown:
        return None
    names = ", ".join(ascii(name) for name in unknown)
    return blocked(f"it was on node {names}, which is not in the configuration here", "add it, and try again")


def on_two_nodes(ground: Ground) -> Remedy | None:
    """The remedy where more than one node has the guest: a person looks; None where at most one has it."""
    same = ground.same
    if len(same) < 2:
        return None
    where = ", ".join(f"{guest.state} on {guest.node.name}" for guest in same)
    return blocked(f"it is {where}", "look at both, let it run on one only, and undefine it on the other")
