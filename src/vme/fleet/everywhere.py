"""One question to every node at once, with one deadline for all: what each said, and who was silent."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from vme.config import Config, Node
from vme.errors import VmeError
from vme.hypervisor.connection import Hypervisor, connect, forget_keeper
from vme.records import dataclass
from vme.ssh import abandon, is_alive, master_of

T = TypeVar("T")

# A question gives its answer in one or more steps, each better than the last. What was said until the deadline counts.
Question = Callable[[Hypervisor], Iterator[T]]

# The last part of the deadline, in which it is found out whether a node that said nothing is reached at all.
_PROBE_SHARE = 0.2


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a node said. `complete` is false if the deadline passed before its last word."""

    node: Node
    value: T
    complete: bool


@dataclass(frozen=True)
class Silence:
    """A node that said nothing, and why as far as we know."""

    node: Node
    reason: str


@dataclass(frozen=True)
class Replies(Generic[T]):
    """All answers and silences, each in the order of the nodes asked."""

    answers: tuple[Answer[T], ...]
    silences: tuple[Silence, ...]


class Asked(Generic[T]):
    """What is known of one node while a thread works on it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.said: list[T] = []
        self.finished = False
        self.refusal: str | None = None
        self.bug: Exception | None = None
        self.stale = False  # over an ssh connection that was there before: it may have lost its node
        self.ssh_lives = False

    @property
    def mute(self) -> bool:
        """Whether it has neither said anything nor refused."""
        return not self.said and self.refusal is None


# Begins to ask all nodes, each in a thread that is added to those to wait for. The last is the deadline.
Start = Callable[[Sequence[Asked[T]], list[threading.Thread], float], None]


def ask_everywhere(config: Config, nodes: Sequence[Node], question: Question[T], timeout_s: float) -> Replies[T]:
    """Ask all nodes' libvirt at once and return after `timeout_s` at the latest, however many of them hang."""
    return ask_all(config, nodes, by_threads(lambda one: ask_libvirt(config, one, question, timeout_s)), timeout_s)


def ask_by_ssh(
    config: Config, machines: Sequence[Node], question: Callable[[Node], Iterator[T]], timeout_s: float
) -> Replies[T]:
    """As ask_everywhere, with a question that only ssh is needed for, so of machines without libvirt too."""

    def ask(asked: Asked[T]) -> Iterator[T]:
        asked.stale = not asked.node.local and is_alive(master_of(asked.node, config.ssh))
        return question(asked.node)

    return ask_all(config, machines, by_threads(ask), timeout_s)


def by_threads(ask: Callable[[Asked[T]], Iterator[T]]) -> Start[T]:
    """A thread a node, that asks it so."""

    def start(everyone: Sequence[Asked[T]], threads: list[threading.Thread], _deadline_s: float) -> None:
        threads += [started(speak, one, ask) for one in everyone]

    return start


def ask_all(config: Config, nodes: Sequence[Node], start: Start[T], timeout_s: float) -> Replies[T]:
    """What came of all nodes, once the threads that `start` has started, and those that they started, have asked them.

    At the deadline they are waited for no longer.
    """
    asked = [Asked[T](node) for node in nodes]
    deadline_s = time.monotonic() + timeout_s
    threads: list[threading.Thread] = []
    start(asked, threads, deadline_s)
    _join(threads, deadline_s - _PROBE_SHARE * timeout_s)
    doubtful = [one for one in asked if one.mute and one.stale]
    probes = [started(_probe, config, one, _PROBE_SHARE * timeout_s) for one in doubtful]
    _join([*threads, *probes], deadline_s)
    for one in asked:
        if one.bug is not None:
            raise one.bug
    for one in doubtful:
        if one.mute and one.ssh_lives:
            forget_keeper(one.node, config.ssh)  # it may be what hangs
        elif one.mute:
            abandon(master_of(one.node, config.ssh))
    settled = [_settled(one, timeout_s) for one in asked]
    return Replies(
        tuple(one for one in settled if isinstance(one, Answer)),
        tuple(one for one in settled if isinstance(one, Silence)),
    )


def _settled(asked: Asked[T], timeout_s: float) -> Answer[T] | Silence:
    """What counts for one node. Each thing is read once: its thread may still speak, and no node may fall between."""
    finished = asked.finished
    said = tuple(asked.said)
    if said:
        return Answer(asked.node, said[-1], finished)
    return Silence(asked.node, asked.refusal or f"no answer within {timeout_s:g} s")


def ask_libvirt(config: Config, asked: Asked[T], question: Question[T], timeout_s: float) -> Iterator[T]:
    """Open a node's libvirt, and ask it."""
    asked.stale = not asked.node.local
    hypervisor = connect(asked.node, config.ssh, timeout_s=timeout_s)
    asked.stale = not (hypervisor.fresh or asked.node.local)
    return question(hypervisor)


def speak(asked: Asked[T], ask: Callable[[Asked[T]], Iterator[T]]) -> None:
    """Note what a node says to this question, or why it says nothing."""
    try:
        for value in ask(asked):
            asked.said.append(value)
        asked.finished = True
    except VmeError as error:
        asked.refusal = error.message.removeprefix(f"{asked.node.name}: ")
    except Exception as error:  # noqa: BLE001 (a bug of ours, raised again by the caller, not a silence)
        asked.bug = error


def _probe(config: Config, asked: Asked[T], timeout_s: float) -> None:
    """Tell a frozen libvirtd from a connection that lost its node: over the first, ssh still answers."""
    from vme.node.verbs import ALIVE, ask

    with suppress(VmeError):
        ask(asked.node, config.ssh, ALIVE, timeout_s=timeout_s)
        asked.ssh_lives = True


def started(function: Callable[..., None], *arguments: object) -> threading.Thread:
    """A thread that does not keep the process alive."""
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _join(threads: Sequence[threading.Thread], deadline_s: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))


def silence_text(silences: Iterable[Silence]) -> str:
    """`kvm02 (no answer within 5 s), kvm03 (Connection refused)`."""
    return ", ".join(f"{silence.node.name} ({silence.reason})" for silence in silences)
