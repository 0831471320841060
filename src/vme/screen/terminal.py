"""The user's terminal as a bare line: what is typed goes out byte by byte, and it is given back as it was."""

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from vme.errors import Misused


@contextmanager
def raw_terminal() -> Iterator[tuple[int, int]]:
    """Make the terminal raw while the block runs; yields the descriptors to read from and to write to.

    Raises Misused where stdin or stdout is no terminal.
    """
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    if not (os.isatty(keyboard) and os.isatty(screen)):
        raise Misused("a serial console needs a terminal, and stdin or stdout is none")
    found = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard, termios.TCSADRAIN)
        yield keyboard, screen
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, found)
