"""Disks of a guest, attached, taken off and grown while it runs and in its definition; what stands in the way of it."""

from contextlib import suppress

from vme.hypervisor.guest import Guest, live_form, saved_form
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.records import dataclass

# virDomainJobOperation, virDomainBlockJobType.
_JOBS = (
    *("an unknown job", "its start", "saving to a file", "restoring from a file", "a migration to it", "a migration"),
    *("a snapshot", "going back to a snapshot", "a dump", "a backup", "deleting a snapshot"),
)
_BLOCK_JOBS = ("an unknown job", "a block pull", "a block copy", "a block commit", "a block commit", "a backup")

# QEMU's words where it was asked before, and the guest's system has not answered yet.
_ASKED_ALREADY = "in the process of unplug"


@dataclass(frozen=True)
class Forms:
    """A guest's XML as it runs and as it is defined; None where it does not run, or is not defined (transient)."""

    live: str | None
    persistent: str | None

    @property
    def all(self) -> tuple[str, ...]:
        """Those there are, the live one first."""
        return tuple(form for form in (self.live, self.persistent) if form is not None)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that libvirt knows: its XML names the images it needs."""

    name: str
    xml: str


def forms_of(guest: Guest) -> Forms:
    """Ask for the guest's XML, one call a form."""
    with translated(str(guest)):
        active, persistent = bool(guest.domain.isActive()), bool(guest.domain.isPersistent())
    return Forms(live_form(guest) if active else None, saved_form(guest) if persistent else None)


def attach(guest: Guest, xml: str, *, live: bool, persistent: bool) -> None:
    """Give the guest a device, as it runs and in its definition in one step (virDomainAttachDeviceFlags).

    libvirt changes a copy of the definition first, then the running guest, and keeps the copy last: what either refuses
    leaves both as they were.
    """
    with translated(str(guest)):
        guest.domain.attachDeviceFlags(xml, _flags(live, persistent))


def detach(guest: Guest, xml: str, *, live: bool, persistent: bool) -> None:
    """Take a device from the guest's definition, and ask its system to let go of it (virDomainDetachDeviceFlags).

    The running guest has it until its system has let go: look at its live form.
    """
    with translated(str(guest)):
        try:
            guest.domain.detachDeviceFlags(xml, _flags(live, persistent))
        except libvirt.libvirtError as error:
            if _ASKED_ALREADY not in str(error):
                raise


def capacity_of(guest: Guest, target: str) -> int:
    """The size of a disk as QEMU (or, of a guest that is shut off, its node) has it, in bytes."""
    with translated(str(guest)):
        return guest.domain.blockInfo(target)[0]


def grow(guest: Guest, target: str, size_bytes: int) -> None:
    """Give a disk of a running guest another size, and tell its system (virDomainBlockResize). Never a smaller one:
    QEMU would cut it off without a question."""
    with translated(str(guest)):
        guest.domain.blockResize(target, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def jobs_of(guest: Guest, targets: tuple[str, ...]) -> tuple[str, ...]:
    """What is being done with a running guest, or with those of its disks: `a migration`, `a block copy of vda`."""
    domain = guest.domain
    with translated(str(guest)):
        job = domain.jobStats()
        if job.get("type", libvirt.VIR_DOMAIN_JOB_NONE) != libvirt.VIR_DOMAIN_JOB_NONE:
            return (_named(_JOBS, job.get("operation", 0)),)  # nothing more can be asked until it is done
        for target in targets[:1]:
            with suppress(libvirt.libvirtError):  # an image that is gone is not the question here
                domain.blockInfo(target)  # asks QEMU, as the next ones need not: one that hangs must be found out now
        blocks = {target: domain.blockJobInfo(target) for target in targets}
    return tuple(f"{_named(_BLOCK_JOBS, job.get('type', 0))} of {target}" for target, job in blocks.items() if job)


def snapshots_of(guest: Guest) -> tuple[Snapshot, ...]:
    """The guest's snapshots, each with its XML."""
    with translated(str(guest)):
        return tuple(Snapshot(one.getName(), one.getXMLDesc()) for one in guest.domain.listAllSnapshots())


def _flags(live: bool, persistent: bool) -> int:
    return (libvirt.VIR_DOMAIN_AFFECT_LIVE if live else 0) | (libvirt.VIR_DOMAIN_AFFECT_CONFIG if persistent else 0)


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]
