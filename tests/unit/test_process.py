"""Processes: deadlines that hold, a clean environment, and messages where one can't be run. With real processes."""

import socket
import sys
import threading
import time
from collections.abc import Callable

import pytest

from vme import spawned
from vme.errors import Failed
from vme.forked import in_child
from vme.process import (
    Result,
    TookTooLong,
    run,
    run_watched,
)
from vme.programs import clean_environment
from vme.spawned import run_detached, start_on_socket

# A process that hangs must be gone long before this; far above what a busy machine needs to kill one.
LONG_S = 20


def test_what_a_process_wrote_and_how_it_ended() -> None:
    done = run(("sh", "-c", 'echo "$1"; echo warn >&2; echo why >&2; exit 3', "sh", "a b"), timeout_s=LONG_S)
    assert (done.status, done.output, done.error) == (3, "a b\n", "warn\nwhy\n")
    assert done.last_words == "why"


def test_a_process_killed_by_a_signal() -> None:
    assert run(("sh", "-c", "kill -9 $$"), timeout_s=LONG_S).status == -9


@pytest.mark.parametrize(("error", "words"), [("", "exit status 7"), ("a\n  b \n\n", "b")])
def test_last_words(error: str, words: str) -> None:
    assert Result(("x",), 7, "", error).last_words == words


def test_stdin_is_empty_or_given() -> None:
    assert run(("cat",), timeout_s=LONG_S).output == ""
    assert run(("cat",), timeout_s=LONG_S, stdin="hällo").output == "hällo"


def test_much_that_is_said_and_heard_at_once() -> None:
    much = "x" * (1 << 20)
    done = run(("sh", "-c", "tee /dev/stderr"), timeout_s=LONG_S, stdin=much)
    assert (done.output, done.error) == (much, much)
    assert run(("true",), timeout_s=LONG_S, stdin=much).status == 0, "it need not read to the end"


def test_a_process_that_writes_without_end_has_its_deadline() -> None:
    with pytest.raises(TookTooLong):
        run(("sh", "-c", "yes & exec yes >&2"), timeout_s=0.2)


def test_a_process_that_writes_more_than_is_sensible_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vme.piped._MOST_BYTES", 1 << 20)
    assert len(run(["head", "-c", str(1 << 20), "/dev/zero"], timeout_s=20).output) == 1 << 20
    with pytest.raises(Failed, match="cat wrote more than 1 MiB, and was ended"):
        run(["cat", "/dev/zero"], timeout_s=20)


def test_a_process_that_has_closed_what_it_writes_to_is_still_spoken_to() -> None:
    script = "exec >&- 2>&-; test $(wc -c) = 1048576"
    assert run(("sh", "-c", script), timeout_s=LONG_S, stdin="x" * (1 << 20)).status == 0


def test_a_process_that_closes_what_it_writes_to_is_waited_for() -> None:
    assert run(("sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 3"), timeout_s=LONG_S).status == 3


LEAVES = """
import os
from contextlib import suppress
from vme.errors import Failed
from vme.process import run
ours = lambda: set(os.listdir("/proc/self/fd"))
before = ours()
for script in ("true", "exec sleep 60", "kill -9 $$"):
    with suppress(Failed):
        run(("sh", "-c", script), timeout_s=0.1, stdin="x")
with suppress(Failed):
    run(("no-such-program",), timeout_s=1)
print(ours() == before)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child")
"""


def test_nothing_of_a_process_is_left() -> None:
    """In one of its own, which has no other children and files."""
    assert run((sys.executable, "-c", LEAVES), timeout_s=LONG_S).output == "True\nno child\n"


def test_output_that_is_no_text() -> None:
    assert run(("printf", r"a\377b"), timeout_s=LONG_S).output == r"a\xffb"


@pytest.mark.parametrize("script", ["exec sleep 60", "trap '' TERM; while :; do sleep 60; done", "sleep 60 & wait"])
def test_the_deadline_holds(script: str) -> None:
    begun_s = time.monotonic()
    with pytest.raises(TookTooLong, match=r"sh gave no answer within 0\.1 s"):
        run(("sh", "-c", script), timeout_s=0.1)
    assert time.monotonic() - begun_s < LONG_S


def test_a_process_the_kernel_does_not_let_go_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.pidfd_send_signal", lambda *_: None)  # as SIGKILL is to one that waits for its disk
    monkeypatch.setattr("vme.piped._KILL_GRACE_S", 0.05)
    begun_s = time.monotonic()
    with pytest.raises(TookTooLong):
        run(("sleep", "2"), timeout_s=0.05)
    assert time.monotonic() - begun_s < 1.5


def test_watched_output_comes_piece_by_piece() -> None:
    seen: list[str] = []
    done = run_watched(("sh", "-c", "printf one; echo no >&2; exit 4"), timeout_s=LONG_S, on_output=seen.append)
    assert ("".join(seen), done.status, done.last_words) == ("one", 4, "no")


@pytest.mark.parametrize(
    "script",
    ["exec sleep 60", "exec >&-; exec sleep 60", "while :; do echo x; sleep 0.02; done"],
    ids=["says nothing", "closed its output", "never stops"],
)
def test_the_deadline_holds_while_watched(script: str) -> None:
    begun_s = time.monotonic()
    with pytest.raises(TookTooLong, match=r"sh was not done within 0\.1 s"):
        run_watched(("sh", "-c", script), timeout_s=0.1, on_output=lambda _text: None)
    assert time.monotonic() - begun_s < LONG_S


def test_a_watched_process_is_killed_when_its_watcher_fails() -> None:
    def interrupt(text: str) -> None:
        pids.append(int(text))
        raise KeyboardInterrupt

    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run_watched(("sh", "-c", "echo $$; exec sleep 60"), timeout_s=LONG_S, on_output=interrupt)
    assert run(("kill", "-0", str(pids[0])), timeout_s=LONG_S).status != 0


def test_a_detached_process_is_not_waited_for_by_its_child() -> None:
    assert run_detached(("sh", "-c", "sleep 3 & exit 5"), timeout_s=2) == 5
    with pytest.raises(TookTooLong):
        run_detached(("sleep", "60"), timeout_s=0.05)


@pytest.mark.parametrize("call", [run, run_detached, lambda a, **k: run_watched(a, on_output=print, **k)])
def test_a_program_that_is_not_installed(call: Callable[..., object]) -> None:
    with pytest.raises(Failed, match="no-such-program is not installed") as caught:
        call(("no-such-program",), timeout_s=1)
    assert "install" in (caught.value.hint or "")


def test_the_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/tmp/evil")
    monkeypatch.setenv("LD_PRELOAD", "/tmp/evil.so")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")
    made = clean_environment()
    assert made["LC_ALL"] == "C.UTF-8"
    assert made["SSH_AUTH_SOCK"] == "/tmp/agent"
    assert "LD_PRELOAD" not in made
    assert "/tmp" not in made["PATH"]
    monkeypatch.setenv("LD_PRELOAD", "")
    assert "PATH=/usr/local/sbin" in run(("env",), timeout_s=LONG_S).output


def test_work_in_a_child_ends_with_it_whatever_hangs(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        threading.Thread(target=time.sleep, args=(60,)).start()
        print("said")
        return 5

    began_s = time.monotonic()
    assert in_child(work) == 5
    assert time.monotonic() - began_s < 30
    assert capfd.readouterr().out == "said\n"


def test_a_child_whose_reader_has_gone_says_so() -> None:
    def work() -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        in_child(work)


def test_a_bug_in_a_child_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise ZeroDivisionError

    assert in_child(work) == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_process_on_a_socket_speaks_through_it_and_leaves_nothing_behind() -> None:
    for _ in range(5):
        ours, theirs = socket.socketpair()
        start_on_socket(["cat"], theirs)
        theirs.close()
        ours.sendall(b"word")
        ours.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as heard:
            assert heard.read() == b"word"
        ours.close()
    deadline_s = time.monotonic() + LONG_S
    while len(spawned._left_running) > 2:  # those that have ended are let go of as another starts
        assert time.monotonic() < deadline_s
        ours, theirs = socket.socketpair()
        with ours, theirs:
            start_on_socket(["true"], theirs)
        time.sleep(0.1)


def test_what_can_not_be_started_on_a_socket_is_said() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(Failed, match="no-such-program is not installed"):
        start_on_socket(["no-such-program"], theirs)
