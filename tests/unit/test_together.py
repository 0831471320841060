"""The same work for many things at once: Ctrl-C is not over before each has undone its own."""

import os
import signal
import threading
import time

import pytest

from vme.actions.together import Stop, together
from vme.errors import Failed, VmeError


def test_what_fails_is_told_and_stops_no_other() -> None:
    done: list[str] = []
    failures: dict[str, VmeError] = {}

    def work(item: str) -> None:
        if item == "b":
            raise Failed("b: no")
        done.append(item)

    together("abc", lambda item: item, work, failures.__setitem__, Stop(), 4)
    assert (sorted(done), failures["b"].message) == (["a", "c"], "b: no")


def test_a_bug_is_raised_when_all_have_ended_also_one_in_telling_of_a_failure() -> None:
    done: list[str] = []

    def work(item: str) -> None:
        if item == "a":
            raise Failed("a: no")
        time.sleep(0.2)
        done.append(item)

    def tell(_item: str, _problem: VmeError) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        together("ab", lambda item: item, work, tell, Stop(), 4)
    assert done == ["b"]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_waits_for_all_undoing_however_often_it_is_pressed(times: int) -> None:
    stop, undone, all_begun = Stop(), [], threading.Barrier(4)

    def work(item: str) -> None:
        all_begun.wait(20)
        try:
            while True:
                time.sleep(0.01)
                stop.check()
        except KeyboardInterrupt:
            time.sleep(0.6 if item == "a" else 0.1)
            undone.append(item)
            raise

    def press() -> None:
        all_begun.wait(20)
        for _ in range(times):
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGALRM)

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        threading.Thread(target=press, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            together("abc", lambda item: item, work, lambda *_words: None, stop, 4)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sorted(undone) == ["a", "b", "c"]


def test_what_has_not_begun_when_ctrl_c_comes_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the threads are being started: all that are waited for have been."""
    begun: list[str] = []
    stop = Stop()
    start = threading.Thread.start

    def interrupting(thread: threading.Thread) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        start(thread)

    def work(item: str) -> None:
        begun.append(item)
        time.sleep(0.2)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(threading.Thread, "start", interrupting)
    try:
        with pytest.raises(KeyboardInterrupt):
            together("abc", lambda _item: "one lane", work, lambda *_words: None, stop, 1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(begun) == 1
