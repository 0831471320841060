"""What a node sees under a path: asked by stat(1), never guessed from what this machine sees."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from vme.config import Node, SshConfig
from vme.node.verbs import BRIDGES, FILES, ask
from vme.records import dataclass

_LONGEST_BATCH = 3900


@dataclass(frozen=True)
class FileState:
    """A file as its node sees it: numeric owner and group, permission bits, and its inode."""

    uid: int
    gid: int
    mode: int
    inode: int


def states_of(
    node: Node, ssh: SshConfig, paths: Sequence[PurePosixPath], *, timeout_s: float
) -> dict[PurePosixPath, FileState]:
    """Path -> state for those of these paths that exist on the node. Raises TookTooLong where its store hangs."""
    states: dict[PurePosixPath, FileState] = {}
    for some in _batches([str(path) for path in paths]):
        states |= parse_stat(ask(node, ssh, FILES, *some, timeout_s=timeout_s).output)
    return states


def _batches(paths: Sequence[str]) -> Iterator[list[str]]:
    """As many paths at a time as one command over ssh may hold: a node's wrapper takes 4096 bytes."""
    some: list[str] = []
    for path in paths:
        if some and (len(some) == FILES.most or sum(map(len, some)) + len(some) + len(path) > _LONGEST_BATCH):
            yield some
            some = []
        some.append(path)
    if some:
        yield some


def parse_stat(text: str) -> dict[PurePosixPath, FileState]:
    """The lines of `stat --format '%u %g %a %i %n'`."""
    states = {}
    for line in text.splitlines():
        uid, gid, mode, inode, path = line.split(" ", 4)
        states[PurePosixPath(path)] = FileState(int(uid), int(gid), int(mode, 8), int(inode))
    return states


def may_enter(state: FileState, uid: int, gid: int) -> bool:
    """Whether a user may pass through a directory with this owner, group and mode (path_resolution(7))."""
    if uid == 0:
        return True
    if uid == state.uid:
        return bool(state.mode & 0o100)
    return bool(state.mode & (0o010 if gid == state.gid else 0o001))


def modes_text(state: FileState) -> str:
    """`root:root 0700` in numbers, for a message."""
    return f"owner {state.uid}, group {state.gid}, mode {state.mode:04o}"


def bridges_of(node: Node, ssh: SshConfig, *, timeout_s: float) -> tuple[str, ...]:
    """The names of a node's bridges: Linux's (those with /sys/class/net/NAME/bridge)."""
    done = ask(node, ssh, BRIDGES, timeout_s=timeout_s)
    return tuple(sorted(line.split("/")[-2] for line in done.output.splitlines() if line.count("/") >= 4))
