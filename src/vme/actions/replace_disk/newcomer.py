"""The new disk: which one it is, and everything that speaks against it. Pure."""

from collections.abc import Sequence

from vme.actions.replace_disk.job import Job, OldDisk
from vme.actions.replace_disk.objections import Objection
from vme.node.md.block_devices import Disk
from vme.node.md.machine import Machine, mounted
from vme.node.md.partition_table import Table, parse_dump
from vme.units import size_text


def newcomers(job: Job, machine: Machine) -> tuple[Disk, ...]:
    """The disks that were not there when the job began, and the old one where it is there again."""
    old = job.old.identity if job.old else None
    return tuple(disk for disk in machine.disks if disk.identity == old or disk.identity not in job.known)


def objections_to(job: Job, machine: Machine, disk: Disk, signatures: Sequence[str]) -> list[Objection]:
    """All that speaks against writing on this disk. `signatures` are what it was found to hold."""
    if disk.identity is None:
        return [Objection(f"{disk.name} tells neither a serial number nor a WWN, so it could be any disk")]
    return [
        *_of_the_old_disk(job, machine, disk),
        *_of_use(machine, disk),
        *_of_data(disk, signatures),
        *_of_size(job, disk),
        *_of_place(job, machine, disk),
    ]


def _of_the_old_disk(job: Job, machine: Machine, disk: Disk) -> list[Objection]:
    if job.old is not None and disk.identity == job.old.identity:
        return [Objection(f"{disk.name} is the old disk (serial {disk.identity}) again", "old-disk")]
    if job.new is None and disk.identity in job.known and job.old is not None:
        return [Objection(f"{disk.name} (serial {disk.identity}) was there before: it is not the new disk")]
    twins = [other.name for other in machine.disks if other.identity == disk.identity and other != disk]
    if twins:
        return [Objection(f"{disk.name} and {', '.join(twins)} have the same serial number {disk.identity}")]
    return []


def _of_use(machine: Machine, disk: Disk) -> list[Objection]:
    blocks = list(disk.block.all())
    objections = [Objection(f"{disk.name} is in use: {text}") for text in mounted(blocks)]
    objections += [
        Objection(f"{disk.name} is in use: {array.name} has it as a member") for array in machine.arrays_on(disk)
    ]
    objections += [Objection(f"{disk.name} is in use: swap on {b.name}") for b in blocks if b.name in machine.swaps]
    objections += [
        Objection(f"{disk.name} is in use: {block.kind} {block.name} is built on it")
        for block in blocks
        if block.kind not in ("disk", "part") and not block.kind.startswith("raid")
    ]
    if disk.read_only:
        objections.append(Objection(f"{disk.name} is read-only"))
    return objections


def _of_data(disk: Disk, signatures: Sequence[str]) -> list[Objection]:
    found = [*signatures, *(f"{block.name}: {block.fstype}" for block in disk.partitions if block.fstype)]
    if not found and not disk.partitions:
        return []
    held = ", ".join(found) or f"{len(disk.partitions)} partitions"
    return [Objection(f"{disk.name} has data: {held}", "has-data")]


def _of_size(job: Job, disk: Disk) -> list[Objection]:
    table = parse_dump(job.table)
    objections: list[Objection] = []
    needed = 0 if job.old is None else job.old.size_bytes
    fits = False
    if table is not None:
        sector = table.sector_bytes or (job.old.logical_bytes if job.old else disk.logical_bytes)
        if sector != disk.logical_bytes:
            text = f"{disk.name} has logical sectors of {disk.logical_bytes} bytes, and the table is in {sector}"
            return [Objection(f"{text}: take a disk of the same kind")]
        end = table.end_bytes(sector)
        if disk.size_bytes < end:
            text = f"{disk.name} has {size_text(disk.size_bytes)}, and the partitions need {size_text(end)}"
            return [Objection(f"{text} ({end - disk.size_bytes} bytes more)")]
        fits = True
        objections += _of_alignment(table, disk, sector)
    if disk.size_bytes < needed:
        text = f"{disk.name} is smaller ({disk.size_bytes} bytes) than the old disk ({needed})"
        objections.append(Objection(text, "smaller" if fits else None))
    return objections


def _of_alignment(table: Table, disk: Disk, sector_bytes: int) -> list[Objection]:
    odd = [str(part.number) for part in table.partitions if part.start * sector_bytes % disk.physical_bytes]
    if not odd:
        return []
    text = f"partitions {', '.join(odd)} would not be aligned to {disk.name}'s sectors of {disk.physical_bytes} bytes"
    return [Objection(text, "misaligned")]


def _of_place(job: Job, machine: Machine, disk: Disk) -> list[Objection]:
    if job.old is None or in_place_of(job.old, machine, disk):
        return []
    was = job.old.bay or job.old.hctl or ", ".join(job.old.places) or "a place unknown"
    here = machine.slots.get(disk.name) or disk.hctl or ", ".join(machine.places.get(disk.name, ())) or "one unknown"
    return [
        Objection(f"{disk.name} (serial {disk.identity}) is at {here}, and the old disk was at {was}", "other-slot")
    ]


def in_place_of(old: OldDisk, machine: Machine, disk: Disk) -> bool:
    """Whether a disk is plugged in where the old one was. A host bus adapter may give a new disk another HCTL."""
    if set(old.places) & set(machine.places.get(disk.name, ())):
        return True
    if old.slot is not None and machine.slots.get(disk.name) == old.slot:
        return True
    return old.hctl is not None and disk.hctl == old.hctl
