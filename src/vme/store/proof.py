"""Proof that a store is there, answers and has room, before anything is written to it."""

import os
from pathlib import Path

from vme.config import Store
from vme.errors import Failed
from vme.process import TookTooLong, run

# What new guests must leave free, so that those that run do not pause for want of the last block.
MARGIN_BYTES = 64 * 1024**2


def reasons_not_usable(store: Store, needed_bytes: int, *, timeout_s: float) -> list[str]:
    """Every reason why this server can't put that much into the store now; empty if it can."""
    reasons = reasons_not_there(store, timeout_s=timeout_s)
    if reasons:
        return reasons
    where = _where(store)
    if not os.access(store.management_path, os.W_OK | os.X_OK):
        reasons.append(f"{where} can't be written to by this user; run as root, or mend its owner and mode")
    free_bytes = free_space(store.management_path)
    if free_bytes < needed_bytes + MARGIN_BYTES:
        need, free = (needed_bytes + MARGIN_BYTES) >> 20, free_bytes >> 20
        reasons.append(f"{where} is full: {need} MiB are needed (with a margin) and {free} MiB are free")
    return reasons


def reasons_not_there(store: Store, *, timeout_s: float) -> list[str]:
    """Why this server can't look into the store; empty if it can.

    The look is a child process with a deadline: a hung store would hang whoever looks.
    """
    where = _where(store)
    try:
        look = run(("stat", "--format", "%F", "--", store.management_path), timeout_s=timeout_s)
    except TookTooLong:
        return [f"{where} hangs: no answer within {timeout_s:g} s; see to its mount"]
    if look.status != 0:
        return [f"{where} is not there: {_last_part(look.last_words)}; is it mounted?"]
    if look.output.strip() != "directory":
        return [f"{where} is not a directory"]
    if store.shared and mount_point_of(store.management_path) == Path("/"):
        return [f"{where} is not mounted: it lies on this server's root file system"]
    return []


def must_be_there(store: Store, what: str, *, timeout_s: float) -> None:
    """Raise Failed where this server can't look into the store: nothing it does not see may be taken for gone."""
    reasons = reasons_not_there(store, timeout_s=timeout_s)
    if reasons:
        raise Failed(f"{what}: {reasons[0]}")


def _where(store: Store) -> str:
    return f"virt-store {store.name} of zone {store.zone} ({store.management_path} on this server)"


def answers(store: Store, *, timeout_s: float) -> bool:
    """Whether the store's directory is there and can be looked at now, asked by a child that may hang in our place."""
    try:
        return run(("stat", "--format", "%F", "--", store.management_path), timeout_s=timeout_s).status == 0
    except TookTooLong:
        return False


def free_space(path: Path) -> int:
    """Bytes that may still be written to the file system of this path (statvfs)."""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def mount_point_of(path: Path, mounts: str | None = None) -> Path:
    """The mount point a path lies under, from /proc/self/mounts, which stays readable while a store hangs."""
    text = Path("/proc/self/mounts").read_text(errors="surrogateescape") if mounts is None else mounts
    points = [Path(_unescaped(line.split(" ")[1])) for line in text.splitlines() if line.count(" ") >= 2]
    above = [point for point in points if path == point or point in path.parents]
    return max(above, key=lambda point: len(point.parts), default=Path("/"))


def _last_part(message: str) -> str:
    return message.rsplit(": ", 1)[-1]


def _unescaped(field: str) -> str:
    """proc(5): blanks in mount points are octal escapes."""
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
