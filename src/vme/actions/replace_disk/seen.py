"""A machine as a replacement sees it: asked anew before and after each step, so that no step trusts an older look."""

from vme.actions.replace_disk.job import Job
from vme.node.md.block_devices import Disk, disk_by_identity
from vme.node.md.machine import SLOW_S, Machine, Session, ask_details, ask_machine
from vme.node.md.mdadm import Detail
from vme.node.md.partition_table import Table, has_esp, parse_dump
from vme.node.md.verbs import action
from vme.process import Result, TookTooLong
from vme.records import dataclass, replace

BOOT_LOADER = "GRUB"


@dataclass(frozen=True)
class Seen:
    """The machine now. What concerns the new disk is empty as long as there is none.

    `esps_done` are the partitions of the new disk that are copies of a healthy disk's EFI system partition;
    `efi_entries` is what efibootmgr says, None on a machine that did not start by EFI; `can_set_volume`: whether it has
    a fatlabel that sets a FAT's volume id.
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
    can_set_volume: bool = False

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
    seen = Seen(machine, details, old, new, can_set_volume=bool(job.esps) and can_set_volume(session))
    if new is None:
        return seen
    questions = [
        action("table", disk=new.name),
        action("signatures", member=new.name),
        action("boot-sector", disk=new.name),
        *([action("efi")] if has_esp(job.table) else []),
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


def lacks_loader(session: Session, part: str) -> bool:
    """Whether an EFI system partition was read and has no boot loader: an installer formatted it, nobody filled it."""
    try:
        return session.run(action("find-loader", source=part), timeout_s=SLOW_S).status == 1
    except TookTooLong:
        return False


def can_set_volume(session: Session) -> bool:
    """Whether the machine has a fatlabel that sets a FAT's volume id: that of dosfstools 4.2 and later."""
    return "--volume-id" in session.ask("can-set-volume").output


def esp_sources(job: Job, seen: Seen) -> dict[int, str]:
    """Partition number -> a healthy disk's EFI system partition of that number, to copy from."""
    return {
        esp.partition: disk.part(esp.partition)
        for esp in job.esps
        for disk in seen.healthy_disks()
        if any(block.name == disk.part(esp.partition) and block.fstype == "vfat" for block in disk.partitions)
    }


def _esps_done(session: Session, job: Job, seen: Seen, new: Disk) -> frozenset[int]:
    """Those that were copied. One that is mounted in its place was: what was written there since makes it differ."""
    parts = {block.name: block for block in new.partitions}
    sources = esp_sources(job, seen)
    done = set()
    for esp in job.esps:
        part = parts.get(new.part(esp.partition))
        if part is None or part.fstype != "vfat" or esp.partition not in sources:
            continue
        in_place = part.mountpoint is not None and part.mountpoint == esp.mountpoint
        if in_place or session.ask("same", source=sources[esp.partition], part=part.name).status == 0:
            done.add(esp.partition)
    return frozenset(done)
