"""Work of our own in a child of this process. No other thread comes along into it."""

import os
import signal
import sys
from collections.abc import Callable

# What a child of ours ends with when whoever reads its output has gone: as a shell tells SIGPIPE.
_BROKEN_PIPE = 141


def in_child(work: Callable[[], int]) -> int:
    """Do some work in a child of this process, which ends with it however much hangs; returns the work's status.

    Call it while this process has one thread and no connection. Raises BrokenPipeError if the child met one.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os._exit(_status_of(work))
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except KeyboardInterrupt:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if status == _BROKEN_PIPE:
        raise BrokenPipeError
    return status


def _status_of(work: Callable[[], int]) -> int:
    """The status a child ends with; a bug of ours is shown by the child itself."""
    try:
        status = work()
        sys.stdout.flush()
    except BrokenPipeError:
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001 (nobody else is there to show it)
        sys.excepthook(*sys.exc_info())
        return 1
    return status


def in_background(function: Callable[[], None]) -> None:
    """Do something in a process of its own, without a terminal, that nobody waits for; what fails there is not told.

    Only for a process without other threads: they do not come along.
    """
    if os.fork() != 0:
        return
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        function()
    finally:
        os._exit(0)
