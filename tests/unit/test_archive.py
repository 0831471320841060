"""A guest's files as a node sends them: what root's tar would unpack on another node is looked at first."""

import base64
import io
import tarfile
from collections.abc import Sequence
from pathlib import PurePosixPath

import pytest

from tests.unit.made import NODES
from vme.config import SshConfig
from vme.errors import Failed
from vme.node import archive as module
from vme.node.archive import packed, unpack
from vme.process import Result

STATE = PurePosixPath("/var/lib/libvirt/swtpm/u")
NVRAM = PurePosixPath("/var/lib/libvirt/qemu/nvram/web1_VARS.fd")
KVM01 = NODES["kvm01"]


def member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o600, link: str = "") -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.mode, one.linkname = kind, mode, link
    return one


GOOD = (
    member(str(STATE)[1:], tarfile.DIRTYPE, 0o711),
    member(f"{STATE}/tpm2/tpm2-00.permall"[1:]),
    member(str(NVRAM)[1:], mode=0o644),
)


def made(*members: tarfile.TarInfo) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for one in members:
            tar.addfile(one)
    return whole.getvalue()


def node_that_sends(monkeypatch: pytest.MonkeyPatch, output: str) -> list[Sequence[str]]:
    asked: list[Sequence[str]] = []

    def answer(_node: object, _ssh: object, argv: Sequence[str], **_more: object) -> Result:
        asked.append(argv)
        return Result(tuple(argv), 0, output, "")

    monkeypatch.setattr(module, "run_on_node", answer)
    return asked


def test_what_libvirt_keeps_of_a_guest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(*GOOD)
    node_that_sends(monkeypatch, base64.encodebytes(whole).decode())
    assert packed(KVM01, SshConfig(), [STATE, NVRAM]) == whole


BAD = {
    "a link to elsewhere": member(f"{STATE}/x"[1:], tarfile.LNKTYPE, link="etc/crontab"),
    "a symlink": member(f"{STATE}/x"[1:], tarfile.SYMTYPE, link="/etc"),
    "a device": member(f"{STATE}/x"[1:], tarfile.BLKTYPE),
    "a set-uid file": member(f"{STATE}/x"[1:], mode=0o4755),
    "another file": member("etc/crontab"),
    "an absolute name": member("/etc/crontab"),
    "a way up": member(f"{STATE}/../../../../../etc/crontab"[1:]),
    "a name that begins so": member(f"{STATE}x"[1:]),
    "the same twice": GOOD[1],
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_anything_else_is_not(monkeypatch: pytest.MonkeyPatch, bad: tarfile.TarInfo) -> None:
    whole = made(*GOOD, bad)
    asked = node_that_sends(monkeypatch, base64.encodebytes(whole).decode())
    with pytest.raises(Failed, match="which is not taken"):
        packed(KVM01, SshConfig(), [STATE, NVRAM])
    asked.clear()
    # Between the two it lies on the store.
    with pytest.raises(Failed, match="which is not taken"):
        unpack(KVM01, SshConfig(), whole, [STATE, NVRAM])
    assert asked == []


@pytest.mark.parametrize(
    "output",
    ["", "no base64: ä", "AAAA", base64.b64encode(b"x" * 5000).decode(), base64.b64encode(made(*GOOD)[:700]).decode()],
)
def test_what_is_no_archive(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    node_that_sends(monkeypatch, output)
    with pytest.raises(Failed, match=r"kvm01: "):
        packed(KVM01, SshConfig(), [STATE])
