"""Listings by a key that forbids forwarding: their lines are kept, and all goes on without whoever keeps them."""

import os
import signal
from collections.abc import Iterator

import pytest

from lab.host import powered
from lab.process_table import processes_in
from tests.lab.vme import Vme, eventually
from tests.lab.wrapped import Wrapped, as_role, wrapped_node

NODE = "kvm01"


@pytest.fixture(params=["operate", "read"])
def listing(vme: Vme, request: pytest.FixtureRequest) -> Iterator[tuple[Wrapped, tuple[str, ...]]]:
    """The node, and the words that list its guests by a key of a role."""
    vme.create("web1", NODE)
    with wrapped_node(vme.lab, NODE) as node:
        words = (*as_role(node, request.param), "list_guests", "--timeout", "2")
        vme.tool(*words)
        yield node, words
        for number in (signal.SIGCONT, signal.SIGTERM):
            send(vme, number)


def sessions(node: Wrapped) -> int:
    """How many sessions the node's wrapper has accepted."""
    return len([line for line in node.log() if line["decision"] == "accepted"])


def kept(vme: Vme, node: Wrapped, words: tuple[str, ...]) -> None:
    """List until a listing needs no session: the first found out what the key allows, the next leaves its line."""

    def without_a_session() -> bool:
        before = sessions(node)
        vme.tool(*words)
        return sessions(node) == before

    eventually(without_a_session, "a keeper has the line")
    assert len(keepers(vme)) == 1


def keepers(vme: Vme) -> list[int]:
    table = processes_in(powered(vme.lab, vme.lab.topology.management))
    return [process.pid for process in table if any("wire.keeper" in word for word in process.argv)]


def send(vme: Vme, number: signal.Signals) -> None:
    for pid in keepers(vme):
        os.kill(pid, number)


def test_what_is_listed_over_a_kept_line_is_as_it_is_now(vme: Vme, listing: tuple[Wrapped, tuple[str, ...]]) -> None:
    node, words = listing
    kept(vme, node, words)
    before = sessions(node)
    assert "shut off" in vme.tool(*words).stdout
    vme.tool("start_guest", "web1")
    assert "running" in vme.tool(*words).stdout
    assert sessions(node) == before


def test_a_keeper_that_dies_is_not_missed(vme: Vme, listing: tuple[Wrapped, tuple[str, ...]]) -> None:
    node, words = listing
    kept(vme, node, words)
    send(vme, signal.SIGKILL)
    eventually(lambda: not keepers(vme), "it is dead")
    assert "web1" in vme.tool(*words).stdout
    eventually(lambda: len(keepers(vme)) == 1, "the next tool has left its line to another")


def test_a_keeper_that_hangs_is_passed_by(vme: Vme, listing: tuple[Wrapped, tuple[str, ...]]) -> None:
    node, words = listing
    kept(vme, node, words)
    send(vme, signal.SIGSTOP)
    silent = vme.tool(*words, status=5)
    assert NODE in silent.stderr
    assert "web1" in vme.tool(*words).stdout


def test_a_daemon_that_dies_or_hangs_is_told_as_ever(vme: Vme, listing: tuple[Wrapped, tuple[str, ...]]) -> None:
    node, words = listing
    kept(vme, node, words)
    vme.fault("freeze", NODE, "libvirtd")
    assert NODE in vme.tool(*words, status=5).stderr
    vme.fault("thaw", NODE, "libvirtd")
    assert "web1" in vme.tool(*words).stdout
    vme.fault("kill", NODE, "libvirtd")
    assert NODE in vme.tool(*words, status=5).stderr
    vme.fault("start", NODE, "libvirtd")
    assert "web1" in vme.tool(*words).stdout
