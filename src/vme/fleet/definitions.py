"""The XML of every guest of some nodes: a call a guest, so only for tools that change things, never for listings."""

from collections.abc import Iterator

from vme.config import Config, Node
from vme.errors import NotFound
from vme.fleet.everywhere import Replies, ask_everywhere
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.disks import forms_of, snapshots_of
from vme.hypervisor.guest import Guest, guests_on
from vme.records import dataclass


@dataclass(frozen=True)
class Definition:
    """A guest's XML as it runs, or as it is defined if it does not.

    `more` are the other XMLs that name images it needs: of one that runs its definition, and its snapshots.
    """

    name: str
    uuid: str
    node: Node
    xml: str
    more: tuple[str, ...] = ()


def ask_definitions(config: Config, nodes: tuple[Node, ...], timeout_s: float) -> Replies[tuple[Definition, ...]]:
    """Every definition on these nodes; a node that does not get through in time counts as silent."""

    def question(hypervisor: Hypervisor) -> Iterator[tuple[Definition, ...]]:
        found = []
        for guest in guests_on(hypervisor):
            try:
                found.append(_definition(guest))
            except NotFound:
                continue  # it went between the two calls
        yield tuple(found)

    return ask_everywhere(config, nodes, question, timeout_s)


def _definition(guest: Guest) -> Definition:
    first, *others = forms_of(guest).all
    snapshots = (snapshot.xml for snapshot in snapshots_of(guest))
    return Definition(guest.name, guest.uuid, guest.node, first, (*others, *snapshots))
