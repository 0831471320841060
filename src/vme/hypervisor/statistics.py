"""What guests use: CPU time, memory, disk and network counters of all guests of a node, in one bulk call."""

import time
from typing import Any

from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.records import dataclass


@dataclass(frozen=True)
class Sample:
    """A guest at one moment: what it was promised, and counters since it started. None: not told."""

    at_s: float
    vcpus: int | None = None
    memory_mib: int | None = None
    resident_mib: int | None = None
    cpu_s: float | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None


def samples_on(hypervisor: Hypervisor, *, counters: bool) -> dict[str, Sample]:
    """UUID -> sample of every guest of a node, in one call (virConnectGetAllDomainStats, NOWAIT).

    Each running QEMU is asked, so a stuck one holds the call up, unless another call is held up by it already: then
    libvirt leaves away what only that QEMU knows, and `resident_mib` is None. Without `counters` all but the promised
    and the resident memory is None.
    """
    groups = libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
    if counters:
        groups |= libvirt.VIR_DOMAIN_STATS_CPU_TOTAL | libvirt.VIR_DOMAIN_STATS_BLOCK
        groups |= libvirt.VIR_DOMAIN_STATS_INTERFACE
    with translated(hypervisor.node.name):
        stats = hypervisor.libvirt.getAllDomainStats(groups, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
    at_s = time.monotonic()
    return {domain.UUIDString(): sample_in(record, at_s) for domain, record in stats}


def sample_in(record: dict[str, Any], at_s: float) -> Sample:
    """The sample in one guest's record of typed parameters. libvirt counts network bytes as the guest sees them."""
    cpu_ns = record.get("cpu.time")
    return Sample(
        at_s,
        vcpus=record.get("vcpu.current"),
        memory_mib=_mib(record.get("balloon.maximum")),
        resident_mib=_mib(record.get("balloon.rss")),
        cpu_s=None if cpu_ns is None else cpu_ns / 1e9,
        read_bytes=_sum(record, "block", "rd.bytes"),
        written_bytes=_sum(record, "block", "wr.bytes"),
        received_bytes=_sum(record, "net", "rx.bytes"),
        sent_bytes=_sum(record, "net", "tx.bytes"),
    )


def _sum(record: dict[str, Any], group: str, key: str) -> int | None:
    """A counter of all disks or all interfaces together; None if it was told of none of them."""
    count = record.get(f"{group}.count")
    if count is None:
        return None
    told = [record[name] for number in range(count) if (name := f"{group}.{number}.{key}") in record]
    return sum(told) if told or count == 0 else None


def _mib(kib: int | None) -> int | None:
    return None if kib is None else kib // 1024
