"""The help of a tool as vme.reference prepared it: printed without one import that only the tool itself needs."""

import os
from pathlib import Path

# What prepared help is written for; on a narrower terminal argparse folds it anew.
WIDTH = 80
_FOLDER = Path(__file__).parent.parent / "manual/help"


def help_file(program: str) -> str:
    """The name of a prepared help in the folder manual/help: `list_guests.txt`, or `vme-list.txt` of `vme list`."""
    return f"{program.replace(' ', '-')}.txt"


def print_prepared(program: str) -> bool:
    """Print the help of a tool that is called so; false where none is prepared that fits the terminal."""
    if terminal_width() < WIDTH:
        return False
    try:
        text = (_FOLDER / help_file(program)).read_text(encoding="utf-8")
    except OSError:
        return False
    print(text, end="")
    return True


def terminal_width() -> int:
    """How many columns help may take: the terminal's, or else $COLUMNS or 80."""
    try:
        return os.get_terminal_size().columns
    except OSError:
        columns = os.environ.get("COLUMNS", "")
        return int(columns) if columns.isdecimal() else WIDTH
