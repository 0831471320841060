"""Six verbs and the eight states a guest can be in: what each does, or why not."""

import pytest

from tests.unit.made import EAST, NODES, guest
from vme.actions.lifecycle import VERBS, check
from vme.commands import lifecycle
from vme.commands.parser import parser_of
from vme.commands.registry import VERBS as COMMANDS
from vme.errors import Refused
from vme.fleet.everywhere import Silence
from vme.hypervisor.guest import STATES

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


def test_the_table_has_every_verb_and_every_state() -> None:
    assert list(VERBS) == NAMES
    assert {state for _, state, _ in CASES} == set(STATES.values())


@pytest.mark.parametrize(("verb", "state", "said"), CASES)
def test_each_verb_in_each_state(verb: str, state: str, said: str) -> None:
    one = guest(state=state)
    if said == "-":
        with pytest.raises(Refused, match=f"web1 on kvm01: is {state}"):
            check(VERBS[verb], one, [one], [], force=False)
        with pytest.raises(Refused):
            check(VERBS[verb], one, [one], [], force=True)  # it overrides doubts, not facts
        return
    plan = check(VERBS[verb], one, [one], [], force=False)
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


def test_a_guest_is_not_started_while_its_twin_runs_under_any_name() -> None:
    one = guest(state="shut off")
    twin = guest("other", "paused", "kvm02", uuid=one.uuid)
    resting = guest("other", "shut off", "kvm02", uuid=one.uuid)
    assert check(VERBS["start"], one, [one, resting], [], force=False).needed
    for force in (False, True):
        with pytest.raises(Refused, match=r"the same guest \(UUID .*\) is paused on kvm02 as 'other'"):
            check(VERBS["start"], one, [one, twin], [], force=force)


def test_a_silent_node_of_the_zone_bars_a_start_until_forced() -> None:
    one = guest(state="shut off")
    silent, far = Silence(EAST[1], "no answer"), Silence(NODES["kvm04"], "no answer")
    with pytest.raises(Refused, match=r"silent node of its zone: kvm02 \(no answer\); --force"):
        check(VERBS["start"], one, [one], [silent, far], force=False)
    assert check(VERBS["start"], one, [one], [silent], force=True).needed
    assert check(VERBS["start"], one, [one], [far], force=False).needed
    assert check(VERBS["stop"], guest(), [], [silent], force=False).needed


def test_all_reasons_at_once() -> None:
    one = guest(state="paused", reason="ioerror")
    twin = guest("web1", "running", "kvm02")
    with pytest.raises(Refused) as caught:
        check(VERBS["start"], one, [one, twin], [Silence(EAST[2], "x")], force=False)
    assert len(caught.value.reasons) == 3
    assert "paused (ioerror)" in caught.value.message
