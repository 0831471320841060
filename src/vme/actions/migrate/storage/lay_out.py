"""Making a guest's directory on the store it moves to: copies of its files, empty images for what libvirt copies."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from vme.actions.migrate.storage.passage import Passage, Piece, Way
from vme.actions.migrate.storage.route import Route
from vme.actions.together import Stop
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Node, SshConfig, Store
from vme.errors import Failed, Refused
from vme.journal.work import Work
from vme.node.files import FileState, states_of
from vme.progress import Advance
from vme.store.confined import refuse_leading_out
from vme.store.files import hand_to, sync_directory
from vme.store.images import check_image, create_empty, facts_of_image, flatten_image
from vme.store.sparse_copy import copy_sparse
from vme.units import duration_text, size_text

# Step of the journal's entry.
COPYING = "copying its files to the other store"

_LOOK_AGAIN_S = 0.2


def lay_out(passage: Passage, stores: Sequence[Store], work: Work, advance: Advance, stop: Stop) -> None:
    """Make the directory with all that goes along, each file whose it is to be, on the disk for good.

    `stores`: of the zone that the guest leaves; no image leads out of them.

    Raises Failed, or KeyboardInterrupt when a person wants it to end; what was begun is the caller's to remove.
    """
    route = passage.route
    work.step(COPYING)
    progress = _Copying(passage, advance, stop)
    try:
        route.new_directory.mkdir(mode=0o700)
        for piece in passage.pieces:
            progress.begin(piece)
            target = route.new_directory / piece.name
            if piece.way is Way.FLATTENED:
                refuse_leading_out(route.directory / piece.name, piece.format, stores)
            _make(piece, route.directory / piece.name, target, progress)
            hand_to(target, piece.uid, piece.gid, piece.mode)
            _keep_time(route.directory / piece.name, target)
        hand_to(route.new_directory, passage.uid, passage.gid, passage.mode)
        sync_directory(route.new_directory)
        sync_directory(route.new_directory.parent)
    except OSError as problem:
        raise Failed(f"{route.guest}: its files can't be copied to {route.new_directory}: {problem}") from None


def refuse_if_occupied(route: Route) -> None:
    """Look again, now that no tool of ours can make it: what lies there by now would go with what is made there.

    Raises Refused.
    """
    if route.new_directory.exists():
        raise Refused(route.guest, [f"{route.new_directory} is there by now"], hint="see whose it is, and move it away")


def await_seen(passage: Passage, node: Node, ssh: SshConfig, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
    """Wait until the node sees every file, and whose it is: a store's client remembers for a while what was not there.

    Raises Failed, Silent.
    """
    route = passage.route
    wanted = {route.on_new_nodes(piece.name): (piece.uid, piece.gid, piece.mode) for piece in passage.pieces}
    deadline_s = time.monotonic() + timeout_s
    while True:
        seen = states_of(node, ssh, list(wanted), timeout_s=timeout_s)
        missing = [path for path, owner in wanted.items() if _owner(seen.get(path)) != owner]
        if not missing:
            return
        if time.monotonic() > deadline_s:
            raise Failed(
                f"{route.guest}: {node.name} does not see {missing[0]} as it was made, after {timeout_s:g} s",
                hint="see how the store is mounted there",
            )
        time.sleep(_LOOK_AGAIN_S)


def changed_since(route: Route, names: Sequence[str]) -> list[str]:
    """The files that were written to, here or there, since they were copied: a copy has its original's time."""
    pairs = [(name, route.directory / name, route.new_directory / name) for name in names]
    return [name for name, old, new in pairs if _written_at(old) != _written_at(new)]


def _keep_time(source: Path, target: Path) -> None:
    state = source.lstat()
    os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns), follow_symlinks=False)


def _written_at(path: Path) -> int | None:
    """In µs, finer than which not every file system tells it; None where it is not there."""
    try:
        return path.stat().st_mtime_ns // 1000
    except FileNotFoundError:
        return None


def _owner(state: FileState | None) -> tuple[int, int, int] | None:
    return None if state is None else (state.uid, state.gid, state.mode)


def _make(piece: Piece, source: Path, target: Path, progress: "_Copying") -> None:
    if piece.way is Way.MIRRORED:
        create_empty(target, piece.format, piece.virtual_bytes)
    elif piece.way is Way.FLATTENED:
        flatten_image(facts_of_image(source, piece.format), target, progress.percent_of(piece))
        _sync(target)
    else:
        copy_sparse(source, target, progress.add)
    if piece.format == "qcow2":
        check_image(target, piece.format)
    if piece.target and facts_of_image(target, piece.format).virtual_bytes != piece.virtual_bytes:
        raise Failed(f"{target} has another size than {source}, which was {size_text(piece.virtual_bytes)}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Copying:
    """How far the copying is; asks between the pieces whether it is to end."""

    def __init__(self, passage: Passage, advance: Advance, stop: Stop) -> None:
        self._total = sum(piece.size_bytes for piece in passage.pieces if piece.way is not Way.MIRRORED)
        self._done = 0
        self._advance = advance
        self._stop = stop
        self._since_s = time.monotonic()
        self._name = ""

    def begin(self, piece: Piece) -> None:
        """From now on it is this file that is copied."""
        self._name = piece.name
        self._show(self._done)

    def add(self, size_bytes: int) -> None:
        """So much more is copied."""
        self._done += size_bytes
        self._show(self._done)

    def percent_of(self, piece: Piece) -> "_Percent":
        """What is called with how much of this file is copied."""
        return _Percent(self, piece.size_bytes)

    def _show(self, done: int) -> None:
        self._stop.check()
        elapsed_s = time.monotonic() - self._since_s
        rate = done / elapsed_s if elapsed_s > 0 else 0.0
        left = f", about {duration_text(max(0, self._total - done) / rate)} left" if rate > 0 else ""
        percent = 100.0 if not self._total else min(100.0, 100 * done / self._total)
        words = f"copies {self._name}, {size_text(done)} of {size_text(self._total)}, {rate / 1e6:.0f} MB/s{left}"
        self._advance(percent, words)


class _Percent:
    def __init__(self, copying: _Copying, size_bytes: int) -> None:
        self._copying = copying
        self._size = size_bytes
        self._told = 0

    def __call__(self, percent: float) -> None:
        done = int(self._size * percent / 100)
        self._copying.add(max(0, done - self._told))
        self._told = max(done, self._told)
