"""Watching the arrays until each is whole, and telling at once when one will not be."""

import time

from vme.actions.replace_disk.job import Job
from vme.actions.replace_disk.seen import Seen, look
from vme.errors import Failed, VmeError
from vme.node.md.machine import Session
from vme.node.md.mdadm import Detail
from vme.node.md.mdstat import MdArray
from vme.progress import Advance
from vme.units import MIB, duration_text

_POLL_S = 1.0
# md may take a moment to begin with an array, or between one and the next.
_STANDSTILL_S = 20.0
# Answers that fail while a machine is busy: only so many in a row are an end.
_PATIENCE = 5


def watch(session: Session, job: Job, first: Seen, advance: Advance) -> None:
    """Return when every array of the job is whole. Raises Failed when a rebuild stopped or a member was lost."""
    holders = {detail.name: _in_sync(detail) for detail in _arrays(job, first)}
    moving_s = time.monotonic()
    silent = 0
    while True:
        try:
            seen = look(session, job)
            silent = 0
        except VmeError:
            silent += 1
            if silent > _PATIENCE:
                raise
            time.sleep(_POLL_S)
            continue
        arrays = _arrays(job, seen)
        _check(job, seen, arrays, holders)
        if all(detail.whole and "recovering" not in detail.state for detail in arrays):
            advance(100.0, "")
            return
        if any(array.progress for array in _stats(seen, arrays)):
            moving_s = time.monotonic()
        elif time.monotonic() - moving_s > _STANDSTILL_S:
            raise Failed(f"{job.subject}: the rebuild stopped; {_states(arrays)}", hint=_LOOK)
        advance(*progress_of(arrays, _stats(seen, arrays)))
        time.sleep(_POLL_S)


_LOOK = "see the kernel's log and mdadm --detail on the machine; nothing more was done"


def _arrays(job: Job, seen: Seen) -> list[Detail]:
    """The job's arrays, each once."""
    found = (seen.array(uuid) for uuid in dict.fromkeys(member.array_uuid for member in job.members))
    return [detail for detail in found if detail is not None]


def _in_sync(detail: Detail) -> frozenset[str]:
    return frozenset(member.name for member in detail.members if member.in_sync and member.name)


def _check(job: Job, seen: Seen, arrays: list[Detail], holders: dict[str, frozenset[str]]) -> None:
    """Raise Failed where an array is gone, a member that held its data was lost, or the new disk was thrown out.

    An array that lost its last member tells no UUID any more: it is missing from `arrays`, whatever else is left of it.
    """
    present = {block.name for disk in seen.machine.disks for block in disk.block.all()}
    in_sync = {detail.name: _in_sync(detail) & present for detail in arrays}
    problems = [
        f"{name} lost {', '.join(sorted(lost))} during the rebuild"
        for name, held in holders.items()
        if (lost := held - in_sync.get(name, frozenset()))
    ]
    problems += [f"{detail.name} has failed" for detail in arrays if "FAILED" in detail.state]
    new = seen.new
    if new is None:
        problems.append("the new disk is gone")
    else:
        names = {new.part(member.partition) for member in job.members}
        problems += [
            f"{detail.name} threw the new disk's {member.name} out"
            for detail in arrays
            for member in detail.members
            if member.faulty and member.name in names
        ]
    if problems:
        raise Failed(f"{job.subject}: {'; '.join(problems)}; {_states(arrays)}", hint=_LOOK)


def _states(arrays: list[Detail]) -> str:
    return "; ".join(f"{detail.name} is {', '.join(sorted(detail.state))}" for detail in arrays) or "no array is left"


def _stats(seen: Seen, arrays: list[Detail]) -> list[MdArray]:
    names = {detail.name for detail in arrays}
    return [array for array in seen.machine.arrays if array.name in names]


def progress_of(arrays: list[Detail], stats: list[MdArray]) -> tuple[float, str]:
    """Per cent over all arrays, weighed by size, and a few words: what is rebuilt, how fast, until when."""
    by_name = {array.name: array for array in stats}
    total = sum(detail.used_bytes or 0 for detail in arrays) or 1
    done, words = 0.0, []
    for detail in arrays:
        progress = by_name[detail.name].progress if detail.name in by_name else None
        share = 1.0 if detail.whole else (progress.percent or 0.0) / 100 if progress else 0.0
        done += share * (detail.used_bytes or 0)
        if progress is not None and progress.percent is not None and not detail.whole:
            rate = f" at {progress.rate_kib_s * 1024 / MIB:.0f} MiB/s" if progress.rate_kib_s else ""
            left = f", about {duration_text(progress.remaining_s)} left" if progress.remaining_s is not None else ""
            words.append(f"{detail.name}{rate}{left}")
    return 100 * done / total, "; ".join(words)
