"""Calls that may hang, in threads that nobody waits for."""

import signal
import threading
import time

import pytest

from vme.errors import NotFound, Silent
from vme.fleet.deadline import Late, begun, within


def test_the_result() -> None:
    assert within(20, "x", lambda: "done") == "done"
    assert within(20, "x", lambda: None) is None


@pytest.mark.parametrize("problem", [NotFound("gone"), ZeroDivisionError(), SystemExit(3)])
def test_what_the_call_raises_is_raised_here(problem: BaseException) -> None:
    def fail() -> None:
        raise problem

    with pytest.raises(type(problem)) as caught:
        within(20, "x", fail)
    assert caught.value is problem


def test_a_call_that_hangs_is_late_and_keeps_nobody() -> None:
    thaw = threading.Event()
    with pytest.raises(Late, match=r"web1 on kvm01: no answer within 0\.05 s") as caught:
        within(0.05, "web1 on kvm01", thaw.wait)
    assert isinstance(caught.value, Silent)
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    thaw.set()


def test_a_call_that_is_begun_goes_on_while_something_else_is_done() -> None:
    thaw = threading.Event()
    outcome = begun(20, "x", lambda: thaw.wait(20))
    thaw.set()
    assert outcome()
    assert outcome(), "it may be asked for again"
    with pytest.raises(Late, match="x: no answer"):
        begun(0.05, "x", threading.Event().wait)()


def test_ctrl_c_lets_the_call_end_first_so_that_undoing_knows_what_there_is() -> None:
    """It comes as early as it can: while the call's thread is being started."""
    done: list[str] = []
    main = threading.get_ident()

    def work() -> None:
        signal.pthread_kill(main, signal.SIGALRM)
        time.sleep(0.2)
        done.append("defined")

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            within(20, "x", work)
        assert done == ["defined"]
    finally:
        signal.signal(signal.SIGALRM, before)
