"""A call that may hang, done in a thread that nobody has to wait for.

libvirt's calls have no timeout and can't be interrupted. A daemon thread that hangs does not keep the process alive,
and the main thread, waiting here, can still be told by Ctrl-C.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from vme.errors import Silent

T = TypeVar("T")

GRACE_S = 10.0


class Late(Silent):
    """The deadline passed; the call may still be going on."""


class _Call(Generic[T]):
    """A call in a thread of its own, and what came of it."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        # Not thread.join(): once Ctrl-C has broken it off, Python 3.11 takes the thread for dead, and waits no more.
        self.ended = threading.Event()
        self._result: list[T] = []
        self._problem: list[BaseException] = []

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._result.append(self._function())
        except BaseException as error:  # noqa: BLE001 (carried over to the caller, whatever it is)
            self._problem.append(error)
        finally:
            self.ended.set()

    def outcome(self, timeout_s: float, what: str) -> T:
        if self._problem:
            raise self._problem[0]
        if not self._result:
            raise Late(f"{what}: no answer within {timeout_s:g} s")
        return self._result[0]


def within(timeout_s: float, what: str, function: Callable[[], T]) -> T:
    """The function's result or its exception; Late if it takes longer than `timeout_s`. `what` begins the message."""
    call = _Call(function)
    try:
        call.start()  # may be broken off too, when the call has begun already
        call.ended.wait(timeout_s)
    except KeyboardInterrupt:
        # Let the call come to its end, so that whoever undoes it knows what there is to undo.
        call.ended.wait(min(timeout_s, GRACE_S))
        raise
    return call.outcome(timeout_s, what)


def begun(timeout_s: float, what: str, function: Callable[[], T]) -> Callable[[], T]:
    """Begin a call, for whoever has something else to do meanwhile; what is returned waits so long for its outcome.

    On Ctrl-C nobody waits: only for what needs no undoing, or what its caller takes back by itself.
    """
    call = _Call(function)
    call.start()

    def outcome() -> T:
        call.ended.wait(timeout_s)
        return call.outcome(timeout_s, what)

    return outcome
