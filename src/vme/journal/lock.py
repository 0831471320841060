"""One lock per guest's name on each store it concerns: a POSIX lock, so it dies with its holder.

The file's text says who holds it, where, since when and why, for the message to the next one.
"""

import errno
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from vme.config import Store
from vme.errors import Refused
from vme.invoker import person, this_host
from vme.store.files import opened_among_ours
from vme.store.layout import lock_file

_POLL_S = 0.2


class AtWork(Refused):
    """Another tool works on the guest; the message says who, where, since when and why."""


@contextmanager
def held(
    guest: str, stores: Sequence[Store], why: str, *, frees_space: bool = False, wait_s: float = 0.0
) -> Iterator[None]:
    """Hold a guest's name on these stores while the block runs. Raises AtWork if another tool holds it longer than
    `wait_s`; who waits is told for whom.

    Stores are taken in one order by everybody, so of two tools at the same moment one gets all it needs. A tool that
    frees space may go on without a lock where a full store has no room for one: nobody else gets it there either.
    """
    deadline_s = time.monotonic() + wait_s
    with ExitStack() as stack:
        for store in sorted(stores, key=lambda store: (store.zone, store.name)):
            try:
                stack.enter_context(_held_on(guest, store, why, deadline_s))
            except OSError as problem:
                if not (frees_space and problem.errno == errno.ENOSPC):
                    raise
        yield


@contextmanager
def _held_on(guest: str, store: Store, why: str, deadline_s: float) -> Iterator[None]:
    file = lock_file(store, guest)
    handle = _locked(file, guest, store, deadline_s)
    try:
        with suppress(OSError):  # who holds it is for people; the lock counts without it
            if os.fstat(handle).st_size:
                os.ftruncate(handle, 0)  # of a holder that was killed
            os.write(handle, json.dumps(_record(why)).encode() + b"\n")
        yield
        # Removed while it is held: who opened it meanwhile notices that it is no longer this name's file.
    finally:
        # A store that went away meanwhile must not hide what its going left behind: that error is on its way.
        with suppress(OSError):
            file.unlink()
        with suppress(OSError):
            os.close(handle)


def _locked(file: Path, guest: str, store: Store, deadline_s: float) -> int:
    said = ""
    while True:
        handle = opened_among_ours(file, os.O_RDWR, 0o644, directory_mode=0o755)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = f"{_holder_text(os.read(handle, 4096))} (zone {store.zone})"
            os.close(handle)
            if time.monotonic() >= deadline_s:
                hint = "wait until that is done, then try again; or --wait-turn S"
                raise AtWork(guest, [holder], hint=hint) from None
            if holder != said:
                print(f"{guest}: waiting: {holder}", file=sys.stderr, flush=True)
                said = holder
            time.sleep(_POLL_S)
            continue
        if _is_still_named(handle, file):
            return handle
        os.close(handle)


def _is_still_named(handle: int, file: Path) -> bool:
    """Whether the file we hold is the one that has the name: its last holder may have removed it under us."""
    mine = os.fstat(handle)
    try:
        named = file.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)


def _record(why: str) -> dict[str, object]:
    return {
        "why": why,
        "user": person(),
        "host": this_host(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _holder_text(text: bytes) -> str:
    try:
        record = json.loads(text)
        who = f"{record['user']} on {record['host']} (process {record['pid']})"
        return f"{who} has been working on it since {record['since']}: {record['why']}"
    except (ValueError, KeyError, TypeError):
        return "another tool is working on it"
