"""What a node has, has promised, and can promise still; and which node a guest goes to."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.made import NODES, guest, hypervisor
from vme.actions.placement import best_node, why_not_room
from vme.errors import Refused, Silent
from vme.fleet.everywhere import Answer, Silence
from vme.fleet.report import NodeReport
from vme.hypervisor.facts import NodeFacts
from vme.hypervisor.guest import GuestSize

GUESTS = (guest("on1"), guest("on2", "paused"), guest("off", "shut off"), guest("dead", "crashed"))
SIZES = {one.uuid: GuestSize(2, 1000) for one in GUESTS}


def report(node: str = "kvm01", memory_mib: int = 8000, **more: Any) -> NodeReport:
    facts = NodeFacts(4, memory_mib, "9.0.0", "7.2.0")
    return replace(NodeReport(hypervisor(node), facts, GUESTS, 500, SIZES), **more)


def test_what_runs_is_promised_and_what_does_not_is_not() -> None:
    found = report()
    assert [one.name for one in found.running] == ["on1", "on2", "dead"]
    assert (found.allocated_vcpus, found.allocated_mib) == (6, 3000)
    assert found.available_mib == 8000 - 500 - 3000


def test_nothing_is_known_before_the_node_has_said_the_sizes() -> None:
    found = report(sizes=None)
    assert (found.allocated_vcpus, found.allocated_mib, found.available_mib) == (None, None, None)


def test_less_than_nothing_is_nothing() -> None:
    assert report(memory_mib=1000).available_mib == 0


def test_a_guest_that_came_between_the_two_questions() -> None:
    found = report(sizes={GUESTS[0].uuid: GuestSize(None, None), GUESTS[1].uuid: GuestSize(2, 1000)})
    assert (found.allocated_vcpus, found.allocated_mib) == (2, 1000)


def answer(*words: Any, **more: Any) -> Answer[NodeReport]:
    made = report(*words, **more)
    return Answer(made.node, made, True)


def test_the_node_with_most_memory_available() -> None:
    three = [answer("kvm01", 8000), answer("kvm02", 9000), answer("kvm03", 99999, sizes=None)]
    assert best_node("web1", three, []).node.name == "kvm02"


def test_of_two_alike_the_one_with_fewer_guests() -> None:
    two = [answer("kvm01", 3500), answer("kvm02", 3500, guests=GUESTS[:1], reserve_mib=2500)]
    assert two[0].value.available_mib == two[1].value.available_mib == 0
    assert best_node("web1", two, []).node.name == "kvm02"


def test_nobody_to_choose_from() -> None:
    silence = Silence(NODES["kvm01"], "no answer within 5 s")
    with pytest.raises(Silent, match=r"web1: no node to choose from answered: kvm01 \(no answer"):
        best_node("web1", [], [silence])
    with pytest.raises(Refused, match="no node to choose from that said how much memory"):
        best_node("web1", [answer(sizes=None)], [])


def test_room() -> None:
    assert why_not_room(report(), 4500) is None
    assert why_not_room(report(), 4501) == (
        "kvm01 has 4500 MiB available (8000 in all, 500 reserved, 3000 promised to guests), not 4501 MiB"
    )
    assert "kvm01 did not say" in (why_not_room(report(sizes=None), 1) or "")
