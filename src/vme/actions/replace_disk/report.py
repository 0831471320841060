"""The report of a finished replacement, and the dry run of one that has not begun. Pure."""

from vme.actions.replace_disk.efi import left_to_do
from vme.actions.replace_disk.job import Job, directory_of
from vme.actions.replace_disk.plan import Plan
from vme.actions.replace_disk.seen import Seen
from vme.actions.replace_disk.steps import STEPS, Step
from vme.node.md.verbs import action
from vme.records import replace

_NEW = "NEW"


def report_of(job: Job, seen: Seen, log: str) -> str:
    """What was done, and how every array is now, for whoever asks next year."""
    old = f"{job.old}, {job.old.size_bytes} bytes" if job.old else "was gone before"
    new = (
        f"{seen.new.name} ({seen.new.model}, serial {seen.new.identity}), {seen.new.size_bytes} bytes"
        if seen.new
        else ""
    )
    lines = [
        f"Disk {job.device} of {job.machine} replaced.",
        f"old disk: {old}",
        f"new disk: {new}",
        f"partition table: of {job.table_from}" if job.table else "partition table: none",
        f"overridden refusals: {', '.join(job.forced) or 'none'}",
        "",
    ]
    ours = {member.array_uuid for member in job.members}
    for detail in seen.details:
        if detail.uuid in ours:
            members = ", ".join(f"{m.name} ({' '.join(sorted(m.state))})" for m in detail.members if m.name)
            lines.append(f"{detail.name} {detail.level} {detail.uuid}: {', '.join(sorted(detail.state))}; {members}")
    lines += [f"left to do: {line}" for line in left_to_do(job, seen)]
    return "\n".join([*lines, "", "log:", log])


def dry_run(plan: Plan) -> list[str]:
    """Every command that an operator would type, in order, the new disk taken to get the old one's name."""
    job, seen = plan.job, plan.seen
    lines = []
    for step in STEPS:
        due = _commands(job, seen, step)
        if step.name == "exchange" and seen.new is None:
            lines += [
                "# pull the old disk and put the new one in; if nothing happens, for each host of /sys/class/scsi_host:"
            ]
            lines += [str(action("rescan-scsi", host="host0"))]
            lines += [str(action("led-off", disk=seen.old.name))] if seen.old else []
            job, seen = _exchanged(job, seen)
        elif step.name == "rebuild":
            lines += [f"# {step.title}", str(action("mdstat"))]
        elif due:
            lines += [f"# {step.title}", *due]
    return [*lines, f"# the job, both partition tables and the report: {directory_of(plan.job)}"]


def _commands(job: Job, seen: Seen, step: Step) -> list[str]:
    if step.name == "partition" and seen.new is not None and seen.new.identity == _NEW:
        blank = replace(seen.new, block=replace(seen.new.block, children=(), fstype=None))
        seen = replace(seen, new=blank)
    return [str(one) for one in step.actions(job, seen)] if step.pending(job, seen) or step.name == "remove" else []


def _exchanged(job: Job, seen: Seen) -> tuple[Job, Seen]:
    """As it would be with a blank disk, as large as the old one, in its place."""
    if seen.old is None:
        return job, seen
    bare = tuple(replace(part, fstype=None, children=(), mountpoint=None) for part in seen.old.partitions)
    new = replace(seen.old, serial=_NEW, block=replace(seen.old.block, children=bare, fstype=None))
    gone = frozenset(block.name for block in seen.old.block.all())
    details = tuple(
        replace(detail, members=tuple(m for m in detail.members if m.name not in gone)) for detail in seen.details
    )
    disks = tuple(disk for disk in seen.machine.disks if disk != seen.old)
    machine = replace(seen.machine, disks=disks, swaps=seen.machine.swaps - gone)
    return replace(job, new=_NEW), replace(seen, machine=machine, details=details, old=None, new=new)
