"""Proof that a node sees the very store that this server sees: a file with a secret in it, read through the node.

A path proves nothing: another file system may be mounted there, with a copy of the images on it.
"""

import contextlib
import os
from pathlib import Path, PurePosixPath

from vme.config import Store
from vme.records import dataclass
from vme.store.files import opened_among_ours
from vme.store.layout import OWN_FILES, seen_by_nodes

DIRECTORY = "nonce"
_MODE = 0o644  # its nodes' root may be nobody there
_OLD_S = 3600


@dataclass(frozen=True)
class Nonce:
    """What was put on a store. `path` is as nodes see it; `problem` says why nothing could be put there."""

    store: Store
    path: PurePosixPath
    text: str
    problem: str | None = None


def put_nonce(store: Store) -> Nonce:
    """Put a file with a new random name and text on a store. May hang as long as the store does."""
    folder = store.management_path / OWN_FILES / DIRECTORY
    # The name is new each time: a client of the store that remembers what is not there must not have asked for it.
    file = folder / os.urandom(16).hex()
    nonce = Nonce(store, seen_by_nodes(store, file), os.urandom(32).hex())
    try:
        handle = opened_among_ours(file, os.O_WRONLY | os.O_EXCL, _MODE, directory_mode=0o755)
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(nonce.text)
            if os.fstat(handle).st_mode & 0o777 != _MODE:
                os.fchmod(handle, _MODE)  # our umask took something away
    except OSError as problem:
        return Nonce(store, nonce.path, nonce.text, problem.strerror or str(problem))
    return nonce


def take_nonce(nonce: Nonce) -> None:
    """Take that file away again, and what tools that were killed left; what can't be taken away does no harm."""
    file = nonce.store.management_path / OWN_FILES / DIRECTORY / nonce.path.name
    with contextlib.suppress(OSError):
        _sweep(file)
    with contextlib.suppress(OSError):
        file.unlink()


def _sweep(newest: Path) -> None:
    """By the store's own clock, which wrote the newest just now."""
    others = [file for file in newest.parent.iterdir() if file != newest]
    old_s = newest.stat().st_mtime - _OLD_S if others else 0
    for file in others:
        with contextlib.suppress(OSError):
            if file.stat().st_mtime < old_s:
                file.unlink()
