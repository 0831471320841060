"""Writing to a store: whole files or none, and owners in numbers."""

import errno
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
        with _opened_plainly(path) as handle:
            state = os.fstat(handle)
            if stat.S_IMODE(state.st_mode) != mode or state.st_uid != os.geteuid():
                return None
            return _read_whole(handle, path, most=_LONGEST_TEXT).decode()
    except (OSError, UnicodeDecodeError):
        return None


def unspoilt_text(path: Path) -> str | None:
    """What a plain file holds that is ours or root's, and that nobody else may write to; None of any other."""
    try:
        with _opened_plainly(path) as handle:
            state = os.fstat(handle)
            if state.st_uid not in (0, os.geteuid()) or state.st_mode & 0o022:
                return None
            return _read_whole(handle, path, most=_LONGEST_TEXT).decode()
    except (OSError, UnicodeDecodeError):
        return None


def plain_bytes(path: Path, *, most: int) -> bytes:
    """What a file holds that others may have put there: a link is not followed, a pipe not waited for.

    Raises OSError, also where it is no plain file (ELOOP, EINVAL) or has more than `most` bytes (EFBIG).
    """
    with _opened_plainly(path) as handle:
        return _read_whole(handle, path, most=most)


@contextmanager
def _opened_plainly(path: Path) -> Iterator[int]:
    """A plain file, opened for reading; nothing else is: whoever may write in its directory may put anything there."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        yield handle
    finally:
        os.close(handle)


def _read_whole(handle: int, path: Path, *, most: int) -> bytes:
    with os.fdopen(handle, "rb", closefd=False) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


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
    """Give a file or directory its owner, group and mode; the owner first, for chown takes away set-id bits.

    Raises OSError, also for anything else: a link that QEMU's user put there would give away what it leads to.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(handle).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise OSError(errno.EINVAL, "it is neither a plain file nor a directory", str(path))
        os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
    finally:
        os.close(handle)
