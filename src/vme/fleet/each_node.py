"""The same work on many nodes, so many at a time; what is done is told as it is done, and nobody waits for the rest."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from vme.config import Node
from vme.errors import VmeError

T = TypeVar("T")


class Outcome(Generic[T]):
    """What became of one node: the work's result, or the error it ended with."""

    def __init__(self, node: Node, value: T | None = None, problem: VmeError | None = None) -> None:
        self.node = node
        self.problem = problem
        self._value = value

    @property
    def value(self) -> T:
        """The result. Raises the error there was."""
        if self.problem is not None:
            raise self.problem
        return self._value  # type: ignore[return-value]


def on_nodes(nodes: Sequence[Node], work: Callable[[Node], T], *, at_once: int) -> Iterator[Outcome[T]]:
    """Do `work` for every node in threads, `at_once` at a time; each outcome comes when it is there.

    The work must have a deadline of its own. Anything it raises but VmeError is raised here.
    """
    waiting = iter(nodes)
    turn = threading.Lock()
    done: queue.SimpleQueue[Outcome[T] | BaseException] = queue.SimpleQueue()

    def one_after_another() -> None:
        while True:
            with turn:
                node = next(waiting, None)
            if node is None:
                return
            try:
                done.put(Outcome(node, work(node)))
            except VmeError as problem:
                done.put(Outcome(node, problem=problem))
            except BaseException as bug:  # noqa: BLE001 (raised again below)
                done.put(bug)

    for _ in range(min(at_once, len(nodes))):
        threading.Thread(target=one_after_another, daemon=True).start()
    for _ in nodes:
        outcome = done.get()
        if isinstance(outcome, BaseException):
            raise outcome
        yield outcome
