"""A call that may hang, done in a thread that nobody has to wait for.

libvirt's calls have no timeout and can't be interrupted. A daemon thread that hangs does not keep the process alive,
and the main thread, waiting here, can still be told by Ctrl-C.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

from vme.errors import Silent

T = TypeVar("T")

GRACE_S = 10.0


class Late(Silent):
    """The deadline passed; the call may still be going on."""


def within(timeout_s: float, what: str, function: Callable[[], T]) -> T:
    """The function's result or its exception; Late if it takes longer than `timeout_s`. `what` begins the message."""
    result: list[T] = []
    problem: list[BaseException] = []

    # Not thread.join(): once Ctrl-C has broken it off, Python 3.11 takes the thread for dead, and waits no more.
    ended = threading.Event()

    def call() -> None:
        try:
            result.append(function())
        except BaseException as error:  # noqa: BLE001 (carried over to the caller, whatever it is)
            problem.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=call, daemon=True).start()  # may be broken off too, when the call has begun already
        ended.wait(timeout_s)
    except KeyboardInterrupt:
        # Let the call come to its end, so that whoever undoes it knows what there is to undo.
        ended.wait(min(timeout_s, GRACE_S))
        raise
    if problem:
        raise problem[0]
    if not result:
        raise Late(f"{what}: no answer within {timeout_s:g} s")
    return result[0]
