"""The same work on many guests: one that fails stops no other, and Ctrl-C leaves nothing half done unsaid."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.made import config, guest
from vme.commands import each
from vme.commands.context import Context
from vme.commands.each import on_each
from vme.errors import Failed, Interrupted, NotFound

GUESTS = [guest(f"web{number}") for number in range(1, 9)]


def done(tmp_path: Path, work: Callable[[int], str], count: int = 8) -> int:
    return on_each(Context(config(tmp_path), "stop_guest", quiet=False), GUESTS[:count], work)


def test_one_guest_s_error_is_the_tool_s(tmp_path: Path) -> None:
    def fail(_index: int) -> str:
        raise NotFound("web1: gone")

    with pytest.raises(NotFound, match="web1: gone"):
        done(tmp_path, fail, 1)


def test_one_that_fails_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work(index: int) -> str:
        if index == 2:
            raise NotFound("web3: gone", hint="look")
        return f"web{index + 1}: stopped"

    with pytest.raises(Failed, match="1 of 8 guests not done"):
        done(tmp_path, work)
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 7
    assert said.err == "stop_guest: web3: gone (hint: look)\n"
    assert done(tmp_path, lambda index: str(index)) == 0


def test_at_most_four_at_once_on_a_node(tmp_path: Path) -> None:
    busy, most, guard, four = [0], [0], threading.Lock(), threading.Barrier(4)

    def work(_index: int) -> str:
        with guard:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        four.wait(20)  # none goes on before it is one of four
        with guard:
            busy[0] -= 1
        return ""

    done(tmp_path, work)
    assert most[0] == 4


def test_a_bug_is_raised(tmp_path: Path) -> None:
    def fail(_index: int) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        done(tmp_path, fail)


@pytest.mark.parametrize("hangs", [False, True])
def test_ctrl_c_lets_end_what_began_and_begins_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hangs: bool
) -> None:
    thaw, four = threading.Event(), threading.Barrier(4)

    def work(index: int) -> str:
        if four.wait(20) == 0:
            os.kill(os.getpid(), signal.SIGALRM)
        if hangs and index == 0:
            thaw.wait()
        time.sleep(0.5)  # the main thread hears of the signal meanwhile
        return f"web{index + 1}: deleted"

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(each, "GRACE_S", 3 if hangs else 20)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interrupted) as caught:
            done(tmp_path, work)
    finally:
        signal.signal(signal.SIGALRM, before)
        said = capsys.readouterr().out
        thaw.set()
        for thread in set(threading.enumerate()) - {threading.main_thread()}:
            thread.join(5)  # or the one that hung would speak into another test
    ended = sorted(line.partition(":")[0] for line in said.splitlines())
    assert ended == (["web2", "web3", "web4"] if hangs else ["web1", "web2", "web3", "web4"])
    assert caught.value.message.endswith("not begun: web5 on kvm01, web6 on kvm01, web7 on kvm01, web8 on kvm01")
    assert ("how it ended is not known: web1 on kvm01" in caught.value.message) == hangs
