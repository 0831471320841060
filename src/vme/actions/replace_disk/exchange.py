"""Waiting while a person pulls the old disk and puts in the new one; and seeing that it was the right one."""

import time
from collections.abc import Callable
from typing import Protocol

from vme.actions.replace_disk.job import Job
from vme.actions.replace_disk.newcomer import newcomers, objections_to
from vme.actions.replace_disk.objections import standing
from vme.actions.replace_disk.seen import Seen, signatures_of
from vme.errors import Failed, Refused
from vme.node.md.block_devices import Disk, disk_by_identity
from vme.node.md.machine import SLOW_S, Machine, Session, ask_machine
from vme.node.md.verbs import action

_POLL_S = 2.0
# How long a disk that was plugged in just now may take until udev knows its serial number.
_SETTLE_S = 30.0


class Accompanied(Protocol):
    """What the wait needs of carry_out's Manner."""

    @property
    def say(self) -> Callable[[str], None]: ...
    @property
    def pressed(self) -> Callable[[float], bool]: ...
    @property
    def exchange_wait_s(self) -> float: ...


def wait_for_new_disk(
    session: Session, job: Job, seen: Seen, manner: Accompanied, *, rescan_first: bool
) -> Disk | None:
    """The new disk, once it is there and nothing speaks against it. Raises Refused with all that does, or Failed.

    None if the scan at the beginning found that the old disk is still in: the kernel must be told again that it goes.

    Buses announce a disk themselves; those that do not are scanned when Enter is pressed, or the tool is begun again.
    """
    manner.say(_what_to_do(job))
    needed = {disk.identity: disk.name for disk in seen.healthy_disks()}
    if rescan_first:
        rescan(session)
        if job.old is not None and disk_by_identity(ask_machine(session).disks, job.old.identity) is not None:
            return None
    deadline_s = time.monotonic() + manner.exchange_wait_s
    first_seen_s: float | None = None
    while True:
        machine = ask_machine(session)
        _check_the_others(job, machine, needed)
        found = newcomers(job, machine)
        if not found:
            first_seen_s = None
        elif first_seen_s is None:
            first_seen_s = time.monotonic()
            session.run(action("settle"), timeout_s=SLOW_S)  # what it is, and where, is for udev to find out
            continue
        else:
            settled = all(disk.identity for disk in found) or time.monotonic() - first_seen_s > _SETTLE_S
            if settled and (disk := _accepted(session, job, machine, found)) is not None:
                return disk
        if time.monotonic() > deadline_s:
            raise Failed(f"{job.subject}: no new disk came within {manner.exchange_wait_s:g} s")
        if manner.pressed(_POLL_S):
            rescan(session)


def _what_to_do(job: Job) -> str:
    old = job.old
    if old is None:
        return f"  put the disk with serial {job.new} back in"
    where = " ".join(filter(None, (f"bay {old.bay}" if old.bay else "", f"address {old.hctl}" if old.hctl else "")))
    place = where or ", ".join(old.places) or "its place"
    return (
        f"  pull the disk with serial {old.identity} ({place}), put the new one in, and press Enter if nothing happens"
    )


def _check_the_others(job: Job, machine: Machine, needed: dict[str | None, str]) -> None:
    """Raise Failed when a disk that the arrays now live on has gone: the wrong one was pulled."""
    gone = sorted(set(needed) - {disk.identity for disk in machine.disks}, key=str)
    if gone:
        names = ", ".join(f"{needed[identity]} (serial {identity})" for identity in gone)
        raise Failed(
            f"{job.subject}: the WRONG DISK was pulled: {names} is gone, and the arrays live on it",
            hint="put it back at once, in the same bay, and look at disk_list before anything else",
        )


def _accepted(session: Session, job: Job, machine: Machine, found: tuple[Disk, ...]) -> Disk | None:
    """The one disk that nothing speaks against. Raises Refused where something does, about every one that came."""
    reasons = []
    good = []
    for disk in found:
        against = standing(objections_to(job, machine, disk, signatures_of(session, disk)), job.forced)
        reasons += against
        good += [] if against else [disk]
    if len(good) > 1:
        reasons.append(f"{len(good)} new disks came ({', '.join(disk.name for disk in good)}): leave one only")
    if reasons:
        raise Refused(job.subject, reasons, hint="put another disk in, or override what can be, and begin again")
    return good[0]


def rescan(session: Session) -> None:
    """Let the kernel look for disks on every SCSI host and the PCI bus."""
    hosts = session.ask("scsi-hosts").output.split()
    for one in [action("rescan-scsi", host=host) for host in hosts] + [action("rescan-pci")]:
        session.run(one)
    session.run(action("settle"), timeout_s=SLOW_S)
