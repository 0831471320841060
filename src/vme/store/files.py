"""Writing to a store: whole files or none, and owners in numbers."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST_TEXT = 1 << 22


def write_whole(path: Path, content: str | bytes, *, mode: int) -> None:
    """Fill a file so that, whatever happens, the file is the old one or the new one, and then it lasts."""
    with _written_beside(path, content, mode) as temporary:
        temporary.rename(path)
    sync_directory(path.parent)


def own_text(path: Path, *, mode: int) -> str | None:
    """What such a file holds, None if it is not there, or is not as we make them: others may write in its directory."""
    try:
        # A pipe that somebody put there must not hold us up.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = os.fstat(handle)
        ours = stat.S_ISREG(state.st_mode) and stat.S_IMODE(state.st_mode) == mode and state.st_uid == os.geteuid()
        if not ours or state.st_size > _LONGEST_TEXT:
            return None
        with os.fdopen(handle, encoding="utf-8", closefd=False) as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None
    finally:
        os.close(handle)


def write_new(path: Path, content: str | bytes, *, mode: int) -> None:
    """Make a file, whole and lasting. Raises FileExistsError if there is one, also if it came at the same moment."""
    with _written_beside(path, content, mode) as temporary:
        path.hardlink_to(temporary)
        temporary.unlink()
    sync_directory(path.parent)


@contextmanager
def _written_beside(path: Path, content: str | bytes, mode: int) -> Iterator[Path]:
    """The content in a temporary file of the same directory, which lasts and is to be given its name."""
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def opened_among_ours(path: Path, flags: int, mode: int, *, directory_mode: int) -> int:
    """Open a file in a directory of our own on a store; file, directory and the one above are made if need be.

    Not the store's own directory: it must be there already, or the store is not mounted (FileNotFoundError).
    """
    flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # The directories are there but for the first time, and each look at one asks the store's servers.
        return os.open(path, flags, mode)
    except FileNotFoundError:
        _make_ours(path.parent, directory_mode)
        return os.open(path, flags, mode)


def made_among_ours(directory: Path, *, mode: int) -> None:
    """Make a directory two below the store's own, and those in between, if need be. As opened_among_ours() does it."""
    try:
        directory.mkdir(mode=mode, exist_ok=True)
    except FileNotFoundError:
        _make_ours(directory.parent, mode)
        directory.mkdir(mode=mode, exist_ok=True)


def _make_ours(directory: Path, mode: int) -> None:
    directory.parent.mkdir(mode=0o755, exist_ok=True)
    directory.mkdir(mode=mode, exist_ok=True)


def remains_of(path: Path) -> list[Path]:
    """What a writer of that file that was killed has left beside it."""
    ending = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}")
    if not path.parent.is_dir():
        return []
    return sorted(file for file in path.parent.iterdir() if ending.fullmatch(file.name))


def remove_tree(path: Path, *, ignore_errors: bool = False) -> None:
    """Remove a directory with all that is in it."""
    import shutil  # late: with the compressors that it brings it takes some ms to load, and few remove anything

    shutil.rmtree(path, ignore_errors=ignore_errors)


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
