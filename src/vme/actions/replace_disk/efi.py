"""EFI system partitions: copied to the new disk, given the old one's volume id, named to the firmware, mounted again.

A copy is its source's twin, and fstab mounts by the volume id: of two with one id, chance decides which is mounted.
Those that are members of an array are none of ours: md copies them.
"""

import re
import secrets
from collections.abc import Collection, Sequence

from vme.actions.replace_disk.job import Esp, Job, JobMember
from vme.actions.replace_disk.objections import Objection
from vme.actions.replace_disk.seen import Seen, esp_sources
from vme.node.md.block_devices import Block, Disk
from vme.node.md.partition_table import is_esp
from vme.node.md.verbs import PATTERNS, Action, action, fits
from vme.records import replace

_MOUNTS = ("/boot/efi", "/efi")


def may_stay_mounted(part: Block) -> bool:
    """Whether a partition is an ESP that is not mounted, or where `release` unmounts it."""
    return is_esp(part.part_type) and (part.mountpoint is None or part.mountpoint in _MOUNTS)


def esps_of(disk: Disk, members: Sequence[JobMember]) -> tuple[Esp, ...]:
    """The ESPs of the disk that goes. One whose volume id can't be read gets a new one."""
    return tuple(
        Esp(number, _volume_of(part) or _new_volume(), part.label, part.mountpoint)
        for number, part in _own_esps(disk, {member.partition for member in members})
    )


def esps_like(peer: Disk, members: Sequence[JobMember]) -> tuple[Esp, ...]:
    """The ESPs for a disk whose predecessor is gone: where the healthy one has them, with volume ids of their own."""
    return tuple(replace(esp, volume=_new_volume(), label=None, mountpoint=None) for esp in esps_of(peer, members))


def _own_esps(disk: Disk, mirrored: Collection[int | None]) -> list[tuple[int, Block]]:
    numbered = ((part.number, part) for part in disk.partitions if is_esp(part.part_type))
    return [(number, part) for number, part in numbered if number is not None and number not in mirrored]


def _volume_of(part: Block) -> str | None:
    """A FAT's id as fatlabel takes it: C0DE0E5A, where lsblk writes C0DE-0E5A."""
    volume = (part.uuid or "").replace("-", "").upper()
    return volume if fits("volume", volume) else None


def _new_volume() -> str:
    return secrets.token_hex(4).upper()


def unmount(job: Job, disk: Disk) -> list[Action]:
    """What lets the old disk's ESPs go."""
    mounts = {esp.mountpoint for esp in job.esps if esp.mountpoint}
    return [action("unmount", part=part.name) for part in disk.partitions if part.mountpoint in mounts]


def in_the_way(job: Job, seen: Seen) -> list[Objection]:
    """Partitions of the new disk that somebody mounted before they were written: never is one written over then."""
    if seen.new is None:
        return []
    written = {one.fields["part"] for esp in job.esps for one in _make(job, seen, seen.new, esp)}
    return [
        Objection(f"{part.name} is mounted on {part.mountpoint}, and is to be written: unmount it")
        for part in seen.new.partitions
        if part.mountpoint is not None and part.name in written
    ]


def install(job: Job, seen: Seen, new: Disk) -> list[Action]:
    """What the new disk's ESPs still lack: their content, then their id, an entry in the firmware, their place."""
    mounted = {part.name for part in new.partitions if part.mountpoint is not None}
    made = [one for esp in job.esps if new.part(esp.partition) not in mounted for one in _make(job, seen, new, esp)]
    if made:  # what is written there and not yet on the disk comes along; udev finds the new id before it is mounted
        made = [action("sync"), *made, action("settle")]
    return [*made, *_boot_entries(seen, new), *_mount_again(job, seen, new)]


def _make(job: Job, seen: Seen, new: Disk, esp: Esp) -> list[Action]:
    """The copy, if it is none yet, and the id, if it has another. Nothing where no healthy disk has one to copy."""
    source = esp_sources(job, seen).get(esp.partition)
    if source is None:
        return []
    part = new.part(esp.partition)
    copied = esp.partition in seen.esps_done
    copy = [] if copied else [action("copy-esp", source=source, part=part)]
    named = copied and _volume_on(new, part) == esp.volume
    return copy + ([action("set-volume", part=part, volume=esp.volume)] if seen.can_set_volume and not named else [])


def _volume_on(disk: Disk, name: str) -> str | None:
    return next((_volume_of(part) for part in disk.partitions if part.name == name), None)


def _boot_entries(seen: Seen, new: Disk) -> list[Action]:
    """An entry for each ESP of the new disk, of md's arrays too, if the firmware has one for another disk's."""
    if seen.efi_entries is None or seen.new_table is None:
        return []
    loader = _loader(seen.efi_entries)
    if loader is None:
        return []
    return [
        action("boot-entry", disk=new.name, number=str(partition.number), loader=loader)
        for partition in seen.new_table.partitions
        if is_esp(partition.type) and partition.uuid and partition.uuid.lower() not in seen.efi_entries.lower()
    ]


def _loader(told: str) -> str | None:
    """The loader that efibootmgr says the machine started from, or would: others (fwupd's) start no system."""
    entry = rf"^Boot([0-9A-F]{{4}})\*? .*?HD\(\d+,GPT,.*?\)/(?:File\()?({PATTERNS['loader']})"
    loaders = dict(re.findall(entry, told, re.MULTILINE))
    tried = ",".join(re.findall(r"^(?:BootCurrent|BootOrder): (\S+)", told, re.MULTILINE)).split(",")
    return next((loaders[number] for number in (*tried, *loaders) if number in loaders), None)


def _mount_again(job: Job, seen: Seen, new: Disk) -> list[Action]:
    """The ESPs back where they were mounted, if nothing is there now."""
    taken = {block.mountpoint for disk in seen.machine.disks for block in disk.block.all()}
    sources = esp_sources(job, seen)
    return [
        action("mount", part=new.part(esp.partition), mountpoint=esp.mountpoint)
        for esp in job.esps
        if esp.mountpoint is not None and esp.mountpoint not in taken and esp.partition in sources
    ]


def left_to_do(job: Job, seen: Seen) -> list[str]:
    """What an operator must do himself, because this machine has no fatlabel, or the labels differed."""
    lines = []
    parts = {part.name: part for part in seen.new.partitions} if seen.new else {}
    for esp in job.esps:
        part = parts.get(seen.new.part(esp.partition)) if seen.new else None
        if part is None or part.fstype != "vfat":
            continue
        if _volume_of(part) != esp.volume:
            lines.append(
                f"{part.name} has the volume id of the partition it was copied from: unmount it, and "
                f"`fatlabel -i /dev/{part.name} {esp.volume}` (dosfstools 4.2) gives it that of the old disk"
            )
        if esp.label is not None and part.label != esp.label:
            lines.append(f"{part.name} has the label {part.label}, and the old disk's had {esp.label}")
    return lines
