"""What every node says of itself and its guests, for node_list and for placing a guest."""

from collections.abc import Iterator

from vme.config import Config, Node
from vme.errors import VmeError
from vme.fleet.everywhere import Replies, ask_everywhere
from vme.fleet.usage import past_a_stuck_one, usages_on
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.facts import NodeFacts, cpu_time_of, facts_of
from vme.hypervisor.guest import Guest, GuestSize, guests_on, sizes_on
from vme.node.load import load_of
from vme.records import dataclass, replace


@dataclass(frozen=True)
class NodeRates:
    """What a node does now: CPUs' time in per cent of all of them; of its guests together, bytes a second."""

    cpu_percent: float | None
    disk_read_bytes_s: int
    disk_write_bytes_s: int
    net_received_bytes_s: int
    net_sent_bytes_s: int


@dataclass(frozen=True)
class NodeReport:
    """A node, its guests and what they were promised. What the node has not said, or was not asked, is None."""

    hypervisor: Hypervisor
    facts: NodeFacts
    guests: tuple[Guest, ...]
    reserve_mib: int
    sizes: dict[str, GuestSize] | None = None
    load: float | None = None
    rates: NodeRates | None = None

    @property
    def node(self) -> Node:
        return self.hypervisor.node

    @property
    def running(self) -> tuple[Guest, ...]:
        """The guests that have a QEMU."""
        return tuple(guest for guest in self.guests if guest.active)

    @property
    def mute(self) -> tuple[Guest, ...]:
        """The guests whose QEMU did not answer when the sizes were asked."""
        return () if self.sizes is None else tuple(guest for guest in self.running if not self._size(guest).told)

    @property
    def allocated_vcpus(self) -> int | None:
        """Virtual CPUs of all guests that run."""
        return None if self.sizes is None else sum(self._size(guest).vcpus or 0 for guest in self.running)

    @property
    def allocated_mib(self) -> int | None:
        """Memory promised to all guests that run, whether they use it now or not."""
        return None if self.sizes is None else sum(self._size(guest).memory_mib or 0 for guest in self.running)

    @property
    def available_mib(self) -> int | None:
        """Memory that can be promised to one more guest: all, less the node's own reserve, less what is promised."""
        return (
            None
            if self.allocated_mib is None
            else max(0, self.facts.memory_mib - self.reserve_mib - self.allocated_mib)
        )

    def _size(self, guest: Guest) -> GuestSize:
        return (self.sizes or {}).get(guest.uuid, GuestSize(None, None))


def ask_reports(
    config: Config, nodes: tuple[Node, ...], timeout_s: float, *, rates: bool = False
) -> Replies[NodeReport]:
    """A report of each of these nodes. What a stuck QEMU may hold up comes last, so the rest is said in any case."""

    def question(hypervisor: Hypervisor) -> Iterator[NodeReport]:
        report = NodeReport(hypervisor, facts_of(hypervisor), guests_on(hypervisor), config.defaults.node_reserve_mib)
        yield report
        try:
            report = replace(report, load=load_of(hypervisor.node, config.ssh, timeout_s=timeout_s))
            yield report
        except VmeError:
            pass  # the load is shown as unknown; all else counts without it
        answering, sizes = past_a_stuck_one(hypervisor, timeout_s, sizes_on)
        report = replace(report, sizes=sizes)
        yield report
        if rates:
            yield replace(report, rates=_rates_on(answering, timeout_s))

    return ask_everywhere(config, nodes, question, timeout_s)


def _rates_on(hypervisor: Hypervisor, timeout_s: float) -> NodeRates:
    before = cpu_time_of(hypervisor)
    *_, usages = usages_on(hypervisor, rates=True, timeout_s=timeout_s)
    after = cpu_time_of(hypervisor)
    passed_s = after.all_s - before.all_s
    told = list(usages.values())
    return NodeRates(
        cpu_percent=round(100 * (after.busy_s - before.busy_s) / passed_s, 1) if passed_s > 0 else None,
        disk_read_bytes_s=sum(usage.disk_read_bytes_s or 0 for usage in told),
        disk_write_bytes_s=sum(usage.disk_write_bytes_s or 0 for usage in told),
        net_received_bytes_s=sum(usage.net_received_bytes_s or 0 for usage in told),
        net_sent_bytes_s=sum(usage.net_sent_bytes_s or 0 for usage in told),
    )
