"""What a node sees that matters to a guest moving from it or to it, asked in one session of ssh."""

import time
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from vme.config import Node, SshConfig
from vme.node.mounts import Mount, parse_mounts
from vme.node.qemu_conf import QemuConf, parse_qemu_conf
from vme.node.verbs import ARGUMENTS, REACH, SIGHT, ask
from vme.records import dataclass, replace

# What a node's wrapper takes is 4096 bytes, the script and its quotes among them.
_LONGEST_BATCH = 3000


@dataclass(frozen=True)
class SeenFile:
    """A file as its node sees it; ids are numbers."""

    uid: int
    gid: int
    mode: int
    inode: int
    size_bytes: int

    @property
    def owner(self) -> str:
        """`64055:108 0660`, for a message."""
        return f"{self.uid}:{self.gid} {self.mode:04o}"

    def lets_write(self, uid: int, gid: int) -> bool:
        """Whether a user may read and write it, by owner, group and mode alone."""
        shift = 6 if uid == self.uid else 3 if gid == self.gid else 0
        return uid == 0 or (self.mode >> shift) & 0o6 == 0o6


@dataclass(frozen=True)
class Sight:
    """One node's answer. `clock_ahead_s` is against this machine; `conf` is None where qemu.conf can't be read."""

    clock_ahead_s: float | None
    links: frozenset[str]
    bridges: frozenset[str]
    listening: frozenset[int]
    conf: QemuConf | None
    mounts: tuple[Mount, ...]
    nonces: dict[PurePosixPath, str]
    files: dict[PurePosixPath, SeenFile]


@dataclass(frozen=True)
class Reached:
    """How an attempt to connect ended. `address` is None where the name means nothing there."""

    address: str | None
    answers: bool
    said: str


def may_be_asked(path: str) -> bool:
    """Whether a node can be asked about this path: its wrapper takes no blank and no quotation mark in one."""
    return ARGUMENTS["path"].fullmatch(path) is not None


def sight_of(node: Node, ssh: SshConfig, paths: Sequence[PurePosixPath], *, timeout_s: float) -> Sight:
    """Ask a node about itself and these paths. Raises SshFailed, NotAdmitted, TookTooLong."""
    first, *others = list(_batches([str(path) for path in paths])) or [["/"]]
    before_s = time.time()
    done = ask(node, ssh, SIGHT, *first, timeout_s=timeout_s)
    sight = parse_sight(done.output, (before_s + time.time()) / 2)
    for some in others:
        more = parse_sight(ask(node, ssh, SIGHT, *some, timeout_s=timeout_s).output, before_s)
        sight = replace(sight, nonces=sight.nonces | more.nonces, files=sight.files | more.files)
    return sight


def parse_sight(text: str, now_s: float) -> Sight:
    """The sections that the script of SIGHT prints; `now_s` is this machine's time when the node said its own."""
    parts = [part.partition("\n") for part in text.split("\n=== ")[1:]]
    section = {head: body for head, _, body in parts}
    clock = section.get("clock", "").strip()
    return Sight(
        clock_ahead_s=float(clock) - now_s if clock.replace(".", "", 1).isdigit() else None,
        links=frozenset(path.rpartition("/")[2] for path in section.get("links", "").split()),
        # Of a node without bridges the pattern itself.
        bridges=frozenset(path.split("/")[-2] for path in section.get("bridges", "").split() if path.count("/") > 4)
        - {"*"},
        listening=frozenset(_listening(section.get("listening", ""))),
        # grep(1): 0 and 1 are lines or none; 2 is a file that is not there, or not ours to read.
        conf=next(
            (parse_qemu_conf(section[f"qemu.conf {one}"]) for one in (0, 1) if f"qemu.conf {one}" in section), None
        ),
        mounts=parse_mounts(section.get("mounts", "")),
        nonces={
            PurePosixPath(head.removeprefix("nonce ")): body.strip()
            for head, body in section.items()
            if head.startswith("nonce ")
        },
        files=_files(section.get("files", "")),
    )


def reach(node: Node, ssh: SshConfig, endpoints: Sequence[str], *, timeout_s: float) -> dict[str, Reached]:
    """Try from a node to connect to each HOST:PORT; each is closed at once. Raises as sight_of() does."""
    asked = [endpoint for endpoint in endpoints if ARGUMENTS["endpoint"].fullmatch(endpoint)]
    found: dict[str, Reached] = {}
    for start in range(0, len(asked), REACH.most):
        some = asked[start : start + REACH.most]
        found |= parse_reach(ask(node, ssh, REACH, *some, timeout_s=timeout_s).output)
    return found


def parse_reach(text: str) -> dict[str, Reached]:
    """The lines of REACH: what was tried, the status, the address (none where two blanks follow each other), words."""
    found = {}
    for line in text.splitlines():
        endpoint, status, address, said = (*line.split(" ", 3), "", "", "")[:4]
        # Nobody listens where nothing moves: a refusal comes from the machine itself, so that it is reached.
        answers = status == "0" or said == "Connection refused"
        found[endpoint] = Reached(address or None, answers, "no answer" if status == "137" else said)
    return found


def _batches(paths: Sequence[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for path in paths:
        if some and (len(some) == SIGHT.most or sum(map(len, some)) + len(some) + len(path) > _LONGEST_BATCH):
            yield some
            some = []
        some.append(path)
    if some:
        yield some


def _listening(text: str) -> Iterator[int]:
    """The ports that ss(8) shows, with their local address in the fourth field.

    Where there is no ss they are of /proc/net/tcp and tcp6 (proc(5)): hexadecimal, in the second field.
    """
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[0] == "LISTEN":
            yield int(fields[3].rpartition(":")[2])
        elif len(fields) > 3 and fields[3] == "0A":
            yield int(fields[1].rpartition(":")[2], 16)


def _files(text: str) -> dict[PurePosixPath, SeenFile]:
    """The lines of stat --format "%u %g %a %i %s %n"."""
    files = {}
    for line in text.splitlines():
        fields = line.split(" ", 5)
        if len(fields) == 6:
            uid, gid, mode, inode, size, path = fields
            files[PurePosixPath(path)] = SeenFile(int(uid), int(gid), int(mode, 8), int(inode), int(size))
    return files
