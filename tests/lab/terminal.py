"""Tools on a terminal of their own, as a person sits before one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pexpect

from tests.lab.vme import Vme

ROWS, COLUMNS = 30, 100


@contextmanager
def on_terminal(vme: Vme, *words: str) -> "Iterator[pexpect.spawn[str]]":
    """A command on the management side with a terminal; whatever is left of it is killed."""
    command = vme.command(*words)
    environment = vme.environment() | {"TERM": "xterm"}
    terminal = pexpect.spawn(
        command[0], command[1:], env=environment, encoding="utf-8", timeout=30, dimensions=(ROWS, COLUMNS)
    )
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def ended(terminal: "pexpect.spawn[str]") -> tuple[int | None, str]:
    """The exit status of what ends by itself, and what it said last."""
    terminal.expect(pexpect.EOF)
    said = terminal.before or ""
    terminal.close()
    return terminal.exitstatus, said
