"""Live migration, driven by this client ("managed direct") or by the nodes (p2p): the call, progress, abort."""

from typing import Any

from vme.config import MigrationSettings
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.guest import Guest
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.records import dataclass

# VIR_MIGRATE_POSTCOPY_RESUME is libvirt's since then, on both nodes.
_KNOWS_RECOVERY = 8_005_000


@dataclass(frozen=True)
class Carried:
    """What libvirt copies beside the memory: these disks, into images that are there, for a guest of this XML.

    `live_xml` is the guest as it is to run, `saved_xml` as it is to be defined.
    """

    disks: tuple[str, ...]
    live_xml: str
    saved_xml: str


@dataclass(frozen=True)
class JobProgress:
    """How far a migration's copy of the memory is (virDomainGetJobStats). Rates are per second.

    `throttle_percent`: how much of its CPU time auto-converge takes from the guest. `disk_...`: of the disks, where
    those are copied too; they come first.
    """

    total_bytes: int
    remaining_bytes: int
    rate_bytes: int
    dirty_rate_bytes: int
    elapsed_s: float
    iteration: int
    sent_bytes: int = 0
    throttle_percent: int = 0
    disk_total_bytes: int = 0
    disk_remaining_bytes: int = 0

    @property
    def percent(self) -> float:
        """What is not remaining, in per cent; falls back when the guest dirties faster than the link carries."""
        total = self.total_bytes + self.disk_total_bytes
        return 0.0 if total == 0 else 100 * (1 - (self.remaining_bytes + self.disk_remaining_bytes) / total)

    @property
    def passed_bytes(self) -> int:
        """What came through of memory and disks: grows as long as the link carries anything."""
        return self.sent_bytes + self.disk_total_bytes - self.disk_remaining_bytes

    @property
    def copies_disks(self) -> bool:
        """Whether it is still the disks that are copied, and not yet the memory."""
        return self.total_bytes == 0 and self.disk_total_bytes > 0

    @property
    def disk_rate_bytes(self) -> float:
        """How much of the disks was copied a second, on average."""
        return (self.disk_total_bytes - self.disk_remaining_bytes) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def remaining_s(self) -> float | None:
        """The time left at the present rate, if the guest dirties less than is sent; None while that can't be said."""
        gain = self.rate_bytes - self.dirty_rate_bytes
        return self.remaining_bytes / gain if gain > 0 else None


def migrate(
    guest: Guest,
    destination: Hypervisor,
    settings: MigrationSettings,
    *,
    throttled: bool,
    recovering: bool = False,
    carried: Carried | None = None,
) -> None:
    """Move the running guest to another node and wait until it runs there; the source's libvirt keeps nothing of it.

    With `carried` its disks are copied over as well (by QEMU's own NBD, a port of the same range as the memory's), into
    images of the same size that the destination has at the paths of that XML.

    `throttled` lets auto-converge slow the guest down; `recovering` goes on with one that broke off in post-copy.
    Blocks for as long as it takes: call it from a thread. Whether the guest moved is not to be read from an error of
    this alone: ask both nodes. (virDomainMigrate3, virDomainMigrateToURI3)
    """
    # The definition moves with the guest, and an I/O error on the way ends the migration, not the guest.
    flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    flags |= libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    for wanted, flag in (
        (throttled, libvirt.VIR_MIGRATE_AUTO_CONVERGE),
        (settings.postcopy, libvirt.VIR_MIGRATE_POSTCOPY),
        (settings.parallel, libvirt.VIR_MIGRATE_PARALLEL),
        (settings.compressed, libvirt.VIR_MIGRATE_COMPRESSED),
        (settings.tls, libvirt.VIR_MIGRATE_TLS),
        (settings.tunnelled, libvirt.VIR_MIGRATE_TUNNELLED),
        (settings.mode == "p2p", libvirt.VIR_MIGRATE_PEER2PEER),
        (recovering, getattr(libvirt, "VIR_MIGRATE_POSTCOPY_RESUME", 0)),
        (carried is not None, libvirt.VIR_MIGRATE_NON_SHARED_DISK),
    ):
        flags |= flag if wanted else 0
    parameters = _parameters(settings, destination.node.name)
    if carried is not None:
        parameters |= {
            libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: list(carried.disks),
            libvirt.VIR_MIGRATE_PARAM_DEST_XML: carried.live_xml,
            libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: carried.saved_xml,
        }
    with translated(str(guest)):
        if settings.mode == "p2p":
            guest.domain.migrateToURI3(_at(settings.peer_uri, destination.node.name), parameters, flags)
        else:
            guest.domain.migrate3(destination.libvirt, parameters, flags)


def can_recover(source: Hypervisor, destination: Hypervisor) -> bool:
    """Whether both nodes' libvirt can go on with a migration that broke off in post-copy."""
    with translated(f"{source.node.name} and {destination.node.name}"):
        return all(one.libvirt.getLibVersion() >= _KNOWS_RECOVERY for one in (source, destination))


def _parameters(settings: MigrationSettings, node: str) -> dict[str, Any]:
    given = {
        libvirt.VIR_MIGRATE_PARAM_URI: _at(settings.uri, node),
        libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: settings.bandwidth_mib,
        libvirt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS: settings.parallel,
        libvirt.VIR_MIGRATE_PARAM_COMPRESSION: settings.compressed,
    }
    return {name: value for name, value in given.items() if value is not None}


def _at(template: str | None, node: str) -> str | None:
    return None if template is None else template.replace("{node}", node)


def progress(guest: Guest) -> JobProgress | None:
    """How far the guest's migration is, or None if no job runs. Ask over a second connection."""
    with translated(str(guest)):
        stats = guest.domain.jobStats()
    if stats.get("type", 0) == libvirt.VIR_DOMAIN_JOB_NONE:
        return None
    return JobProgress(
        total_bytes=stats.get("memory_total", 0),
        remaining_bytes=stats.get("memory_remaining", 0),
        rate_bytes=stats.get("memory_bps", 0),
        dirty_rate_bytes=stats.get("memory_dirty_rate", 0) * stats.get("memory_page_size", 4096),
        elapsed_s=stats.get("time_elapsed", 0) / 1000,
        iteration=stats.get("memory_iteration", 0),
        sent_bytes=stats.get("memory_processed", 0),
        throttle_percent=stats.get("auto_converge_throttle", 0),
        disk_total_bytes=stats.get("disk_total", 0),
        disk_remaining_bytes=stats.get("disk_remaining", 0),
    )


def finished_job(guest: Guest) -> dict[str, int]:
    """What libvirt keeps of the guest's last job that ended: total time and downtime in ms, bytes sent."""
    flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    with translated(str(guest)):
        stats = guest.domain.jobStats(flags)
    return {key: value for key, value in stats.items() if isinstance(value, int)}


def abort(guest: Guest) -> None:
    """Cancel the guest's migration; the source goes on running (virDomainAbortJob)."""
    with translated(str(guest)):
        guest.domain.abortJob()


def allow_downtime(guest: Guest, downtime_ms: int) -> None:
    """Let the running migration pause the guest for so long at its end (virDomainMigrateSetMaxDowntime)."""
    with translated(str(guest)):
        guest.domain.migrateSetMaxDowntime(downtime_ms)


def switch_to_postcopy(guest: Guest) -> None:
    """Let the guest run at its destination now, which fetches the rest of its memory (virDomainMigrateStartPostCopy).

    From here on it can't be cancelled: neither node has all of the guest's memory.
    """
    with translated(str(guest)):
        guest.domain.migrateStartPostCopy()


def dirty_rate_mib(guest: Guest) -> int | None:
    """How many MiB of its memory the guest dirtied in the last second that was measured; None while it is measured."""
    with translated(str(guest)):
        stats = guest.hypervisor.libvirt.domainListGetStats([guest.domain], libvirt.VIR_DOMAIN_STATS_DIRTYRATE)
    record = stats[0][1] if stats else {}
    measured = record.get("dirtyrate.calc_status") == libvirt.VIR_DOMAIN_DIRTYRATE_MEASURED
    return record.get("dirtyrate.megabytes_per_second") if measured else None


def measure_dirty_rate(guest: Guest) -> None:
    """Begin to measure for one second how much of its memory the guest dirties (virDomainStartDirtyRateCalc)."""
    with translated(str(guest)):
        guest.domain.startDirtyRateCalc(1)
