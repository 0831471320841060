"""The ladder of a migration that does not converge: each rung in its turn, none too early, and always an end."""

import pytest

from vme.actions.migrate.ladder import Climb, Rung, first_step, helped_by, next_step
from vme.config import MigrationSettings
from vme.hypervisor.migration import JobProgress
from vme.records import replace

MIB = 1024 * 1024
PLAIN = MigrationSettings(max_downtime_ms=1000)


def sample(iteration: int, left_mib: float, throttle: int = 0) -> JobProgress:
    return JobProgress(512 * MIB, int(left_mib * MIB), 4 * MIB, 8 * MIB, 1.0, iteration, 0, throttle)


def climb_with(samples: list[JobProgress], settings: MigrationSettings, *, throttled: bool = False) -> list[str]:
    """What the ladder says to these samples, but for waiting: `300` and so on for a pause allowed."""
    climb, rung = first_step(settings, throttled=throttled)
    said = []
    for job in samples:
        if rung is not Rung.WAIT:
            said.append(str(climb.downtime_ms) if rung is Rung.ALLOW_DOWNTIME else rung.value)
            if rung is Rung.POSTCOPY:
                climb = replace(climb, in_postcopy=True)
        climb, rung = next_step(climb, job, settings)
    return said


def busy(passes: int = 40, throttle: int = 0) -> list[JobProgress]:
    """A guest that leaves as much after each pass as after the one before."""
    return [sample(number, 100, throttle) for number in range(1, passes)]


def test_who_converges_is_left_alone() -> None:
    assert climb_with([sample(number, 400 / number) for number in range(1, 10)], PLAIN) == []


def test_the_samples_within_a_pass_do_not_count() -> None:
    assert climb_with([sample(2, 100)] * 50, PLAIN) == []


def test_the_first_pass_does_not_count() -> None:
    assert climb_with([sample(1, left) for left in (400, 500, 500, 500, 500)], PLAIN) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (PLAIN, ["600", "1000", "auto-converge"]),
        (replace(PLAIN, auto_converge="never"), ["600", "1000", "give up"]),
        (replace(PLAIN, auto_converge="never", postcopy=True), ["600", "1000", "post-copy"]),
        (replace(PLAIN, max_downtime_ms=300, auto_converge="never"), ["give up"]),
        (replace(PLAIN, max_downtime_ms=100, auto_converge="never"), ["100", "give up"]),
        (
            replace(PLAIN, max_downtime_ms=5000, auto_converge="never"),
            ["600", "1200", "2400", "4800", "5000", "give up"],
        ),
    ],
)
def test_one_rung_after_the_other(settings: MigrationSettings, expected: list[str]) -> None:
    assert climb_with(busy(), settings)[: len(expected)] == expected


def test_it_ends_with_auto_converge_too() -> None:
    said = climb_with(busy(), PLAIN, throttled=True)
    assert said[:3] == ["600", "1000", "give up"]
    assert climb_with(busy(), replace(PLAIN, postcopy=True), throttled=True) == ["600", "1000", "post-copy"]


def test_while_qemu_slows_the_guest_down_more_and_more_it_waits() -> None:
    rising = [sample(number, 100, min(99, 10 * (number // 2))) for number in range(1, 30)]
    settings = replace(PLAIN, max_downtime_ms=300)
    assert climb_with(rising[:20], settings, throttled=True) == []
    assert climb_with(rising, settings, throttled=True)[0] == "give up"


def test_a_rung_that_helps_is_the_last() -> None:
    samples = [*busy(5), *(sample(number, 100 * 0.8**number) for number in range(5, 20))]
    assert climb_with(samples, PLAIN) == ["600"]


def test_in_post_copy_nothing_more_is_done() -> None:
    climb = replace(Climb(throttled=False), in_postcopy=True, pass_number=3, lowest_bytes=1, in_vain=9)
    assert next_step(climb, sample(9, 100), PLAIN) == (climb, Rung.WAIT)


def test_what_helped_is_said() -> None:
    assert helped_by(Climb(throttled=True)) == ()
    climb = replace(Climb(throttled=True), downtime_ms=1000, throttle_percent=40, in_postcopy=True)
    assert helped_by(climb) == ("a pause of up to 1000 ms", "slowing it down by 40 %", "post-copy")
