"""A guest's XML by the wire: what is asked, and when the library is asked instead."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.made import guest
from tests.unit.test_start import failed
from tests.unit.test_wire import ANSWERS, AUTH_LIST, OPEN, daemon
from vme.hypervisor.at_once import form_now
from vme.hypervisor.connection import KeptSocket
from vme.hypervisor.wire.xdr import packed, packed_string

X1 = guest("x1", uuid="72b6f9ac-9e5e-4cc0-9243-1f9230aa72e3")
ASKS = bytes.fromhex(
    "0000003c 20008086 00000001 0000000e 00000000 00000003 00000000"
    "00000002 78310000 72b6f9ac9e5e4cc092431f9230aa72e3 ffffffff 00000000"
)


def answer(body: bytes) -> bytes:
    return packed(28 + len(body)) + bytes.fromhex("20008086 00000001 0000000e 00000001 00000003 00000000") + body


def that_answers(said: bytes) -> Callable[[socket.socket], None]:
    def behave(client: socket.socket) -> None:
        for procedure in (AUTH_LIST, OPEN):
            client.recv(4096)
            client.sendall(ANSWERS[procedure])
        assert client.recv(4096) == ASKS
        client.sendall(said)

    return behave


@pytest.fixture(autouse=True)
def the_nodes_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vme.hypervisor.at_once.kept_socket", lambda *_: KeptSocket(tmp_path / "socket"))
    monkeypatch.setattr("vme.hypervisor.at_once.live_form", lambda _guest: "by the library")


def test_it_is_told_without_the_library(tmp_path: Path) -> None:
    with daemon(tmp_path / "socket", that_answers(answer(packed_string("<domain>ä</domain>".encode())))):
        assert form_now(X1) == "<domain>ä</domain>"


@pytest.mark.parametrize(
    "said",
    [
        failed(42, b"Domain not found").replace(bytes.fromhex("00000009"), bytes.fromhex("0000000e"), 1),
        answer(packed_string(b"<domain/>") + packed(0)),
        answer(packed_string(b"\xff")),
        answer(packed(1 << 30)),
        b"",
    ],
    ids=["an error", "too much", "no text", "a length that can't be", "nothing"],
)
def test_any_other_answer_has_the_library_ask(tmp_path: Path, said: bytes) -> None:
    with daemon(tmp_path / "socket", that_answers(said)):
        assert form_now(X1) == "by the library"


@pytest.mark.parametrize("kept", [None, KeptSocket(Path("/nowhere/socket")), KeptSocket(Path("/any"), opened=True)])
def test_where_no_socket_leads_to_the_daemon_the_library_asks(
    monkeypatch: pytest.MonkeyPatch, kept: KeptSocket | None
) -> None:
    monkeypatch.setattr("vme.hypervisor.at_once.kept_socket", lambda *_: kept)
    assert form_now(X1) == "by the library"
