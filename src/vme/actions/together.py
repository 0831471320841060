"""The same work for many things at once, a few at a time on each node; Ctrl-C ends it, and lets each undo its own."""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from vme.errors import VmeError
from vme.interrupts import deferred_interrupts

T = TypeVar("T")


class Stop:
    """Whether a person wants everything to end. Work asks between its steps, for only the main thread gets Ctrl-C."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Let every work end at its next step."""
        self._event.set()

    def check(self) -> None:
        """Raise KeyboardInterrupt if everything is to end."""
        if self._event.is_set():
            raise KeyboardInterrupt


def together(
    items: Sequence[T],
    lane: Callable[[T], Hashable],
    work: Callable[[T], None],
    failed: Callable[[T, VmeError], None],
    stop: Stop,
    at_once: int,
) -> None:
    """Do `work` for every item, at most `at_once` of one lane (a node) at the same moment; `failed` hears of errors.

    Raises KeyboardInterrupt, after all work has come to its end, if a person wanted that.
    """
    lanes = {lane(item): threading.Semaphore(at_once) for item in items}
    bugs: list[BaseException] = []

    def one(item: T, ended: threading.Event) -> None:
        try:
            with lanes[lane(item)]:
                try:
                    stop.check()
                    work(item)
                except VmeError as problem:
                    failed(item, problem)
        except KeyboardInterrupt:
            return  # it had not begun
        except BaseException as bug:  # noqa: BLE001 (raised again below)
            bugs.append(bug)
        finally:
            ended.set()

    # Not thread.join(): once Ctrl-C has broken it off, Python 3.11 takes the thread for dead, and waits no more.
    ends = [threading.Event() for _ in items]
    threads = [
        threading.Thread(target=one, args=(item, ended), daemon=True) for item, ended in zip(items, ends, strict=True)
    ]
    interrupted = _interrupted_while(lambda: _started(threads), stop)
    while not all(ended.is_set() for ended in ends):
        interrupted |= _interrupted_while(lambda: _awaited(ends), stop)
    if bugs:
        raise bugs[0]
    if interrupted:
        raise KeyboardInterrupt


def _started(threads: Sequence[threading.Thread]) -> None:
    with deferred_interrupts():  # else one that was not started would be waited for
        for thread in threads:
            thread.start()


def _awaited(ends: Sequence[threading.Event]) -> None:
    for ended in ends:
        ended.wait()


def _interrupted_while(wait: Callable[[], None], stop: Stop) -> bool:
    """Do this; whether a person pressed Ctrl-C meanwhile, who is to be heard by all work."""
    try:
        wait()
    except KeyboardInterrupt:
        stop.request()
        return True
    return False
