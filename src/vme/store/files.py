"""Writing to a store: whole files or none, and owners in numbers."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, mode: int) -> None:
    """Fill a file so that, whatever happens, the file is the old one or the new one, and then it lasts."""
    with _written_beside(path, content, mode) as temporary:
        temporary.rename(path)


def write_new(path: Path, content: str | bytes, *, mode: int) -> None:
    """Make a file, whole and lasting. Raises FileExistsError if there is one, also if it came at the same moment."""
    with _written_beside(path, content, mode) as temporary:
        path.hardlink_to(temporary)


@contextmanager
def _written_beside(path: Path, content: str | bytes, mode: int) -> Iterator[Path]:
    """The content in a temporary file of the same directory, to be given its name; then the name is made to last."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remains_of(path: Path) -> list[Path]:
    """What a writer of that file that was killed has left beside it."""
    ending = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}")
    if not path.parent.is_dir():
        return []
    return sorted(file for file in path.parent.iterdir() if ending.fullmatch(file.name))


def sync_directory(path: Path) -> None:
    """Make the names in a directory last (fsync(2) of the directory itself)."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hand_to(path: Path, uid: int, gid: int, mode: int) -> None:
    """Give a file or directory its owner, group and mode; the owner first, for chown takes away set-id bits."""
    os.chown(path, uid, gid)
    path.chmod(mode)
