"""How far a migration is, as figures and as words."""

import pytest

from vme.actions.migrate.live import progress_words
from vme.hypervisor.migration import JobProgress


def job(total: int, remaining: int, rate: int = 0, dirty: int = 0) -> JobProgress:
    return JobProgress(total, remaining, rate, dirty, 1.0, 1)


@pytest.mark.parametrize(("total", "remaining", "percent"), [(0, 0, 0), (200, 200, 0), (200, 50, 75), (200, 0, 100)])
def test_percent(total: int, remaining: int, percent: float) -> None:
    assert job(total, remaining).percent == percent


@pytest.mark.parametrize(
    ("rate", "dirty", "left_s"), [(0, 0, None), (100, 100, None), (100, 200, None), (100, 50, 20), (100, 0, 10)]
)
def test_time_left_is_said_only_while_the_guest_is_outrun(rate: int, dirty: int, left_s: float | None) -> None:
    assert job(2000, 1000, rate, dirty).remaining_s == left_s


def test_words() -> None:
    assert progress_words(job(10**9, 5 * 10**8, 10**8, 2 * 10**7)) == (
        "100 MB/s, 500 MB to go, dirties 20 MB/s, about 6.2 s left"
    )
    assert progress_words(job(10**9, 10**6, 0, 0)) == "0 MB/s, 1 MB to go, dirties 0 MB/s"
