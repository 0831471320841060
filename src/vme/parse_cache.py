"""What was parsed from vme.toml last time, for as long as the file is the same: parsing and node sets cost 25 ms.

Kept in this user's private directory, so nobody else can put words into our configuration.
"""

import marshal
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vme.errors import VmeError
from vme.runtime import private_directory


def remembered(file: Path, parse: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of `parse`, or what it gave last time for this very state of the file. Raises what `parse` raises."""
    try:
        key = _key(file)
        cache = private_directory() / f"toml-{zlib.crc32(os.fsencode(file)):08x}"
    except (OSError, VmeError):
        return parse()
    known = _read(cache)
    if known is not None and known[0] == key:
        return known[1]
    parsed = parse()
    _write(cache, (key, parsed))
    return parsed


def _key(file: Path) -> tuple[str | int, ...]:
    """What changes whenever the file, or the reader of the cache, changes."""
    state = file.stat()
    return (str(file), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns, sys.version)


def _read(cache: Path) -> tuple[tuple[str | int, ...], dict[str, Any]] | None:
    try:
        key, parsed = marshal.loads(cache.read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return key, parsed


def _write(cache: Path, content: tuple[tuple[str | int, ...], dict[str, Any]]) -> None:
    """Best effort: a cache that can't be written costs time, nothing else. (marshal has no form for TOML's dates.)"""
    temporary = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        temporary.write_bytes(marshal.dumps(content))
        temporary.rename(cache)
    except (OSError, ValueError):
        temporary.unlink(missing_ok=True)
