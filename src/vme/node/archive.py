"""Files of a node carried here and back whole, with owners and modes: a tar archive through the ssh we have.

base64 stands where a compressor would: what a process of ours writes and reads is text, and no shell is needed. Where
our key has a role, the node admits libvirt's own places only; a file elsewhere needs a key that may run any command.
"""

import base64
import binascii
from collections.abc import Sequence
from io import BytesIO
from pathlib import PurePosixPath

from vme.config import Node, SshConfig
from vme.errors import Failed
from vme.node.verbs import PACK, UNPACK
from vme.ssh import run_on_node

_TIMEOUT_S = 60.0


def packed(node: Node, ssh: SshConfig, paths: Sequence[PurePosixPath]) -> bytes:
    """An archive of these files and directories of a node. Raises Failed where one of them can't be read."""
    import tarfile  # late: it brings what most moves and look-ups do not need

    done = run_on_node(node, ssh, (*PACK.words, *_members(paths)), timeout_s=_TIMEOUT_S)
    if done.status != 0:
        raise Failed(f"{node.name}: tar can't read all of {_text(paths)}: {done.last_words}")
    try:
        archive = base64.b64decode(done.output)
        with tarfile.open(fileobj=BytesIO(archive)) as opened:
            missing = set(_members(paths)) - set(opened.getnames())
    except (binascii.Error, tarfile.TarError) as problem:
        raise Failed(f"{node.name}: what tar sent of {_text(paths)} is no archive: {problem}") from None
    if missing:
        raise Failed(f"{node.name}: tar left out {', '.join(sorted(missing))}")
    return archive


def unpack(node: Node, ssh: SshConfig, archive: bytes, paths: Sequence[PurePosixPath]) -> None:
    """Put these files and directories of an archive back where they were, on this node. Raises Failed."""
    text = base64.encodebytes(archive).decode()
    done = run_on_node(node, ssh, (*UNPACK.words, *_members(paths)), timeout_s=_TIMEOUT_S, stdin=text)
    if done.status != 0:
        raise Failed(f"{node.name}: tar can't write all of {_text(paths)}: {done.last_words}")


def _members(paths: Sequence[PurePosixPath]) -> list[str]:
    return [str(path).lstrip("/") for path in paths]


def _text(paths: Sequence[PurePosixPath]) -> str:
    return ", ".join(str(path) for path in paths)
