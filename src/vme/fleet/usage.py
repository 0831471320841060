"""What guests use, from two samples of one bulk call; a QEMU that is stuck holds up neither the node nor the others."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from vme.fleet.deadline import Late, within
from vme.hypervisor.connection import Hypervisor, open_second
from vme.hypervisor.statistics import Sample, samples_on
from vme.records import dataclass

T = TypeVar("T")

# Between the two samples, if the deadline leaves as much. QEMU's own counters move on at once.
_APART_S = 1.0
# The share of the deadline after which a call that asks QEMUs is taken to hang in one of them.
_PATIENCE = 0.25


@dataclass(frozen=True)
class Usage:
    """What a guest was promised, and what it uses now; rates are per second. None: not told, or not running."""

    vcpus: int | None = None
    memory_mib: int | None = None
    memory_used_mib: int | None = None
    cpu_percent: float | None = None
    disk_read_bytes_s: int | None = None
    disk_write_bytes_s: int | None = None
    net_received_bytes_s: int | None = None
    net_sent_bytes_s: int | None = None

    def of(self, *, running: bool) -> "Usage":
        """The same of a guest that runs; of one that does not, what it was promised (libvirt may tell zeros)."""
        return self if running else Usage(self.vcpus, self.memory_mib)


def usages_on(hypervisor: Hypervisor, *, rates: bool, timeout_s: float) -> Iterator[dict[str, Usage]]:
    """UUID -> usage of every guest of a node: first what is known at once, then with `rates` all of it."""
    answering, first = past_a_stuck_one(hypervisor, timeout_s, lambda way: samples_on(way, counters=rates))
    yield {uuid: usage_between(sample, None) for uuid, sample in first.items()}
    if rates:
        time.sleep(min(_APART_S, timeout_s / 5))
        _, second = past_a_stuck_one(answering, timeout_s, lambda way: samples_on(way, counters=True))
        yield {uuid: usage_between(sample, first.get(uuid)) for uuid, sample in second.items()}


def past_a_stuck_one(
    hypervisor: Hypervisor, timeout_s: float, question: Callable[[Hypervisor], T]
) -> tuple[Hypervisor, T]:
    """The answer to a bulk question with NOWAIT that asks QEMUs, and the connection that gave it.

    Where the question hangs in a QEMU that is stopped, that QEMU's guest has a job of libvirt from then on; the same
    question over a second connection passes it by, and the others' answers come at once.
    """
    try:
        return hypervisor, within(_PATIENCE * timeout_s, hypervisor.node.name, lambda: question(hypervisor))
    except Late:
        second = open_second(hypervisor)
        return second, question(second)


def usage_between(now: Sample, before: Sample | None) -> Usage:
    """What a guest uses, from its sample and an earlier one; without an earlier one no rates."""
    apart_s = 0.0 if before is None else now.at_s - before.at_s

    def rate(later: float | None, earlier: float | None) -> float | None:
        """None also where a counter went back: the guest was started anew in between."""
        if later is None or earlier is None or later < earlier or apart_s <= 0:
            return None
        return (later - earlier) / apart_s

    def whole(value: float | None) -> int | None:
        return None if value is None else round(value)

    earlier = before or Sample(now.at_s)
    cpus = rate(now.cpu_s, earlier.cpu_s)
    return Usage(
        vcpus=now.vcpus,
        memory_mib=now.memory_mib,
        memory_used_mib=now.resident_mib,
        cpu_percent=None if cpus is None else round(100 * cpus, 1),
        disk_read_bytes_s=whole(rate(now.read_bytes, earlier.read_bytes)),
        disk_write_bytes_s=whole(rate(now.written_bytes, earlier.written_bytes)),
        net_received_bytes_s=whole(rate(now.received_bytes, earlier.received_bytes)),
        net_sent_bytes_s=whole(rate(now.sent_bytes, earlier.sent_bytes)),
    )
