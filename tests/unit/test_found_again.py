"""Where a guest is after its turn was waited for, as a move may have taken it elsewhere."""

from pathlib import Path

import pytest

from tests.unit.made import EAST, config, guest
from tests.unit.test_lifecycle import answering
from vme.actions import found_again as module
from vme.actions.found_again import found_again, still_there
from vme.errors import NotFound, Refused, Silent
from vme.fleet.everywhere import Silence
from vme.hypervisor.guest import Guest


@pytest.fixture(autouse=True)
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its node has it no more."""

    def refreshed(one: Guest) -> Guest:
        raise NotFound(f"{one}: there is no such guest")

    monkeypatch.setattr(module, "refreshed", refreshed)


def test_it_is_found_where_it_moved_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, left = guest(node="kvm03"), guest(node="kvm02", state="shut off")
    monkeypatch.setattr(module, "ask_guests", answering([left, moved, guest("web1", node="kvm04", uuid="another")]))
    assert found_again(config(tmp_path), guest()) == moved
    with pytest.raises(Refused, match="web1 on kvm01: it moved to kvm03 while this waited"):
        still_there(config(tmp_path), guest())


def test_what_left_its_zone_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn that was waited for is one on the virt-stores of its old zone."""
    monkeypatch.setattr(module, "ask_guests", answering([guest(node="kvm04")]))
    with pytest.raises(Refused, match="it moved to kvm04"):
        found_again(config(tmp_path), guest())


def test_it_is_not_said_to_be_gone_while_a_node_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ask_guests", answering([], [Silence(EAST[1], "no answer")]))
    with pytest.raises(Silent, match="kvm02"):
        still_there(config(tmp_path), guest())
    monkeypatch.setattr(module, "ask_guests", answering([]))
    with pytest.raises(NotFound, match="it is gone by now, and on no other node"):
        still_there(config(tmp_path), guest())


def test_what_is_there_costs_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "refreshed", lambda one: one)
    monkeypatch.setattr(module, "ask_guests", lambda *_: pytest.fail("all nodes were asked"))
    assert still_there(config(tmp_path), guest()) == guest()
