"""The steps of a replacement: which is next is derived from what the machine shows, never from what was done before.

Invariants, whatever is interrupted where, and however often it is begun again:
1. A command names a disk only by the name that the job's serial number has at this moment: the old disk's to take it
   out, the accepted new disk's to write on it. No other disk is ever written to, failed or removed.
2. A member is failed only while every array it serves lives without it, judged just before.
3. A partition table is written only onto the accepted new disk, which has no table, from the text that the job keeps.
   Nothing is ever copied from the new disk.
4. A step that is done is not done again: `pending` of a step is false as soon as its effect shows.
"""

from collections.abc import Callable

from vme.actions.replace_disk import efi
from vme.actions.replace_disk.job import Job, JobMember
from vme.actions.replace_disk.objections import Objection
from vme.actions.replace_disk.seen import Seen
from vme.node.md.block_devices import Disk
from vme.node.md.machine import mounted
from vme.node.md.mdadm import Detail, why_it_dies
from vme.node.md.partition_table import parse_dump, script_for
from vme.node.md.verbs import Action, action
from vme.records import dataclass


@dataclass(frozen=True)
class Step:
    """`pending`: whether it is to be done; `against`: why it must not be now; `actions`: the commands, in order."""

    name: str
    title: str
    pending: Callable[[Job, Seen], bool]
    against: Callable[[Job, Seen], list[Objection]]
    actions: Callable[[Job, Seen], list[Action]]


def next_step(job: Job, seen: Seen) -> Step | None:
    """The first step whose effect does not show yet, None when all is done."""
    return next((step for step in STEPS if step.pending(job, seen)), None)


def _nothing(_job: Job, _seen: Seen) -> list[Objection]:
    return []


# --- taking the old disk out


def _old_rows(job: Job, seen: Seen) -> list[tuple[Detail, str, bool]]:
    """(array, member, faulty) for every member of the old disk that an array still lists."""
    if job.new is not None or seen.old is None:
        return []
    names = {block.name for block in seen.old.block.all()}
    return [
        (detail, member.name, member.faulty)
        for detail in seen.details
        for member in detail.members
        if member.name is not None and member.name in names
    ]


def _to_fail(job: Job, seen: Seen) -> list[tuple[Detail, str]]:
    return [(detail, name) for detail, name, faulty in _old_rows(job, seen) if not faulty]


def _against_failing(job: Job, seen: Seen) -> list[Objection]:
    leaving = {name for _, name, _ in _old_rows(job, seen)}
    objections = []
    for detail in dict.fromkeys(detail for detail, _ in _to_fail(job, seen)):
        reason = why_it_dies(detail, leaving & set(detail.names))
        objections += [Objection(reason)] if reason else []
        if "reshaping" in detail.state:
            objections.append(Objection(f"{detail.name} is being reshaped: wait for its end"))
        if "resyncing" in detail.state:
            objections.append(Objection(f"{detail.name} is being resynchronised: wait for its end", "resyncing"))
    return objections


def _fail(job: Job, seen: Seen) -> list[Action]:
    return [action("fail", array=detail.name, member=name) for detail, name in _to_fail(job, seen)]


def _remove(job: Job, seen: Seen) -> list[Action]:
    return [action("remove", array=detail.name, member=name) for detail, name, _ in _old_rows(job, seen)]


def _detached(job: Job, seen: Seen) -> list[Detail]:
    """Arrays of the job that list a member whose device is gone: the disk vanished before it was removed."""
    ours = {member.array_uuid for member in job.members}
    return [
        detail for detail in seen.details if detail.uuid in ours and any(member.vanished for member in detail.members)
    ]


def _remove_detached(job: Job, seen: Seen) -> list[Action]:
    """md removes what is faulty only, and has not always noticed that a device is gone."""
    actions = []
    for detail in _detached(job, seen):
        if not all(member.faulty for member in detail.members if member.vanished):
            actions.append(action("fail-detached", array=detail.name))
        actions.append(action("remove-detached", array=detail.name))
    return actions


def _release_pending(job: Job, seen: Seen) -> bool:
    return bool(_release(job, seen))


def _release(job: Job, seen: Seen) -> list[Action]:
    """Swap off, EFI system partition unmounted: only of the old disk."""
    if job.new is not None or seen.old is None:
        return []
    blocks = list(seen.old.block.all())
    actions = [action("swap-off", part=block.name) for block in blocks if block.name in seen.machine.swaps]
    return actions + efi.unmount(job, seen.old)


def _delete_pending(job: Job, seen: Seen) -> bool:
    return job.new is None and seen.old is not None


def _against_deleting(job: Job, seen: Seen) -> list[Objection]:
    if seen.old is None:
        return []
    blocks = list(seen.old.block.all())
    busy = [f"{array.name} still has it" for array in seen.machine.arrays_on(seen.old)]
    busy += mounted(blocks) + [f"swap on {block.name}" for block in blocks if block.name in seen.machine.swaps]
    return [Objection(f"{seen.old.name} is still in use: {text}") for text in busy]


def _delete(_job: Job, seen: Seen) -> list[Action]:
    """Light the bay's LED where there is one to light, then let the kernel forget the disk."""
    if seen.old is None:
        return []
    name = seen.old.name
    light = action("led-on", disk=name, optional=True)
    if name.startswith("nvme"):
        return [light, action("delete-nvme", nvme=name)]
    if name.startswith("vd"):
        return [light, action("delete-virtio", virtio=name)]
    return [light, action("delete-scsi", scsi=name)]


# --- the exchange is a person's


def _exchange_pending(_job: Job, seen: Seen) -> bool:
    return seen.new is None


def _no_actions(_job: Job, _seen: Seen) -> list[Action]:
    return []


# --- bringing the new disk in


def _table_pending(job: Job, seen: Seen) -> bool:
    wanted = parse_dump(job.table)
    return wanted is not None and (seen.new_table is None or seen.new_table.shape != wanted.shape)


def _against_table(job: Job, seen: Seen) -> list[Objection]:
    disk = seen.new
    if disk is None:
        return []
    blocks = list(disk.block.all())
    busy = [f"{array.name} has it as a member" for array in seen.machine.arrays_on(disk)] + mounted(blocks)
    objections = [Objection(f"{disk.name} is in use: {text}") for text in busy]
    held = (*seen.new_signatures, *(block.name for block in disk.partitions))
    return objections + ([Objection(f"{disk.name} has data: {', '.join(held)}", "has-data")] if held else [])


def _write_table(job: Job, seen: Seen) -> list[Action]:
    table = parse_dump(job.table)
    if seen.new is None or table is None:
        return []
    script = script_for(table)
    return [*wipe(seen.new), action("write-table", stdin=script, disk=seen.new.name), action("settle")]


def wipe(disk: Disk) -> list[Action]:
    """Remove what a disk is known to hold, partitions first. Only after `has-data` was overridden is there any."""
    held = [block for block in disk.partitions if block.fstype]
    parts = [action("wipe", member=block.name) for block in held]
    return parts + ([action("wipe", member=disk.name)] if disk.partitions or disk.block.fstype else [])


def _to_add(job: Job, seen: Seen) -> list[tuple[JobMember, Detail]]:
    """The members of the job that the new disk is not yet; arrays that are gone are objected to elsewhere."""
    if seen.new is None:
        return []
    found = ((member, seen.array(member.array_uuid)) for member in job.members)
    return [
        (member, detail)
        for member, detail in found
        if detail is not None and detail.member(seen.new.part(member.partition)) is None
    ]


def _add_pending(job: Job, seen: Seen) -> bool:
    return bool(_to_add(job, seen)) or any(seen.array(member.array_uuid) is None for member in job.members)


def _against_adding(job: Job, seen: Seen) -> list[Objection]:
    gone = [member.array for member in job.members if seen.array(member.array_uuid) is None]
    objections = [Objection(f"{array} is not there any more: is it stopped?") for array in gone]
    for _, detail in _to_add(job, seen):
        reason = why_it_dies(detail, ())
        objections += [Objection(f"{reason}: nothing is added to it")] if reason else []
    if seen.new is not None:
        there = {block.name for block in seen.new.block.all()}
        names = (seen.new.part(member.partition) for member, _ in _to_add(job, seen))
        objections += [Objection(f"there is no {name}") for name in names if name not in there]
    return objections


def _add(job: Job, seen: Seen) -> list[Action]:
    new = seen.new
    if new is None:
        return []
    whole = [action("wipe", member=new.name)] if new.block.fstype and not new.partitions and not job.table else []
    members = [
        action("add", array=detail.name, member=new.part(member.partition)) for member, detail in _to_add(job, seen)
    ]
    return whole + members


def _boot_pending(job: Job, seen: Seen) -> bool:
    return seen.new is not None and bool(_boot(job, seen) or efi.in_the_way(job, seen))


def _boot(job: Job, seen: Seen) -> list[Action]:
    """Boot loader, EFI system partition with its entry, swap: only what the new disk has not yet."""
    new = seen.new
    if new is None:
        return []
    actions = [action("boot-bios", disk=new.name)] if job.bios_boot and not seen.new_boots else []
    return actions + efi.install(job, seen, new) + _swaps(job, seen, new)


def _swaps(job: Job, seen: Seen, new: Disk) -> list[Action]:
    actions = []
    blocks = {block.name: block for block in new.partitions}
    for swap in job.swaps:
        block = blocks.get(new.part(swap.partition))
        if block is None or block.name in seen.machine.swaps:
            continue
        if block.fstype != "swap" and swap.uuid is not None:
            actions.append(action("make-swap", uuid=swap.uuid, part=block.name))
        if swap.used:
            actions.append(action("swap-on", part=block.name))
    return actions


def _rebuild_pending(job: Job, seen: Seen) -> bool:
    arrays = [seen.array(member.array_uuid) for member in job.members]
    return any(array is None or not array.whole or _recovers(array) for array in arrays)


def _recovers(array: Detail) -> bool:
    return bool(array.state & {"recovering", "recovery"})


STEPS = (
    Step("fail", "fail its members", lambda j, s: bool(_to_fail(j, s)), _against_failing, _fail),
    Step("remove", "remove them from their arrays", lambda j, s: bool(_old_rows(j, s)), _nothing, _remove),
    Step(
        "remove-detached",
        "remove members that vanished",
        lambda j, s: bool(_detached(j, s)),
        _nothing,
        _remove_detached,
    ),
    Step("release", "swap off, EFI partition unmounted", _release_pending, _nothing, _release),
    Step("delete", "tell the kernel that the disk goes", _delete_pending, _against_deleting, _delete),
    Step("exchange", "wait for the exchange of the disk", _exchange_pending, _nothing, _no_actions),
    Step("partition", "copy the partition table to the new disk", _table_pending, _against_table, _write_table),
    Step("add", "add its partitions to their arrays", _add_pending, _against_adding, _add),
    Step("boot", "boot loader, EFI partition and swap", _boot_pending, efi.in_the_way, _boot),
    Step("rebuild", "watch the rebuild", _rebuild_pending, _nothing, _no_actions),
)
