"""Copying a file to another store for good: holes stay holes, and what was written is on the disk when it returns."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from vme.errors import Failed

_CHUNK_BYTES = 1024**2
_ZEROS = bytes(_CHUNK_BYTES)


def copy_sparse(source: Path, target: Path, on_bytes: Callable[[int], None]) -> None:
    """Copy a file, which nobody writes to meanwhile; `target` must not be there yet. Raises Failed where it changed.

    `on_bytes` is called with how much more is copied. What was begun is the caller's to remove.
    """
    # A link or a pipe that QEMU's user put there is not followed, nor waited for.
    opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise Failed(f"{source} is no plain file any more: who did that?")
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            for begin, end in _data_in(file.fileno(), before.st_size):
                _copy_range(file.fileno(), handle, begin, end, on_bytes)
            os.ftruncate(handle, before.st_size)
            os.fsync(handle)
        finally:
            os.close(handle)
        after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Failed(f"{source} was written to while it was copied: who does that?")
    if target.stat().st_size != before.st_size:
        raise Failed(f"{target} has {target.stat().st_size} bytes, and {source} has {before.st_size}")


def _data_in(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has data; all of it, where the file system does not tell (lseek(2), SEEK_DATA)."""
    position = 0
    while position < size:
        try:
            begin = os.lseek(handle, position, os.SEEK_DATA)
            end = os.lseek(handle, begin, os.SEEK_HOLE)
        except OSError as problem:
            if problem.errno == errno.ENXIO:
                return  # nothing but a hole follows
            begin, end = position, size
        yield begin, end
        position = end


def _copy_range(source: int, target: int, begin: int, end: int, on_bytes: Callable[[int], None]) -> None:
    while begin < end:
        chunk = os.pread(source, min(_CHUNK_BYTES, end - begin), begin)
        if not chunk:
            return
        if chunk != _ZEROS[: len(chunk)]:
            _write_all(target, chunk, begin)
        begin += len(chunk)
        on_bytes(len(chunk))


def _write_all(handle: int, chunk: bytes, position: int) -> None:
    view = memoryview(chunk)
    while view:
        written = os.pwrite(handle, view, position)
        view, position = view[written:], position + written
