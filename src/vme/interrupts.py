"""Ctrl-C and its like kept waiting where a step and the note of it belong together, or where things are taken back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let what interrupts wait until the block has ended; then KeyboardInterrupt, unless it ends with an error.

    What is ignored (SIGHUP under nohup) stays so. Signals come to the main thread only: in any other this does
    nothing, and nothing is needed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    earlier = {
        number: signal.signal(number, remember) for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt
