"""What the chosen nodes have for new guests: one round of questions to all of them at once, however many guests."""

from collections.abc import Iterator, Mapping, Sequence

from vme.actions.ownership import Owner, find_owner
from vme.config import Config, Node, Store
from vme.fleet.everywhere import Replies, ask_everywhere
from vme.hypervisor.capabilities import Capabilities, capabilities_of
from vme.hypervisor.connection import Hypervisor
from vme.node.files import bridges_of
from vme.records import dataclass


@dataclass(frozen=True)
class Ground:
    """A node's bridges and capabilities, and for each store whose the images must be, with the reasons against it."""

    bridges: tuple[str, ...]
    capabilities: Capabilities
    owners: Mapping[Store, tuple[Owner | None, Sequence[str]]]


def survey(config: Config, wanted: Mapping[Node, set[Store]], timeout_s: float) -> Replies[Ground]:
    """Ask each of these nodes for what guests on these stores will need of it."""

    def question(hypervisor: Hypervisor) -> Iterator[Ground]:
        node = hypervisor.node
        yield Ground(
            bridges_of(node, config.ssh, timeout_s=timeout_s),
            capabilities_of(hypervisor),
            {store: find_owner(config, node, store, timeout_s) for store in wanted[node]},
        )

    return ask_everywhere(config, tuple(wanted), question, timeout_s)
