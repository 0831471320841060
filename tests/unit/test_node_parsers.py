"""What nodes' own tools print, read back."""

from pathlib import PurePosixPath

import pytest

from vme.node.accounts import _id_in
from vme.node.files import FileState, may_enter, modes_text, parse_stat
from vme.node.load import parse_loadavg
from vme.node.neighbours import parse_arp
from vme.nodesets import expanded, expanded_names, folded


def test_stat() -> None:
    text = "64055 108 660 13 /srv/vme/virt-store/web 1/web1-vda\n0 0 1777 2 /tmp\n"
    assert parse_stat(text) == {
        PurePosixPath("/srv/vme/virt-store/web 1/web1-vda"): FileState(64055, 108, 0o660, 13),
        PurePosixPath("/tmp"): FileState(0, 0, 0o1777, 2),
    }
    assert parse_stat("") == {}


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o750, 0, 0, True),
        (0o000, 0, 0, True),
        (0o700, 100, 5, True),
        (0o077, 100, 200, False),  # the owner's bits count for the owner, even where others have more
        (0o710, 5, 200, True),
        (0o701, 5, 200, False),
        (0o701, 5, 5, True),
        (0o750, 5, 5, False),
    ],
)
def test_who_may_enter(mode: int, uid: int, gid: int, may: bool) -> None:
    assert may_enter(FileState(100, 200, mode, 1), uid, gid) is may


def test_modes_as_words() -> None:
    assert modes_text(FileState(0, 108, 0o750, 1)) == "owner 0, group 108, mode 0750"


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        ("libvirt-qemu:x:64055:108:Libvirt Qemu,,,:/var/lib/libvirt:/usr/sbin/nologin\n", "libvirt-qemu", 64055),
        ("kvm:x:108:libvirt-qemu,alice\n", "kvm", 108),
        ("libvirt-qemu:x:64055:108::/:/bin/sh\n", "64055", 64055),
        ("", "kvm", None),
        ("kvm:x:abc:\n", "kvm", None),
        ("kvm:x:-1:\n", "kvm", None),
        ("other:x:108:\n", "kvm", None),
        ("garbage\n", "kvm", None),
    ],
)
def test_accounts(text: str, name: str, number: int | None) -> None:
    assert _id_in(text, name) == number


@pytest.mark.parametrize(
    ("text", "load"), [("0.52 0.58 0.59 1/467 12345\n", 0.52), ("", None), ("cat: no\n", None), ("\n", None)]
)
def test_loadavg(text: str, load: float | None) -> None:
    assert parse_loadavg(text) == load


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("kvm[01-03]", ("kvm01", "kvm02", "kvm03")),
        ("kvm07,kvm[09-10]", ("kvm07", "kvm09", "kvm10")),
        ("kvm[1-3]!kvm2", ("kvm1", "kvm3")),
        ("one", ("one",)),
    ],
)
def test_sets(text: str, names: tuple[str, ...]) -> None:
    assert expanded(text) == names
    assert expanded_names(text) == names


@pytest.mark.parametrize("text", ["kvm[1-", "kvm[3-1]", "kvm]", "kvm[1-2"])
def test_what_is_no_set(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        expanded(text)


def test_groups_mean_nothing_to_guests() -> None:
    with pytest.raises(ValueError, match=r".+"):
        expanded_names("kvm[1-")
    assert expanded_names("@x") == ("@x",)


def test_folding() -> None:
    assert folded(["kvm03", "kvm01", "kvm02", "kvm07"]) == "kvm[01-03,07]"
    assert expanded(folded(["a1", "b2"])) == ("a1", "b2")


def test_neighbours() -> None:
    table = """\
IP address       HW type     Flags       HW address            Mask     Device
10.77.0.2        0x1         0x2         52:54:00:4C:00:02     *        eth0
10.78.0.202      0x1         0x2         52:54:00:77:fd:35     *        br0
10.78.0.203      0x1         0x0         00:00:00:00:00:00     *        br0
10.78.0.204      0x1         0x2         52:54:00:77:fd:35     *        br0
"""
    assert parse_arp(table) == {
        "52:54:00:4c:00:02": ("10.77.0.2",),
        "52:54:00:77:fd:35": ("10.78.0.202", "10.78.0.204"),
    }
    assert parse_arp("") == {}
