"""Processes that are left running, or that leave one running: by posix_spawn, without subprocess.

That takes 6 ms to import, and looks each 50 ms whether its child has ended: a listing over connections that are to be
made would pay for both. Each is in a session of its own, and its stderr goes nowhere.
"""

import os
import select
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vme.process import TookTooLong
from vme.programs import clean_environment, program

if TYPE_CHECKING:
    from _socket import socket

# What a new process does to its open files: os.posix_spawn.
_FileAction = tuple[int, int, int] | tuple[int, int, str, int, int]
_NO_INPUT_NO_OUTPUT = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]


def run_detached(argv: Sequence[str | Path], *, timeout_s: float) -> int:
    """Run a process that leaves a child in the background (`ssh -f`) and return its exit status.

    Nothing it writes is kept: a pipe would stay open in the child and we would wait for its end.
    """
    words = [str(word) for word in argv]
    child = _spawn(program(words[0]), words, _NO_INPUT_NO_OUTPUT)
    handle = os.pidfd_open(child)
    try:
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        if not ended.poll(1000 * timeout_s):
            os.kill(child, signal.SIGKILL)
            raise TookTooLong(f"{words[0]} gave no answer within {timeout_s:g} s")
    finally:
        os.close(handle)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status


def start_on_socket(argv: Sequence[str | Path], channel: "socket") -> None:
    """Start a process whose stdin and stdout are this socket, and leave it running until the socket is closed."""
    words = [str(word) for word in argv]
    ours = channel.fileno()
    _leave_running(_spawn(program(words[0]), words, [(os.POSIX_SPAWN_DUP2, ours, 0), (os.POSIX_SPAWN_DUP2, ours, 1)]))


def start_apart(argv: Sequence[str], handles: Sequence[int]) -> None:
    """Start a process that is to outlive this one, and has these open files; argv has the whole path of its program."""
    for handle in handles:
        os.set_inheritable(handle, True)
    _leave_running(_spawn(argv[0], argv, _NO_INPUT_NO_OUTPUT))


def _leave_running(child: int) -> None:
    """Note a child that nobody waits for, and let go of those that have ended: a listing that is watched makes many."""
    for other in tuple(_left_running):
        with suppress(ChildProcessError):  # another thread has let go of it
            if os.waitpid(other, os.WNOHANG)[0]:
                _left_running.discard(other)
    _left_running.add(child)


_left_running: set[int] = set()


def _spawn(file: str | Path, words: Sequence[str], file_actions: Sequence[_FileAction]) -> int:
    """Start a process; returns its number."""
    return os.posix_spawn(
        file,
        list(words),
        clean_environment(),
        file_actions=[*file_actions, (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)],
        setsid=True,  # Ctrl-C is ours to handle: it must not cut the connection that undoing needs
    )
