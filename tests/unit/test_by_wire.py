"""Guests of many nodes over sockets that are there: who answers plainly, whom the library asks again, who is silent."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.made import EAST, config, guest, hypervisor
from tests.unit.test_wire import ANSWERS, GUESTS, ORDER, daemon
from vme.config import Node, SshConfig
from vme.errors import Silent
from vme.fleet import by_wire, everywhere
from vme.fleet.by_wire import Listing, ask_of_guests
from vme.fleet.everywhere import Replies, Silence
from vme.hypervisor.connection import Hypervisor, KeptSocket, Line
from vme.hypervisor.guest import Guest
from vme.hypervisor.wire import keeper
from vme.hypervisor.wire.bulk import STATES_AGAIN, states_call
from vme.hypervisor.wire.channel import reached

BY_LIBRARY = (guest("told-by-the-library"),)
NAMES = [name for name, *_ in GUESTS]


def plainly(client: socket.socket) -> None:
    for procedure in ORDER:
        client.recv(4096)
        client.sendall(ANSWERS[procedure])


def never(client: socket.socket) -> None:
    """Hold the line until the other end has gone."""
    while client.recv(4096):
        pass


def with_a_lie(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(ANSWERS[ORDER[0]] + bytes(4))


@pytest.fixture(autouse=True)
def a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes whose sockets lie in the test's directory; the library lists one guest on each, and has lost kvm03."""

    def connect(node: Node, _ssh: SshConfig, *, timeout_s: float) -> Hypervisor:
        if node.name == "kvm03":
            raise Silent("kvm03: Connection refused")
        return hypervisor(node.name)

    monkeypatch.setattr(everywhere, "connect", connect)
    monkeypatch.setattr(by_wire, "guests_on", lambda _node: BY_LIBRARY)

    def line_to(node: Node, _ssh: SshConfig, *, timeout_s: float) -> Line:
        return Line(reached(tmp_path / f"{node.name}.line"), hypervisor(node.name), tmp_path / f"{node.name}.kept")

    monkeypatch.setattr(by_wire, "kept_socket", lambda node, _ssh: KeptSocket(tmp_path / node.name))
    monkeypatch.setattr(by_wire, "line_to", line_to)


def ask(
    tmp_path: Path, timeout_s: float = 20, more: Callable[[Listing], Iterator[list[str]]] | None = None
) -> Replies[list[str]]:
    def names(guests: tuple[Guest, ...]) -> list[str]:
        return [guest.name for guest in guests]

    return ask_of_guests(config(tmp_path), EAST, timeout_s, names, more)


def test_one_answers_one_lies_one_is_gone(tmp_path: Path) -> None:
    with daemon(tmp_path / "kvm01", plainly), daemon(tmp_path / "kvm02", with_a_lie):
        replies = ask(tmp_path)
    assert [(answer.node.name, answer.value, answer.complete) for answer in replies.answers] == [
        ("kvm01", NAMES, True),
        ("kvm02", ["told-by-the-library"], True),
    ]
    assert replies.silences == (Silence(EAST[2], "Connection refused"),)


def test_a_daemon_that_hangs_hides_no_other_and_is_silent_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywhere, "_probe", lambda _config, asked, _timeout_s: setattr(asked, "ssh_lives", True))
    with (
        daemon(tmp_path / "kvm01", never),
        daemon(tmp_path / "kvm02", plainly),
        daemon(tmp_path / "kvm03", plainly),
    ):
        begun_s = time.monotonic()
        replies = ask(tmp_path, timeout_s=0.5)
        assert time.monotonic() - begun_s < 5
    assert [answer.node.name for answer in replies.answers] == ["kvm02", "kvm03"]
    assert replies.silences == (Silence(EAST[0], "no answer within 0.5 s"),)


def test_more_is_asked_of_who_has_answered(tmp_path: Path) -> None:
    def more(listing: Listing) -> Iterator[list[str]]:
        if listing.hypervisor.node.name == "kvm02":
            raise Silent("kvm02: cut off")
        yield [one.uuid[:8] for one in listing.guests]

    with daemon(tmp_path / "kvm01", plainly), daemon(tmp_path / "kvm02", plainly):
        replies = ask(tmp_path, more=more)
    assert [(answer.value, answer.complete) for answer in replies.answers] == [
        ([uuid[:8] for _, uuid, *_ in GUESTS], True),
        (NAMES, False),
    ]


def test_a_bug_is_raised_not_taken_for_a_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_wire, "guests_told", lambda *_words: 1 / 0)
    with daemon(tmp_path / "kvm01", plainly), pytest.raises(ZeroDivisionError):
        ask(tmp_path)


def test_what_was_told_is_as_the_library_says_it(tmp_path: Path) -> None:
    with daemon(tmp_path / "kvm01", plainly):
        replies = ask_of_guests(config(tmp_path), EAST[:1], 20, lambda guests: guests)
    assert [(one.name, one.state, one.reason, one.active) for one in replies.answers[0].value] == [
        ("web1", "running", "booted", True),
        ("web3", "shut off", "unknown", False),
        ("gäst", "shut off", "unknown", False),
        ("web2", "paused", "user", True),
    ]


def test_a_line_is_made_where_no_socket_leads_to_a_node_and_left_to_a_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Path] = []
    monkeypatch.setattr(keeper, "leave_to_a_keeper", lambda lines: left.extend(path for _, path in lines))
    with daemon(tmp_path / "kvm01.line", plainly), daemon(tmp_path / "kvm02.line", with_a_lie):
        replies = ask(tmp_path)
    assert [(answer.node.name, answer.value) for answer in replies.answers] == [
        ("kvm01", NAMES),
        ("kvm02", ["told-by-the-library"]),
    ]
    assert replies.silences == (Silence(EAST[2], "Connection refused"),)
    assert left == [tmp_path / "kvm01.kept"]


def test_what_needs_the_library_in_any_case_makes_no_line(tmp_path: Path) -> None:
    def more(_listing: Listing) -> Iterator[list[str]]:
        yield ["more"]

    with daemon(tmp_path / "kvm02", plainly):
        replies = ask(tmp_path, more=more)
    assert [answer.value for answer in replies.answers] == [["more"], ["more"]]


def test_a_keeper_is_asked_the_last_question_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def its_keeper(client: socket.socket) -> None:
        assert client.recv(4096) == states_call(STATES_AGAIN)
        client.sendall(ANSWERS[ORDER[-1]])

    monkeypatch.setattr(by_wire, "kept_socket", lambda node, _ssh: KeptSocket(tmp_path / node.name, opened=True))
    with daemon(tmp_path / "kvm01", its_keeper):
        replies = ask_of_guests(config(tmp_path), EAST[:1], 20, lambda guests: [one.name for one in guests])
    assert [answer.value for answer in replies.answers] == [NAMES]
