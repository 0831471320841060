"""What the kernel's tables of connections say of bytes that have not arrived: on captured and on made-up lines."""

from pathlib import Path

import pytest

from vme.config import Node, SshConfig
from vme.node import on_the_way
from vme.node.on_the_way import overdue, way_to

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
DATA = Path(__file__).parent / "data"


def line(peer: str = "0B00000A:0016", state: str = "01", queue: int = 0, repeats: int = 0, probes: int = 0) -> str:
    start = f"   0: 0100000A:8D2C {peer} {state} {queue:08X}:00000000 01:00000000 {repeats:08X}"
    return HEAD + f"{start}     0 {probes:8} 1 2 0 20 4 30 10 -1\n"


def test_of_a_link_that_was_cut_it_is_told_what_is_overdue_be_its_process_gone_or_not() -> None:
    """Captured four seconds after the cut. At rest, only to be closed, and not connected yet: another peer."""
    assert list(overdue((DATA / "proc_net_tcp").read_text())) == [("10.99.0.3", 22), ("10.99.0.4", 22)]
    assert list(overdue((DATA / "proc_net_tcp6").read_text())) == [("fd00:99::2", 22)]


@pytest.mark.parametrize(
    ("text", "is_overdue"),
    [
        (line(queue=84), False),  # sent a moment ago
        (line(queue=84, repeats=1), True),
        (line(queue=84, probes=2), True),  # its sshd takes in no more
        (line(state="02", queue=1, repeats=3), False),  # a connection that is not made yet
        (line(state="04", queue=1, repeats=3), False),  # nothing but its end
        (line(state="04", queue=2, repeats=3), True),
        (line(state="09", queue=1, repeats=3), False),
        (line(state="06"), False),
    ],
)
def test_what_counts(text: str, is_overdue: bool) -> None:
    assert (list(overdue(text)) != []) == is_overdue


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("B80D0120000000000000000001000000:08AE", ("2001:db8::1", 2222)),
        ("0000000000000000FFFF00000B00000A:0016", ("10.0.0.11", 22)),
    ],
)
def test_addresses_of_the_second_table(peer: str, address: tuple[str, int]) -> None:
    assert list(overdue(line(peer, queue=9, repeats=1))) == [address]


@pytest.mark.parametrize(
    ("settings", "way"),
    [
        ({"hostname": "10.0.0.11", "port": "22"}, {("10.0.0.11", 22)}),
        ({"hostname": "::1", "port": "2222"}, {("::1", 2222)}),
        ({"hostname": "10.0.0.11", "port": "22", "proxycommand": "none"}, {("10.0.0.11", 22)}),
        ({"hostname": "10.0.0.11", "port": "22", "proxyjump": "bastion"}, None),
        ({"hostname": "10.0.0.11", "port": "22", "proxycommand": "nc %h %p"}, None),
        ({"hostname": "no such name", "port": "22"}, None),
    ],
)
def test_what_ssh_connects_to(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], way: set[tuple[str, int]] | None
) -> None:
    monkeypatch.setattr(on_the_way, "settings_of", lambda *_words, **_more: settings)
    assert way_to(Node("kvm01", "east"), SshConfig(), timeout_s=1) == way
