"""When unfinished work may be decided on: two looks that agree, nothing on its way, no call that may arrive unseen."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.made import EAST, config, guest
from vme.actions.repair import settled as module
from vme.actions.repair.settled import Look, settled
from vme.actions.repair.unfinished import Unfinished
from vme.config import Config, Node
from vme.errors import Refused, Silent, VmeError
from vme.fleet.everywhere import Silence
from vme.journal.entry import Entry, Intent, Step
from vme.node.on_the_way import Peer

PEERS = {node.name: (f"10.0.0.{number}", 22) for number, node in enumerate((*EAST, Node("kvm04", "west")))}
OFF, ON = (Look((guest(state=state),), ()) for state in ("shut off", "running"))
NOTHING = Look((), ())
SILENT = Look((), (), (Silence(EAST[1], "no answer within 5 s"),))
STARTING = Look((guest(state="paused", reason="starting-up"),), ())


class World:
    """Nodes that say one thing after the other (the last for ever), and what is on its way at each look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[Look] = []
        self.late: list[set[Peer]] = []
        self.asked: list[set[str]] = []
        self.hidden: set[str] = set()
        self.now_s = 0.0
        self.told: list[str] = []
        monkeypatch.setattr(module, "overdue_here", lambda: self._next(self.late) or set())
        monkeypatch.setattr(module, "look_at", self._look)
        monkeypatch.setattr(module, "way_to", self._way)
        clock = SimpleNamespace(monotonic=lambda: self.now_s, sleep=self._sleep, time=time.time)
        monkeypatch.setattr(module, "time", clock)

    def _next(self, queue: list[Any]) -> Any:
        return queue.pop(0) if len(queue) > 1 else next(iter(queue), None)

    def _look(self, _config: Config, nodes: tuple[Node, ...], _timeout_s: float) -> Look:
        self.asked.append({node.name for node in nodes})
        look: Look = self._next(self.looks)
        return look.at(nodes)

    def _way(self, node: Node, *_words: object, **_more: object) -> frozenset[Peer] | None:
        return None if node.name in self.hidden else frozenset({PEERS[node.name]})

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with monkeypatch.context() as patches:
        yield World(patches)


def unfinished(vme: Config, name: str = "web1", zone: str = "east", **more: Any) -> Unfinished:
    intent = Intent(more.get("tool", "create_guest"), name, zone, f"uuid-of-{name}")
    steps = (Step("defining it", more.get("facts", {})),)
    host = more.get("host", socket.gethostname())
    return Unfinished(
        Entry(vme.zone(zone).stores[0], intent, f"alice on {host}", host, "today", steps), (vme.zone(zone),)
    )


def decide(world: World, vme: Config, *works: Unfinished) -> list[Look | VmeError]:
    return settled(vme, works, 5, world.told.append)


def test_two_looks_that_agree_are_enough(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.looks = [OFF]
    assert decide(world, vme, unfinished(vme)) == [OFF]
    assert (len(world.asked), world.now_s, world.told) == (2, 1.0, [])


def test_what_changes_is_looked_at_until_it_does_not(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.looks = [NOTHING, OFF, STARTING, STARTING, ON]
    assert decide(world, vme, unfinished(vme)) == [ON]
    assert len(world.asked) == 6


def test_what_another_guest_does_is_no_change(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    other = guest("web2", state="running")
    world.looks = [OFF, Look((*OFF.guests, other), ())]
    assert decide(world, vme, unfinished(vme)) == [world.looks[-1]]
    assert len(world.asked) == 2


def test_what_never_settles_is_refused(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.looks = [OFF, ON] * 50
    (problem,) = decide(world, vme, unfinished(vme))
    assert isinstance(problem, Refused)
    assert "it is still changing" in problem.message
    assert 60 <= world.now_s < 65


def test_a_guest_that_moved_may_stay_about_to_run(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.looks = [STARTING]
    assert decide(world, vme, unfinished(vme, tool="migrate_guest")) == [STARTING]


def test_a_silent_node_ends_it_at_once(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.looks = [SILENT]
    (problem,) = decide(world, vme, unfinished(vme))
    assert isinstance(problem, Silent)
    assert "kvm02 (no answer within 5 s)" in problem.message
    assert world.now_s == 0


def test_nothing_is_decided_while_something_is_on_its_way(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.late = [{PEERS["kvm02"]}, {PEERS["kvm02"], PEERS["kvm03"]}, set()]
    world.looks = [NOTHING, NOTHING, OFF]
    assert decide(world, vme, unfinished(vme)) == [OFF]
    assert world.told == ["what was sent to kvm02 before is still on its way; waiting 60 s at most"]
    assert world.asked == [{"kvm01", "kvm03"}, {"kvm01"}, *[{"kvm01", "kvm02", "kvm03"}] * 2]


def test_what_does_not_arrive_keeps_back_its_own_zone_only(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.late = [{PEERS["kvm02"]}]
    world.looks = [NOTHING]
    east, west = decide(world, vme, unfinished(vme), unfinished(vme, "db1", "west"))
    assert isinstance(east, Silent)
    assert "what was sent to kvm02 before has not arrived there" in east.message
    assert "nothing was changed" in str(east.hint)
    assert west == NOTHING
    assert world.asked[0] == {"kvm01", "kvm03", "kvm04"}
    assert world.asked[-1] == {"kvm01", "kvm03"}


def gave_up(seconds_ago: float) -> dict[str, float]:
    return {"gave_up_at_s": time.time() - seconds_ago}


def test_from_another_server_it_waits_until_nothing_can_arrive(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.looks = [OFF]
    (problem,) = decide(world, vme, unfinished(vme, host="adm9", facts=gave_up(50)))
    assert isinstance(problem, Silent)
    assert "on adm9 it can be repaired now" in str(problem.hint)
    assert decide(world, vme, unfinished(vme, host="adm9", facts=gave_up(250))) == [OFF]
    assert decide(world, vme, unfinished(vme, host="adm9")) == [OFF]
    assert decide(world, vme, unfinished(vme, facts=gave_up(50))) == [OFF]


def test_behind_a_jump_host_no_server_can_tell(world: World, tmp_path: Path) -> None:
    vme = config(tmp_path)
    world.hidden, world.looks = {"kvm03"}, [OFF]
    for host in ("adm9", socket.gethostname()):
        (problem,) = decide(world, vme, unfinished(vme, host=host, facts=gave_up(50)))
        assert isinstance(problem, Silent)
        assert "it can be repaired now" not in str(problem.hint)
    assert decide(world, vme, unfinished(vme)) == [OFF]


def test_a_line_of_the_journal_tells_that_a_tool_gave_up(tmp_path: Path) -> None:
    from vme.journal.entry import gave_up_line, opening_line, parsed, step_line

    store = config(tmp_path).zone("east").stores[0]
    intent = Intent("create_guest", "web1", "east")
    whole = opening_line(intent) + step_line("defining it", {"uuid": "u"}) + gave_up_line("defining it")
    entry = parsed(store, "web1", whole)
    assert entry.gave_up_at_s is not None
    assert abs(time.time() - entry.gave_up_at_s) < 60
    assert (entry.last_step, entry.uuid, entry.host) == ("defining it", "u", socket.gethostname())
    assert json.loads(whole.splitlines()[0])["host"] == entry.host
