"""Six verbs and the eight states a guest can be in: what each does, or why not."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.unit.made import EAST, NODES, config, guest
from vme.actions import found_again
from vme.actions.lifecycle import VERBS, Plan, carry_out, check
from vme.commands import lifecycle
from vme.commands.parser import parser_of
from vme.commands.registry import VERBS as COMMANDS
from vme.config import Config
from vme.errors import Failed, NotFound, Refused, Silent
from vme.fleet import locate
from vme.fleet.everywhere import Answer, Replies, Silence
from vme.fleet.selection import select
from vme.hypervisor import guest as hypervisor_guest
from vme.hypervisor.guest import STATES, Guest
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.records import replace
from vme.store.layout import journal_file

# +: does it; =: is so already; -: refused.
TABLE = """
              start shutdown reboot stop suspend resume
no-state      -     -        -      +    -       -
running       =     +        +      +    +       =
blocked       =     +        +      +    +       =
paused        -     -        -      +    =       +
suspended     -     -        -      +    -       +
shutting-down -     +        -      +    -       -
shut-off      +     =        -      =    -       -
crashed       -     -        -      +    -       -
"""
NAMES, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CASES = [(verb, row[0].replace("-", " "), said) for row in ROWS for verb, said in zip(NAMES, row[1:], strict=True)]


@pytest.fixture
def vme(tmp_path: Path) -> Config:
    return config(tmp_path)


def answering(there: Sequence[Guest], silences: Sequence[Silence] = ()) -> Callable[..., Replies[tuple[Guest, ...]]]:
    """What asks all nodes for their guests, and is told of these."""
    silent = {silence.node for silence in silences}
    answers = tuple(
        Answer(node, tuple(one for one in there if one.node == node), True)
        for node in NODES.values()
        if node not in silent
    )
    return lambda *_words, **_more: Replies(answers, tuple(silences))


def test_the_table_has_every_verb_and_every_state() -> None:
    assert list(VERBS) == NAMES
    assert {state for _, state, _ in CASES} == set(STATES.values())


@pytest.mark.parametrize(("verb", "state", "said"), CASES)
def test_each_verb_in_each_state(vme: Config, verb: str, state: str, said: str) -> None:
    one = guest(state=state)
    if said == "-":
        with pytest.raises(Refused, match=f"web1 on kvm01: is {state}"):
            check(vme, VERBS[verb], one, [one], [], force=False)
        with pytest.raises(Refused):
            check(vme, VERBS[verb], one, [one], [], force=True)  # it overrides doubts, not facts
        return
    plan = check(vme, VERBS[verb], one, [one], [], force=False)
    assert plan.needed == (said == "+")
    assert str(plan) == (f"web1 on kvm01: {verb}" if plan.needed else f"web1 on kvm01: is {state} already")


def test_only_stop_destroys_and_only_shutdown_waits() -> None:
    assert [name for name, verb in VERBS.items() if verb.destroys] == ["stop"]
    assert [name for name, verb in VERBS.items() if verb.waits_until_off] == ["shutdown"]


@pytest.mark.parametrize("verb", NAMES)
def test_force_is_offered_where_there_is_a_doubt_to_override(verb: str) -> None:
    options = parser_of(COMMANDS[verb], verb, lifecycle).format_help()
    assert ("--force" in options) == VERBS[verb].needs_whole_zone
    assert "--dry-run" in options


def test_a_guest_is_not_started_while_its_twin_runs_under_any_name(vme: Config) -> None:
    one = guest(state="shut off")
    twin = guest("other", "paused", "kvm02", uuid=one.uuid)
    resting = guest("other", "shut off", "kvm02", uuid=one.uuid)
    assert check(vme, VERBS["start"], one, [one, resting], [], force=False).needed
    for force in (False, True):
        with pytest.raises(Refused, match=r"the same guest \(UUID .*\) is paused on kvm02 as 'other'"):
            check(vme, VERBS["start"], one, [one, twin], [], force=force)


@pytest.mark.parametrize(("verb", "state"), [("start", "shut off"), ("resume", "paused")])
def test_a_silent_node_of_the_zone_bars_a_start_until_forced(vme: Config, verb: str, state: str) -> None:
    one = guest(state=state)
    silent, far = Silence(EAST[1], "no answer"), Silence(NODES["kvm04"], "no answer")
    with pytest.raises(Refused, match=rf"silent node of its zone: kvm02 \(no answer\); --force {verb}s it"):
        check(vme, VERBS[verb], one, [one], [silent, far], force=False)
    assert check(vme, VERBS[verb], one, [one], [silent], force=True).needed
    assert check(vme, VERBS[verb], one, [one], [far], force=False).needed
    assert check(vme, VERBS["stop"], guest(), [], [silent], force=False).needed


def test_all_reasons_at_once(vme: Config) -> None:
    one = guest(state="paused", reason="ioerror")
    twin = guest("web1", "running", "kvm02")
    with pytest.raises(Refused) as caught:
        check(vme, VERBS["start"], one, [one, twin], [Silence(EAST[2], "x")], force=False)
    assert len(caught.value.reasons) == 3
    assert "paused (ioerror)" in caught.value.message


MOVING = guest(state="paused", reason="migrating")
ARRIVED = guest(state="running", node="kvm02")


@pytest.mark.parametrize(
    ("narrowing", "silences", "reason"),
    [
        ({"states": ["paused"]}, (), "is running on kvm02 as 'web1'"),
        ({"nodes": ["kvm01"]}, (), "is running on kvm02 as 'web1'"),
        ({}, (Silence(EAST[1], "no answer"),), "it may run on a silent node of its zone: kvm02"),
    ],
)
def test_what_a_move_left_paused_is_not_resumed_beside_the_guest_that_runs(
    vme: Config,
    monkeypatch: pytest.MonkeyPatch,
    narrowing: dict[str, list[str]],
    silences: tuple[Silence, ...],
    reason: str,
) -> None:
    """However the selection leaves the other one out."""
    monkeypatch.setattr(locate, "ask_guests", answering([MOVING, ARRIVED], silences))
    located = locate.locate_selected(vme, select(vme, ["web1"], **narrowing), 5, by_library=False)
    assert located.guests == (MOVING,)
    with pytest.raises(Refused, match=reason):
        check(vme, VERBS["resume"], MOVING, located.everyone, located.silences, force=False)


def test_a_guest_in_the_midst_of_a_move_is_resumed_by_force_only_and_never_beside_a_twin(vme: Config) -> None:
    with pytest.raises(Refused, match=r"in the midst of a move \(paused, migrating\), .*; --force resumes it"):
        check(vme, VERBS["resume"], MOVING, [MOVING], [], force=False)
    assert check(vme, VERBS["resume"], MOVING, [MOVING], [], force=True).needed
    with pytest.raises(Refused, match="is running on kvm02"):
        check(vme, VERBS["resume"], MOVING, [MOVING, ARRIVED], [], force=True)


def left_unfinished(vme: Config) -> None:
    with pytest.raises(Failed), at_work(vme, Intent("migrate_guest", "web1", "east"), vme.zone("east").stores) as work:
        work.step("moving it")
        raise Failed("the server lost its power")


@pytest.mark.parametrize(("verb", "state"), [("start", "shut off"), ("resume", "paused")])
def test_where_work_was_left_unfinished_it_runs_by_force_only(vme: Config, verb: str, state: str) -> None:
    one = guest(state=state)
    left_unfinished(vme)
    with pytest.raises(Refused, match=rf"which came to: moving it; .*vme repair web1 .*; --force {verb}s it"):
        check(vme, VERBS[verb], one, [one], [], force=False)
    assert check(vme, VERBS[verb], one, [one], [], force=True).needed  # its other node may be dead for good
    assert check(vme, VERBS["stop"], guest(), [], [], force=False).needed  # what a person may have to do first
    other = guest("web2", state)
    assert check(vme, VERBS[verb], other, [other], [], force=False).needed


def test_while_another_tool_is_at_work_force_is_of_no_use(vme: Config) -> None:
    one = guest(state="shut off")
    with at_work(vme, Intent("migrate_guest", "web1", "east"), vme.zone("east").stores) as work:
        work.step("moving it")
        child = os.fork()
        if child == 0:  # a lock binds processes
            try:
                check(vme, VERBS["start"], one, [one], [], force=True)
            except Refused as problem:
                os._exit(0 if "migrate_guest web1 (zone east): wait until" in problem.message else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    assert check(vme, VERBS["start"], one, [one], [], force=False).needed


def test_a_store_that_hangs_is_waited_for_no_longer_than_a_node(vme: Config) -> None:
    vme = replace(vme, defaults=replace(vme.defaults, timeout_s=0.1))
    pipe = journal_file(vme.zone("east").stores[0], "web1")
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)  # to open it hangs, as all does on a store that does
    one = guest(state="shut off")
    with pytest.raises(Refused, match=r"can't be seen on the virt-stores of its zone \(no answer\); --force starts it"):
        check(vme, VERBS["start"], one, [one], [], force=False)
    assert check(vme, VERBS["start"], one, [one], [], force=True).needed
    assert check(vme, VERBS["stop"], guest(), [], [], force=False).needed
    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))  # so that its thread ends


def shut_down(vme: Config, monkeypatch: pytest.MonkeyPatch, then: Guest | None) -> str:
    """Shut a guest down that its node has so a moment later, or has no more."""

    def refreshed(one: Guest) -> Guest:
        if then is None:
            raise NotFound(f"{one}: there is no such guest")
        return then

    monkeypatch.setattr(hypervisor_guest, "refreshed", refreshed)
    verb = replace(VERBS["shutdown"], act=lambda _: None)
    return carry_out(vme, Plan(verb, guest(), needed=True), wait_s=5)


@pytest.mark.parametrize("then", [None, guest(state="shut off", reason="migrated")])
def test_a_guest_that_was_moved_away_is_not_shut_down(
    vme: Config, monkeypatch: pytest.MonkeyPatch, then: Guest | None
) -> None:
    monkeypatch.setattr(found_again, "ask_guests", answering([guest(node="kvm04")]))
    with pytest.raises(Failed, match="it was moved to kvm04 meanwhile, and is running there"):
        shut_down(vme, monkeypatch, then)
    monkeypatch.setattr(found_again, "ask_guests", answering([guest(node="kvm02", state="shut off")]))
    assert shut_down(vme, monkeypatch, then).startswith("web1 on kvm01: shut down in ")
    monkeypatch.setattr(found_again, "ask_guests", answering([], [Silence(EAST[1], "no answer")]))
    with pytest.raises(Silent, match=r"no answer from kvm02 \(no answer\), where it may be now"):
        shut_down(vme, monkeypatch, then)


def test_a_guest_that_was_only_running_is_gone_when_it_is_off(vme: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found_again, "ask_guests", answering([]))
    assert shut_down(vme, monkeypatch, None).startswith("web1 on kvm01: shut down in ")
