"""A machine as a replacement sees it: asked anew before and after each step, so that no step trusts an older look."""

from vme.actions.replace_disk.job import Job
from vme.node.md.block_devices import Disk, disk_by_identity
from vme.node.md.machine import Machine, Session, ask_details, ask_machine
from vme.node.md.mdadm import Detail
from vme.node.md.partition_table import Table, parse_dump
from vme.node.md.verbs import action
from vme.process import Result
from vme.records import dataclass, replace

BOOT_LOADER = "GRUB"


@dataclass(frozen=True)
class Seen:
    """The machine now. What concerns the new disk is empty as long as there is none.

    `esps_done` are the partitions of the new disk that are byte for byte a healthy disk's EFI system partition;
    `efi_entries` is what efibootmgr says, None on a machine that did not start by EFI.
    """

    machine: Machine
    details: tuple[Detail, ...]
    old: Disk | None
    new: Disk | None
    new_table: Table | None = None
    new_signatures: tuple[str, ...] = ()
    new_boots: bool = False
    esps_done: frozenset[int] = frozenset()
    efi_entries: str | None = None

    def array(self, uuid: str) -> Detail | None:
        """The array of that UUID, whatever it is called now."""
        return next((detail for detail in self.details if detail.uuid == uuid), None)

    def healthy_disks(self) -> tuple[Disk, ...]:
        """The disks that are neither the old nor the new one and serve an array with a member in sync."""
        serving = {member.name for detail in self.details for member in detail.members if member.in_sync}
        return tuple(
            disk
            for disk in self.machine.disks
            if disk not in (self.old, self.new) and any(block.name in serving for block in disk.block.all())
        )


def look(session: Session, job: Job) -> Seen:
    """Ask the machine all that the steps need to know. Raises Silent or Failed."""
    machine = ask_machine(session)
    details = ask_details(session, [array.name for array in machine.arrays])
    new = disk_by_identity(machine.disks, job.new)
    old = None if job.old is None or job.new == job.old.identity else disk_by_identity(machine.disks, job.old.identity)
    seen = Seen(machine, details, old, new)
    if new is None:
        return seen
    questions = [
        action("table", disk=new.name),
        action("signatures", member=new.name),
        action("boot-sector", disk=new.name),
        *([action("efi")] if job.esps else []),
    ]
    table, signatures, sector, *efi = session.ask_all(questions)
    return replace(
        seen,
        new_table=parse_dump(table.output),
        new_signatures=_kinds(signatures),
        new_boots=BOOT_LOADER in sector.output,
        esps_done=_esps_done(session, job, seen, new),
        efi_entries=efi[0].output if efi and efi[0].status == 0 else None,
    )


def signatures_of(session: Session, disk: Disk) -> tuple[str, ...]:
    """What a disk is known to hold, read from the disk itself: `gpt`, `ext4`, `linux_raid_member` (wipefs(8))."""
    return _kinds(session.ask("signatures", member=disk.name))


def _kinds(done: Result) -> tuple[str, ...]:
    return tuple(line.split(",")[-1] for line in done.output.splitlines() if line and not line.startswith("#"))


def has_boot_loader(session: Session, disk: Disk) -> bool:
    """Whether GRUB's first stage is in a disk's first sector, where a BIOS starts it."""
    return BOOT_LOADER in session.ask("boot-sector", disk=disk.name).output


def esp_sources(job: Job, seen: Seen) -> dict[int, str]:
    """Partition number -> a healthy disk's EFI system partition of that number, to copy from."""
    return {
        number: disk.part(number)
        for number in job.esps
        for disk in seen.healthy_disks()
        if any(block.name == disk.part(number) and block.fstype == "vfat" for block in disk.partitions)
    }


def _esps_done(session: Session, job: Job, seen: Seen, new: Disk) -> frozenset[int]:
    have = {block.name for block in new.partitions}
    return frozenset(
        number
        for number, source in esp_sources(job, seen).items()
        if new.part(number) in have and session.ask("same", source=source, part=new.part(number)).status == 0
    )
