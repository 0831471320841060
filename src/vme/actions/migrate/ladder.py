"""The ladder a migration climbs while the guest dirties its memory faster than the link carries it: pure logic.

After each pass over the memory, what is left must be less than before. While it is not, one rung after the other:
allow a longer pause at the end, step by step; let auto-converge slow the guest down (which can only be asked for at the
start of a migration, so it starts again); let the guest run at its destination before all its memory is there
(post-copy, where that is allowed); give up. Each rung gets a few passes, so it ends: the guest arrives or stays.
"""

from enum import Enum

from vme.config import MigrationSettings
from vme.hypervisor.migration import JobProgress
from vme.records import dataclass, replace

# QEMU's own, as long as nobody says otherwise (migration parameter downtime-limit).
_FIRST_DOWNTIME_MS = 300
# Passes that bring nothing before the next rung is taken; what is left must fall by a tenth to have brought something.
_PASSES_IN_VAIN = 2
_BROUGHT_SOMETHING = 0.9
# More a guest can't be slowed down (migration parameter max-cpu-throttle).
_FULL_THROTTLE_PERCENT = 99


class Rung(Enum):
    """What to do now; `ALLOW_DOWNTIME` means as much as Climb.downtime_ms says."""

    WAIT = "wait"
    ALLOW_DOWNTIME = "a longer pause"
    THROTTLE = "auto-converge"
    POSTCOPY = "post-copy"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class Climb:
    """How far up it is. `lowest_bytes`: the least that was left after a pass since the last rung."""

    throttled: bool
    downtime_ms: int = _FIRST_DOWNTIME_MS
    pass_number: int = 0
    lowest_bytes: int | None = None
    in_vain: int = 0
    throttle_percent: int = 0
    in_postcopy: bool = False


def first_step(settings: MigrationSettings, *, throttled: bool) -> tuple[Climb, Rung]:
    """Where the climb begins: at what QEMU does by itself, or at less, where less pause is allowed."""
    climb = Climb(throttled)
    if settings.max_downtime_ms < climb.downtime_ms:
        return replace(climb, downtime_ms=settings.max_downtime_ms), Rung.ALLOW_DOWNTIME
    return climb, Rung.WAIT


def next_step(climb: Climb, job: JobProgress, settings: MigrationSettings) -> tuple[Climb, Rung]:
    """What a sample of the job's progress leads to. Only the first sample of a pass counts: what is left grows less
    within each."""
    if climb.in_postcopy or job.iteration <= max(climb.pass_number, 1):
        return climb, Rung.WAIT
    climb = replace(climb, pass_number=job.iteration)
    if climb.lowest_bytes is None:
        return replace(climb, lowest_bytes=job.remaining_bytes), Rung.WAIT
    if job.throttle_percent > climb.throttle_percent:
        # QEMU slows it down more and more: that is given its time.
        return replace(climb, throttle_percent=job.throttle_percent, in_vain=0), Rung.WAIT
    if job.remaining_bytes < climb.lowest_bytes * _BROUGHT_SOMETHING:
        return replace(climb, lowest_bytes=job.remaining_bytes, in_vain=0), Rung.WAIT
    if climb.in_vain + 1 < _patience(climb):
        return replace(climb, in_vain=climb.in_vain + 1), Rung.WAIT
    return _up(replace(climb, in_vain=0, lowest_bytes=job.remaining_bytes), settings)


def _up(climb: Climb, settings: MigrationSettings) -> tuple[Climb, Rung]:
    if climb.downtime_ms < settings.max_downtime_ms:
        return replace(climb, downtime_ms=min(2 * climb.downtime_ms, settings.max_downtime_ms)), Rung.ALLOW_DOWNTIME
    if not climb.throttled and settings.auto_converge == "needed":
        return climb, Rung.THROTTLE
    return last_step(climb, settings)


def last_step(climb: Climb, settings: MigrationSettings) -> tuple[Climb, Rung]:
    """The end of the ladder, and what a limit of time leads to."""
    return climb, Rung.POSTCOPY if settings.postcopy else Rung.GIVE_UP


def helped_by(climb: Climb) -> tuple[str, ...]:
    """What a guest that has arrived was given beyond what QEMU does by itself; nothing, if it came so."""
    return (
        *([f"a pause of up to {climb.downtime_ms} ms"] if climb.downtime_ms > _FIRST_DOWNTIME_MS else []),
        *([f"slowing it down by {climb.throttle_percent} %"] if climb.throttle_percent else []),
        *(["post-copy"] if climb.in_postcopy else []),
    )


def _patience(climb: Climb) -> int:
    """While QEMU still may slow the guest down more it takes its own passes for each step of that."""
    still_rising = climb.throttled and climb.throttle_percent < _FULL_THROTTLE_PERCENT
    return 3 * _PASSES_IN_VAIN if still_rising else _PASSES_IN_VAIN
