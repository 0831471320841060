"""Files put in place on a node so that they come back by themselves unless they are kept in time.

The other half is vme/wrapper/place_files.py, sent along and run there; it says what is promised.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vme.wrapper
from vme.config import Node, SshConfig
from vme.errors import Failed
from vme.process import Dialogue
from vme.records import dataclass
from vme.ssh import REFUSED_WORDS, NotAdmitted, dialogue_on_node

_PROGRAM = Path(vme.wrapper.__file__).with_name("place_files.py")
# Short enough for role admin of the wrapper; the program itself comes by stdin, after its length.
_BOOT = "import sys; r = sys.stdin.buffer; exec(compile(r.read(int(r.readline())), 'place_files', 'exec'))"
_WAIT_S = 60


@dataclass(frozen=True)
class Change:
    """One file: what was seen in it, what it is to hold (None: no file), and its mode. `~/` is the ssh user's home."""

    path: str
    old: str | None
    new: str | None
    mode: int


@dataclass(frozen=True)
class Seen:
    """What was found on a node: our address as it sees it, the version of its /usr/bin/python3, and the files."""

    client: str
    python: str | None
    files: dict[str, str | None]


class Session:
    """One session of place_files.py on a node."""

    def __init__(self, node: Node, dialogue: Dialogue, timeout_s: float) -> None:
        self._node = node
        self._dialogue = dialogue
        self._timeout_s = timeout_s

    def look(self, paths: Sequence[str]) -> Seen:
        """Read files of the node; changes nothing."""
        reply = self._ask({"look": list(paths)})
        return Seen(reply["client"], reply["python"], reply["files"])

    def place(self, changes: Sequence[Change]) -> None:
        """Write the files, all or none; they come back unless keep() follows within a minute. Raises Failed."""
        self._ask({"place": [vars(change) for change in changes], "wait_s": _WAIT_S})

    def keep(self, changes: Sequence[Change]) -> None:
        """Let what was placed stay, and write these on top. Raises Failed; then what was placed comes back."""
        self._ask({"keep": [vars(change) for change in changes]})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._dialogue.say(json.dumps(request).encode() + b"\n")
        line = self._dialogue.hear(timeout_s=self._timeout_s)
        if line is None:
            words = self._dialogue.last_words
            hint = (
                "a key with a role changes no keys, not even itself (who steals it could make himself at home): "
                "get in by one that may run any command there, with --access FILE"
            )
            if REFUSED_WORDS in words:
                raise NotAdmitted(self._node.name, [words], hint=hint)
            raise Failed(f"{self._node.name}: {words}", hint=hint)
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise Failed(f"{self._node.name}: {reply['error']}", hint="nothing was changed there; look, and try again")
        return reply


@contextmanager
def session_on(node: Node, ssh: SshConfig, *, timeout_s: float) -> Iterator[Session]:
    """A session on a node; at its end, however it comes, what was placed and not kept is put back. Raises SshFailed."""
    program = _PROGRAM.read_bytes()
    argv = ("python3", "-IS", "-c", _BOOT)
    with dialogue_on_node(node, ssh, argv, timeout_s=timeout_s) as dialogue:
        dialogue.say(f"{len(program)}\n".encode() + program)
        yield Session(node, dialogue, timeout_s)
