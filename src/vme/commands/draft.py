"""A text that a person edits: in a private file, which stays if anything but success comes of it."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vme.errors import Failed, Interrupted, VmeError
from vme.process import run_on_terminal

_EDITORS = ("sensible-editor", "editor", "nano", "vi")


class Draft:
    """The file. Its directory is private too: editors leave copies beside what they edit."""

    def __init__(self, name: str, text: str) -> None:
        self._original = text
        self.path = Path(tempfile.mkdtemp(prefix="vme-edit-")) / name
        self.path.touch(mode=0o600)
        self.path.write_text(text, encoding="utf-8")

    @property
    def text(self) -> str:
        """The text as it is now. Raises Failed where the editor left something that is no text."""
        try:
            return self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise Failed("what the editor wrote is not UTF-8") from None

    @property
    def touched(self) -> bool:
        """Whether the text differs from what it was at first."""
        return not self.path.exists() or self.path.read_bytes() != self._original.encode()

    def edit(self) -> None:
        """Let the user's editor work on it, until it ends. Raises Failed where it did not end well."""
        argv = (*_editor(), str(self.path))
        status = run_on_terminal(argv, own_environment=True)
        if status != 0:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
            raise Failed(f"the editor {how}, so nothing was changed")
        if not self.path.exists():
            raise Failed("the editor removed the file, so nothing was changed")

    def discard(self) -> None:
        """Remove the text and what the editor left beside it."""
        shutil.rmtree(self.path.parent)


@contextmanager
def kept_on_error(draft: Draft) -> Iterator[None]:
    """Say with any error where the text is kept; one that was not touched is removed instead."""
    try:
        yield
    except (VmeError, KeyboardInterrupt) as problem:
        where = "" if not draft.touched else f"; your text is kept in {draft.path}" if draft.path.exists() else ""
        if not where:
            draft.discard()
        if isinstance(problem, KeyboardInterrupt):
            raise Interrupted(f"interrupted{where}") from None
        problem.message += where
        raise


def _editor() -> tuple[str, ...]:
    """$VISUAL, $EDITOR, or what the system has."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if named and (words := shlex.split(named)):
        return tuple(words)
    found = next((program for program in _EDITORS if shutil.which(program)), None)
    if found is None:
        raise Failed("there is no editor on this machine", hint="set $EDITOR")
    return (found,)
