"""Starting a guest by the wire: what is said, what the daemon's errors become, and when the library does it instead."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.made import guest
from tests.unit.test_wire import ANSWERS, AUTH_LIST, OPEN, daemon
from vme.errors import Failed, Refused, Silent
from vme.hypervisor.connection import KeptSocket
from vme.hypervisor.start import start
from vme.hypervisor.wire.xdr import packed, packed_string

X1 = guest("x1", uuid="72b6f9ac-9e5e-4cc0-9243-1f9230aa72e3")
# As libvirt's own client says it (written down from that of 9.0), but for the serial number, which was 5.
STARTS = bytes.fromhex(
    "00000038 20008086 00000001 00000009 00000000 00000003 00000000"
    "00000002 78310000 72b6f9ac9e5e4cc092431f9230aa72e3 ffffffff"
)
DONE = bytes.fromhex("0000001c 20008086 00000001 00000009 00000001 00000003 00000000")


def failed(code: int, text: bytes) -> bytes:
    """The daemon's error: virNetMessageError, with all that may be left out left out."""
    body = packed(code) + packed(10) + packed(1) + packed_string(text) + packed(2) + packed(0) * 6
    return packed(28 + len(body)) + bytes.fromhex("20008086 00000001 00000009 00000001 00000003 00000001") + body


def that_answers(answer: bytes) -> Callable[[socket.socket], None]:
    """A daemon that lets in, hears that the guest is to start, and answers so."""

    def behave(client: socket.socket) -> None:
        for procedure in (AUTH_LIST, OPEN):
            client.recv(4096)
            client.sendall(ANSWERS[procedure])
        assert client.recv(4096) == STARTS
        client.sendall(answer)

    return behave


@pytest.fixture(autouse=True)
def by_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of those that the library starts. The node's socket is in the test's directory."""
    names: list[str] = []
    monkeypatch.setattr("vme.hypervisor.at_once.kept_socket", lambda *_: KeptSocket(tmp_path / "socket"))
    monkeypatch.setattr("vme.hypervisor.guest.start", lambda one: names.append(one.name))
    return names


def test_it_is_started_without_the_library(tmp_path: Path, by_library: list[str]) -> None:
    with daemon(tmp_path / "socket", that_answers(DONE)):
        start(X1)
    assert by_library == []


@pytest.mark.parametrize(
    ("code", "text", "kind", "says"),
    [
        (55, b"domain is already running", Refused, "x1 on kvm01: domain is already running"),
        (38, b"Cannot access storage file '/a'", Failed, "x1 on kvm01: Cannot access storage file '/a'"),
        (38, b"Cannot recv data: Connection reset by peer", Silent, "the connection was cut"),
    ],
)
def test_the_daemons_error_is_what_the_library_would_make_of_it(
    tmp_path: Path, by_library: list[str], code: int, text: bytes, kind: type[Exception], says: str
) -> None:
    with daemon(tmp_path / "socket", that_answers(failed(code, text))), pytest.raises(kind, match=says):
        start(X1)
    assert by_library == []


@pytest.mark.parametrize("answer", [b"", DONE[:9], DONE.replace(b"\x09", b"\x0a"), bytes(40)])
def test_after_the_call_nobody_tries_again(tmp_path: Path, by_library: list[str], answer: bytes) -> None:
    """It may be done: only a look at the node tells."""
    with daemon(tmp_path / "socket", that_answers(answer)), pytest.raises(Silent, match="the connection was cut"):
        start(X1)
    assert by_library == []


@pytest.mark.parametrize("answer", [b"", ANSWERS[OPEN]])
def test_before_it_the_library_does_it(tmp_path: Path, by_library: list[str], answer: bytes) -> None:
    def odd(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(answer)

    with daemon(tmp_path / "socket", odd):
        start(X1)
    assert by_library == ["x1"]


@pytest.mark.parametrize("kept", [None, KeptSocket(Path("/nowhere/socket")), KeptSocket(Path("/any"), opened=True)])
def test_where_no_socket_leads_to_the_daemon_the_library_does_it(
    by_library: list[str], monkeypatch: pytest.MonkeyPatch, kept: KeptSocket | None
) -> None:
    monkeypatch.setattr("vme.hypervisor.at_once.kept_socket", lambda *_: kept)
    start(X1)
    assert by_library == ["x1"]
