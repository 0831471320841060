"""What a guest's own libvirt knows that matters before it moves: its XML, the jobs that run on it, errors of disks."""

from vme.hypervisor.domain_xml import disks_of, parse
from vme.hypervisor.guest import Guest
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.records import dataclass

# virDomainDiskErrorCode
_DISK_ERRORS = {1: "unspecified", 2: "no space"}


@dataclass(frozen=True)
class Movable:
    """A guest as its node has it: `xml` as it runs, or is defined; `disk_errors` as pairs of target and error."""

    xml: str
    job_runs: bool = False
    block_jobs: tuple[str, ...] = ()
    disk_errors: tuple[tuple[str, str], ...] = ()


def movable(guest: Guest, xml: str) -> Movable:
    """Ask libvirt about a guest of this XML, and of one that runs its QEMU: a stuck one holds the calls up."""
    if not guest.active:
        return Movable(xml)
    domain = guest.domain
    with translated(str(guest)):
        job_runs = domain.jobStats().get("type", 0) != libvirt.VIR_DOMAIN_JOB_NONE
        if job_runs:  # it holds up what asks QEMU, and moving is out of the question anyway
            return Movable(xml, job_runs=True)
        targets = [disk.target for disk in disks_of(parse(xml)) if disk.source is not None]
        block_jobs = tuple(target for target in targets if domain.blockJobInfo(target))
        errors = domain.diskErrors()
    said = tuple((target, _DISK_ERRORS.get(code, "unspecified")) for target, code in sorted(errors.items()))
    return Movable(xml, block_jobs=block_jobs, disk_errors=said)
