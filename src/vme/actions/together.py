"""The same work for many things at once, a few at a time on each node; Ctrl-C ends it, and lets each undo its own."""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from vme.errors import VmeError

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

    def one(item: T) -> None:
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

    threads = [threading.Thread(target=one, args=(item,), daemon=True) for item in items]
    for thread in threads:
        thread.start()
    interrupted = False
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except KeyboardInterrupt:
                interrupted = True
                stop.request()
    if bugs:
        raise bugs[0]
    if interrupted:
        raise KeyboardInterrupt
