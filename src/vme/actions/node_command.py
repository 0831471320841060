"""One command on many nodes, over the connections that the tools keep anyway."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from vme.config import Config, Node
from vme.errors import Silent
from vme.fleet.each_node import Outcome, on_nodes
from vme.process import TookTooLong
from vme.records import dataclass
from vme.ssh import run_live_on_node


@dataclass(frozen=True)
class Ended:
    """How the command ended on a node, and all it wrote, stdout and stderr as they came."""

    node: Node
    status: int
    output: str


# Given a node, a line without its end, and whether it came from stderr.
OnLine = Callable[[Node, str, bool], None]


def run_everywhere(
    config: Config,
    nodes: Sequence[Node],
    argv: Sequence[str],
    *,
    timeout_s: float,
    at_once: int,
    on_line: OnLine | None,
) -> Iterator[Outcome[Ended]]:
    """Run the words on every node, `at_once` at a time; each outcome comes when it is there.

    The node's shell gets the words quoted: a pipe needs `sh -c '...'`. A node that is not reached, or not done within
    `timeout_s`, has a problem for an outcome, and the others go on.
    """
    return on_nodes(nodes, lambda node: _run(config, node, argv, timeout_s, on_line), at_once=at_once)


def _run(config: Config, node: Node, argv: Sequence[str], timeout_s: float, on_line: OnLine | None) -> Ended:
    gathered: list[str] = []

    def say(is_error: bool, line: str) -> None:
        if on_line is not None:
            on_line(node, line, is_error)

    parts = (_Lines(partial(say, False)), _Lines(partial(say, True)))

    def on_output(chunk: bytes, is_error: bool) -> None:
        text = chunk.decode("utf-8", "backslashreplace")
        gathered.append(text)
        parts[is_error].add(text)

    try:
        status = run_live_on_node(node, config.ssh, argv, timeout_s=timeout_s, on_output=on_output)
    except TookTooLong:
        raise Silent(f"{node.name}: not done within {timeout_s:g} s") from None
    finally:
        for part in parts:
            part.finish()
    if status == 255:  # ssh's own, or a signal that ended the command
        raise Silent(f"{node.name}: {_last_line(gathered) or 'ssh failed'}")
    output = "".join(gathered)
    return Ended(node, status, output if not output or output.endswith("\n") else f"{output}\n")


class _Lines:
    """Chunks to whole lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = ""

    def add(self, text: str) -> None:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self._say(line)

    def finish(self) -> None:
        if self._begun:
            self._say(self._begun)
            self._begun = ""


def _last_line(gathered: Sequence[str]) -> str:
    lines = [line for line in "".join(gathered).splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
