"""The plan of a replacement: which disk, what it serves, that everything lives without it. Changes nothing."""

import re
import time
from collections.abc import Sequence

from vme.actions.replace_disk.efi import esps_like, esps_of, may_stay_mounted
from vme.actions.replace_disk.job import Job, JobMember, OldDisk, Swap, open_jobs
from vme.actions.replace_disk.newcomer import objections_to
from vme.actions.replace_disk.objections import Objection, refuse
from vme.actions.replace_disk.seen import (
    BOOT_LOADER,
    Seen,
    can_set_volume,
    esp_sources,
    has_boot_loader,
    lacks_loader,
    look,
    signatures_of,
)
from vme.actions.replace_disk.steps import STEPS, next_step
from vme.config import Config, Node
from vme.errors import NotFound, Refused
from vme.node.md.bays import bay_of
from vme.node.md.block_devices import Block, Disk
from vme.node.md.machine import Session, mounted
from vme.node.md.mdadm import Detail
from vme.node.md.partition_table import parse_dump
from vme.node.md.verbs import fits
from vme.process import TookTooLong
from vme.records import dataclass, replace
from vme.ssh import role_on

# Partitions that hold nothing to lose: GRUB's own place on GPT, and MBR's containers of other partitions.
_EMPTY_TYPES = ("21686148-6449-6e6f-744e-656564454649", "0x5", "0xf", "0x85")
# The roles of vme_ssh_wrapper that admit all commands of verbs.STORAGE.
_ROLES = ("storage", "operate", "admin")


@dataclass(frozen=True)
class Plan:
    """A job, the machine as it was seen, and whether the job was begun before."""

    session: Session
    job: Job
    seen: Seen
    resumed: bool
    files: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The plan for a person."""
        return [f"{_heading(self.job)}:", *(f"  {note}" for note in self.notes)]


def check(config: Config, machine: Node, device: str, forced: tuple[str, ...], timeout_s: float) -> Plan:
    """Decide what is to be done with a disk (named `sda`, by serial number or by bay). Raises NotFound, or Refused."""
    session = Session(machine, config.ssh, timeout_s)
    _check_role(session)
    wanted = device.removeprefix("/dev/")
    for job in open_jobs(machine.name):
        if job.old is not None and wanted in (job.device, job.old.name, job.old.identity, job.old.bay):
            return _resumed(session, job, forced)
        if job.old is None and wanted in (job.device, job.new):
            return _resumed(session, job, forced)
        raise Refused(
            f"{wanted} on {machine.name}",
            [f"the replacement of {job.device} was begun and is not finished"],
            hint=f"finish it: replace_disk {machine.name} {job.device}",
        )
    seen = look(session, _blank(machine, wanted))
    disk = _find(config, seen, wanted)
    if _served(seen, disk):
        return _take_out(config, session, seen, disk, forced)
    return _take_in(session, seen, disk, forced)


def _check_role(session: Session) -> None:
    """Raise Refused where the machine's wrapper would refuse the first change, when all is said and confirmed."""
    role = role_on(session.node, session.ssh, timeout_s=session.timeout_s)
    if role is not None and role not in _ROLES:
        raise Refused(
            session.node.name,
            [f"our key's role there is `{role}`, which changes nothing"],
            hint=f"vme keys install {session.node.name} --role storage: the least that may replace disks",
        )


def _blank(machine: Node, device: str) -> Job:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Job(machine.name, device, now, None, ())


def _find(config: Config, seen: Seen, wanted: str) -> Disk:
    machine = seen.machine
    chassis = config.chassis_of(machine.node)
    for disk in machine.disks:
        if wanted in (disk.name, disk.serial, disk.wwn, bay_of(chassis, machine, disk)):
            return disk
        if wanted in (part.name for part in disk.partitions):
            raise Refused(f"{wanted} on {machine.node.name}", [f"is a partition: name its disk, {disk.name}"])
    raise NotFound(
        f"{wanted} on {machine.node.name}: no such disk; there are: {', '.join(disk.name for disk in machine.disks)}",
        hint="if it died and is gone already: put the new disk in, and name that one",
    )


def _resumed(session: Session, job: Job, forced: tuple[str, ...]) -> Plan:
    job = replace(job, forced=tuple(dict.fromkeys((*job.forced, *forced))))
    seen = look(session, job)
    step = next_step(job, seen)
    note = f"begun {job.started}; next: {step.title}" if step else f"begun {job.started}; all is done, to be verified"
    return Plan(session, job, seen, resumed=True, notes=(note,))


# --- a disk that serves arrays is taken out


def _served(seen: Seen, disk: Disk) -> list[tuple[Detail, Block]]:
    """The arrays a disk serves, or did before somebody removed its member: then its superblock still says so."""
    found = []
    for block in disk.block.all():
        if block.kind not in ("disk", "part"):
            continue
        for detail in seen.details:
            belongs = block.fstype == "linux_raid_member" and _plain(block.uuid) == _plain(detail.uuid)
            if detail.member(block.name) is not None or (belongs and not detail.whole):
                found.append((detail, block))
    return found


def _plain(uuid: str | None) -> str:
    """An array's UUID without the signs that lsblk and mdadm put in different places."""
    return re.sub(r"[^0-9a-f]", "", (uuid or "").lower())


def _take_out(config: Config, session: Session, seen: Seen, disk: Disk, forced: tuple[str, ...]) -> Plan:
    members = tuple(JobMember(d.uuid, d.name, b.number) for d, b in _served(seen, disk))
    objections = _of_other_uses(seen, disk)
    if not fits("disk", disk.name):
        raise Refused(f"{disk.name} on {session.node.name}", ["disks of this kind are not replaced by this tool"])
    if disk.identity is None:
        objections.append(Objection("tells neither a serial number nor a WWN, so it can't be known again"))
    esps = esps_of(disk, members)
    seen = replace(seen, old=disk, can_set_volume=bool(esps) and can_set_volume(session))
    dump = _read_if_it_can_be(session, "table", disk)
    old_table = parse_dump(dump)
    peer = _peer(seen, members)
    peer_dump = session.ask("table", disk=peer.name).output if peer else ""
    peer_table = parse_dump(peer_dump)
    from_peer = peer_table is not None and (old_table is None or old_table.shape == peer_table.shape)
    if any(member.partition for member in members) and not (from_peer or old_table):
        objections.append(
            Objection("no partition table can be had: neither its own, nor one of a disk with the same members")
        )
    job = Job(
        machine=session.node.name,
        device=disk.name,
        started=_blank(session.node, disk.name).started,
        old=_old_disk(config, seen, disk),
        members=members,
        swaps=_swaps(seen, disk),
        esps=esps,
        bios_boot=BOOT_LOADER in _read_if_it_can_be(session, "boot-sector", disk)
        or (old_table is None and peer is not None and has_boot_loader(session, peer)),
        table=peer_dump if from_peer else (dump if old_table else ""),
        table_from=f"{peer.name} (serial {peer.identity})" if from_peer and peer else f"{disk.name} itself",
        known=tuple(other.identity for other in seen.machine.disks if other.identity),
        forced=forced,
    )
    objections += STEPS[0].against(job, seen) + _of_boot(session, job, seen) + _of_swap(session, job, seen)
    refuse(f"{job.old or disk.name} on {session.node.name}", objections, forced)
    files = [(f"table-old-{disk.name}.sfdisk", dump), (f"table-healthy-{peer.name if peer else ''}.sfdisk", peer_dump)]
    return Plan(session, job, seen, False, tuple(f for f in files if f[1]), tuple(_notes(job, seen)))


def _read_if_it_can_be(session: Session, verb: str, disk: Disk) -> str:
    """What a command read of a disk that may be dying: nothing if it fails, or hangs until the deadline."""
    try:
        return session.ask(verb, disk=disk.name).output
    except TookTooLong:
        return ""


def _old_disk(config: Config, seen: Seen, disk: Disk) -> OldDisk:
    machine = seen.machine
    return OldDisk(
        name=disk.name,
        identity=disk.identity or "",
        model=disk.model,
        size_bytes=disk.size_bytes,
        hctl=disk.hctl,
        places=machine.places.get(disk.name, ()),
        slot=machine.slots.get(disk.name),
        bay=bay_of(config.chassis_of(machine.node), machine, disk),
        logical_bytes=disk.logical_bytes,
    )


def _peer(seen: Seen, members: Sequence[JobMember]) -> Disk | None:
    """A healthy disk that serves the same arrays with partitions of the same numbers: its table is to be copied."""

    def serves(disk: Disk, member: JobMember) -> bool:
        detail = seen.array(member.array_uuid)
        row = detail.member(disk.part(member.partition)) if detail else None
        return row is not None and row.in_sync

    return next((d for d in seen.healthy_disks() if members and all(serves(d, member) for member in members)), None)


def _swaps(seen: Seen, disk: Disk) -> tuple[Swap, ...]:
    return tuple(
        Swap(part.number, part.uuid, part.name in seen.machine.swaps)
        for part in disk.partitions
        if part.number and part.fstype == "swap"
    )


def _of_other_uses(seen: Seen, disk: Disk) -> list[Objection]:
    """What else lies on the disk: mounted or built upon, it is in the way; lying there, it would be lost."""
    objections = []
    members = {block.name for _, block in _served(seen, disk)}
    for block in (disk.block, *disk.partitions):
        if block.name in members or (block.part_type or "").lower() in _EMPTY_TYPES:
            continue
        if may_stay_mounted(block):
            continue
        above = [child for child in block.children if child.kind != "part"]
        if block.mountpoint not in (None, "[SWAP]"):
            objections += [Objection(f"{text}, which no array covers: unmount it") for text in mounted([block])]
        elif above:
            built = ", ".join(f"{child.kind} {child.name}" for child in above)
            objections.append(Objection(f"{built} is built on {block.name}, which no array covers"))
        elif block.fstype not in (None, "swap"):
            objections.append(Objection(f"{block.name} holds {block.fstype}, which no array covers", "data-lost"))
    return objections


def _of_boot(session: Session, job: Job, seen: Seen) -> list[Objection]:
    objections = []
    others = seen.healthy_disks()
    if job.bios_boot and not any(has_boot_loader(session, disk) for disk in others):
        objections.append(Objection("it alone has a boot loader: the machine would not boot while it is out", "boot"))
    sources = esp_sources(job, seen)
    missing = {esp.partition for esp in job.esps} - set(sources)
    if missing:
        parts = ", ".join(seen.old.part(number) for number in sorted(missing)) if seen.old else ""
        objections.append(Objection(f"no healthy disk has an EFI system partition like {parts}", "boot"))
    for number, source in sources.items():
        if seen.old and lacks_loader(session, source) and not lacks_loader(session, seen.old.part(number)):
            text = f"{source} is an EFI system partition without a boot loader, which {seen.old.part(number)} has"
            objections.append(Objection(f"{text}: nothing would boot meanwhile, nor from the new disk's copy", "boot"))
    return objections


def _of_swap(session: Session, job: Job, seen: Seen) -> list[Objection]:
    """Whether what is swapped out to the disk fits elsewhere."""
    names = {seen.old.part(swap.partition) for swap in job.swaps if swap.used} if seen.old else set()
    rows = [line.split() for line in session.ask("swaps").output.splitlines()[1:]]
    used_kib = sum(int(row[3]) for row in rows if row[0].removeprefix("/dev/") in names)
    free_kib = sum(int(row[2]) - int(row[3]) for row in rows if row[0].removeprefix("/dev/") not in names)
    available = re.search(r"MemAvailable:\s+(\d+)", session.ask("memory").output)
    if available is None or used_kib <= free_kib + int(available[1]):
        return []
    return [Objection(f"{used_kib} KiB are swapped out to it, and memory and other swap have no room for that")]


# --- a disk that serves none is taken in, where arrays lack one


def _take_in(session: Session, seen: Seen, disk: Disk, forced: tuple[str, ...]) -> Plan:
    subject = f"{disk.name} (serial {disk.identity}) on {session.node.name}"
    lacking = [detail for detail in seen.details if not detail.whole]
    if not lacking:
        raise Refused(subject, ["it serves no array, and no array lacks a member: there is nothing to replace"])
    peer, members = _who_shows_how(seen, lacking)
    if peer is None:
        names = ", ".join(detail.name for detail in lacking)
        raise Refused(subject, [f"no one disk serves all of the arrays that lack a member ({names}), to show how"])
    dump = session.ask("table", disk=peer.name).output
    job = Job(
        machine=session.node.name,
        device=disk.name,
        started=_blank(session.node, disk.name).started,
        old=None,
        members=members,
        esps=esps_like(peer, members),
        bios_boot=has_boot_loader(session, peer),
        table=dump if parse_dump(dump) else "",
        table_from=f"{peer.name} (serial {peer.identity})",
        known=tuple(other.identity for other in seen.machine.disks if other.identity and other != disk),
        new=disk.identity,
        forced=forced,
    )
    refuse(subject, objections_to(job, seen.machine, disk, signatures_of(session, disk)), forced)
    seen = look(session, job)
    return Plan(session, job, seen, False, ((f"table-healthy-{peer.name}.sfdisk", dump),), tuple(_notes(job, seen)))


def _who_shows_how(seen: Seen, lacking: Sequence[Detail]) -> tuple[Disk | None, tuple[JobMember, ...]]:
    for disk in seen.healthy_disks():
        blocks = {block.name: block for block in disk.block.all()}
        rows = [
            JobMember(detail.uuid, detail.name, blocks[member.name].number)
            for detail in lacking
            for member in detail.members
            if member.in_sync and member.name in blocks
        ]
        if len(rows) == len(lacking):
            return disk, tuple(rows)
    return None, ()


# --- in words


def _heading(job: Job) -> str:
    if job.old is None:
        return f"take {job.device} (serial {job.new}) in on {job.machine}, in place of a disk that is gone"
    where = f" in bay {job.old.bay}" if job.old.bay else ""
    at = f" at {job.old.hctl}" if job.old.hctl else ""
    return f"replace {job.old}{where}{at} on {job.machine}"


def _notes(job: Job, seen: Seen) -> list[str]:
    lines = []
    for member in job.members:
        detail = seen.array(member.array_uuid)
        if detail is None:
            continue
        name = seen.old.part(member.partition) if seen.old else None
        keep = [row.name for row in detail.members if row.in_sync and row.name and row.name != name]
        loses = f"loses {name}, lives on {', '.join(keep)}" if name else f"lacks a member, lives on {', '.join(keep)}"
        spares = ", ".join(spare for spare in detail.spares if spare != name)
        more = f"; its spare {spares} takes over at once, and the new disk becomes the spare" if spares else ""
        lines.append(f"{detail.name} ({detail.level}) {loses}{more}")
    lines.append(
        f"the new disk gets the partition table of {job.table_from}" if job.table else "there is no partition table"
    )
    if job.swaps:
        lines.append(f"swap on partition {', '.join(str(swap.partition) for swap in job.swaps)}: off, and made again")
    if job.bios_boot:
        lines.append("the boot loader (BIOS) is installed on the new disk")
    if job.esps:
        lines.append(f"the EFI system partition is copied from a healthy disk, and {_of_volume(job, seen)}")
    return lines + [f"overridden: {code}" for code in job.forced]


def _of_volume(job: Job, seen: Seen) -> str:
    if seen.can_set_volume:
        return f"gets the volume id {', '.join(esp.volume for esp in job.esps)}"
    return "keeps that one's volume id: there is no fatlabel (dosfstools 4.2)"
