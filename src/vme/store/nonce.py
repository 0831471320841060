"""Proof that a node sees the very store that this server sees: a file with a secret in it, read through the node.

A path proves nothing: another file system may be mounted there, with a copy of the images on it.
"""

import contextlib
import secrets
from pathlib import Path, PurePosixPath

from vme.config import Store
from vme.records import dataclass
from vme.store.layout import OWN_FILES, seen_by_nodes

DIRECTORY = "nonce"
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
    file = folder / secrets.token_hex(16)
    nonce = Nonce(store, seen_by_nodes(store, file), secrets.token_hex(32))
    try:
        # Not the store's own directory: it must be there already, or the store is not mounted.
        folder.parent.mkdir(mode=0o755, exist_ok=True)
        folder.mkdir(mode=0o755, exist_ok=True)
        with file.open("x", encoding="ascii") as opened:
            opened.write(nonce.text)
        file.chmod(0o644)
        _sweep(folder, file)
    except OSError as problem:
        return Nonce(store, nonce.path, nonce.text, problem.strerror or str(problem))
    return nonce


def take_nonce(nonce: Nonce) -> None:
    """Take that file away again; one that can't be taken away stays, and does no harm."""
    with contextlib.suppress(OSError):
        _here(nonce).unlink()


def _sweep(folder: Path, newest: Path) -> None:
    """Take away what tools that were killed have left; by the store's own clock, which wrote the newest just now."""
    for old in folder.iterdir():
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < newest.stat().st_mtime - _OLD_S:
                old.unlink()


def _here(nonce: Nonce) -> Path:
    return nonce.store.management_path / OWN_FILES / DIRECTORY / nonce.path.name
