"""Files of a node carried here and back whole, with owners and modes: a tar archive through the ssh we have.

base64 stands where a compressor would: what a process of ours writes and reads is text, and no shell is needed. Where
our key has a role, the node admits libvirt's own places only; a file elsewhere needs a key that may run any command.
"""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import PurePosixPath

from vme.config import Node, SshConfig
from vme.errors import Failed
from vme.node.verbs import PACK, UNPACK
from vme.ssh import run_on_node

_TIMEOUT_S = 60.0
# How every archive ends (tar(5)).
_END = bytes(1024)


def packed(node: Node, ssh: SshConfig, paths: Sequence[PurePosixPath]) -> bytes:
    """An archive of these files and directories of a node. Raises Failed where one of them can't be read."""
    done = run_on_node(node, ssh, (*PACK.words, *_members(paths)), timeout_s=_TIMEOUT_S)
    if done.status != 0:
        raise Failed(f"{node.name}: tar can't read all of {_text(paths)}: {done.last_words}")
    try:
        archive = base64.b64decode(done.output.replace("\n", ""), validate=True)
    except ValueError as problem:
        raise Failed(f"{node.name}: what tar sent of {_text(paths)} is no archive: {problem}") from None
    missing = set(_members(paths)) - _names_in(archive, paths, node.name)
    if missing:
        raise Failed(f"{node.name}: tar left out {', '.join(sorted(missing))}")
    return archive


def unpack(node: Node, ssh: SshConfig, archive: bytes, paths: Sequence[PurePosixPath]) -> None:
    """Put these files and directories of an archive back where they were, on this node. Raises Failed."""
    _names_in(archive, paths, node.name)
    text = base64.encodebytes(archive).decode()
    done = run_on_node(node, ssh, (*UNPACK.words, *_members(paths)), timeout_s=_TIMEOUT_S, stdin=text)
    if done.status != 0:
        raise Failed(f"{node.name}: tar can't write all of {_text(paths)}: {done.last_words}")


def _names_in(archive: bytes, paths: Sequence[PurePosixPath], node: str) -> set[str]:
    """What is in an archive. Raises Failed where that is anything but these files and directories and what is in them.

    Root's tar unpacks it, on another node: a link in it would have that write elsewhere, and what is set-id would stay.
    """
    import tarfile  # late: it brings what most moves and look-ups do not need

    members = [PurePosixPath(name) for name in _members(paths)]
    names: set[str] = set()
    if not archive.endswith(_END):
        raise Failed(f"{node}: an archive of {_text(paths)} is cut off")
    try:
        with tarfile.open(fileobj=BytesIO(archive), mode="r:") as opened:
            for entry in opened:
                name = PurePosixPath(entry.name)
                asked_for = any(name == member or member in name.parents for member in members)
                plain = (entry.isreg() or entry.isdir()) and not entry.mode & 0o7000
                if not asked_for or not plain or ".." in name.parts or str(name) in names:
                    raise Failed(f"{node}: an archive of {_text(paths)} has {entry.name!a} in it, which is not taken")
                names.add(str(name))
    except (tarfile.TarError, EOFError, ValueError) as problem:
        raise Failed(f"{node}: what should be an archive of {_text(paths)} is none: {problem}") from None
    return names


def _members(paths: Sequence[PurePosixPath]) -> list[str]:
    return [str(path).lstrip("/") for path in paths]


def _text(paths: Sequence[PurePosixPath]) -> str:
    return ", ".join(str(path) for path in paths)
