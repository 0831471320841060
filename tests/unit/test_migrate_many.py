"""Several guests under way: how many at once, and whose memory counts where."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.unit.made import guest
from vme.actions.migrate import many
from vme.actions.migrate.many import Traffic
from vme.actions.migrate.plan import Plan
from vme.actions.placement import OnItsWay, promised_beside
from vme.actions.together import Stop
from vme.config import MigrationSettings
from vme.fleet.deadline import Late
from vme.fleet.report import NodeReport


def plan(source: str, destination: str, **limits: Any) -> Plan:
    guest = SimpleNamespace(node=SimpleNamespace(name=source, zone="east"))
    there = SimpleNamespace(node=SimpleNamespace(name=destination))
    return cast(Plan, SimpleNamespace(guest=guest, destination=there, settings=MigrationSettings(**limits)))


@pytest.mark.parametrize(
    ("first", "second", "limits"),
    [
        (("kvm01", "kvm02"), ("kvm01", "kvm03"), {"outgoing": 1}),
        (("kvm01", "kvm03"), ("kvm02", "kvm03"), {"incoming": 1}),
        (("kvm01", "kvm02"), ("kvm03", "kvm04"), {"at_once": 1}),
    ],
)
def test_who_would_be_one_too_many_waits_its_turn(
    first: tuple[str, str], second: tuple[str, str], limits: dict[str, int]
) -> None:
    traffic = Traffic(Stop())
    began = threading.Event()

    def later() -> None:
        with traffic.turn(plan(second[0], second[1], **limits)):
            began.set()

    with traffic.turn(plan(first[0], first[1], **limits)):
        threading.Thread(target=later, daemon=True).start()
        assert not began.wait(0.3)
    assert began.wait(5)


def test_others_go_at_the_same_time() -> None:
    traffic = Traffic(Stop())
    with (
        traffic.turn(plan("kvm01", "kvm02", outgoing=1, incoming=1)),
        traffic.turn(plan("kvm03", "kvm04", outgoing=1, incoming=1)),
    ):
        pass


def test_who_waits_is_told_to_end() -> None:
    stop = Stop()
    traffic = Traffic(stop)
    stop.request()
    with pytest.raises(KeyboardInterrupt):
        traffic.turn(plan("kvm01", "kvm02"))


def test_a_guest_that_has_appeared_where_it_goes_is_not_counted_twice() -> None:
    there = SimpleNamespace(node=SimpleNamespace(name="kvm02"), running=(SimpleNamespace(uuid="one"),))
    given = [OnItsWay("one", "kvm02", 100), OnItsWay("two", "kvm02", 200), OnItsWay("three", "kvm03", 400)]
    assert promised_beside([cast(NodeReport, there)], given) == {"kvm02": 200, "kvm03": 400}


def test_a_guest_whose_node_falls_silent_keeps_no_other_from_being_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    thaw = threading.Event()
    monkeypatch.setattr(many, "CALL_TIMEOUT_S", 0.05)
    monkeypatch.setattr(many, "live_form", lambda _guest: thaw.wait(20))
    there = SimpleNamespace(node=SimpleNamespace(name="kvm02"))
    plan = cast(Plan, SimpleNamespace(guest=guest("web1"), destination=there, live=True))
    with pytest.raises(Late, match="web1 on kvm01: no answer"):
        Traffic(Stop()).planned(guest("web1"), lambda _given: plan)
    thaw.set()
