"""Where a guest is after a migration that failed: every pair of what two nodes can say."""

import pytest

from tests.unit.made import guest
from vme.actions.migrate.ending import Seen, ending_of

STATES = (None, "running", "paused", "shut off")


def at(node: str, state: str | None) -> Seen:
    return None if state is None else guest(state=state, node=node)


REMOVED = "; a definition of it that was left on kvm02 was removed"
TABLE = [
    # source, destination, what is done, what is said
    ("running", None, [], "it is running on kvm01, and nothing of it on kvm02"),
    ("paused", None, ["resume"], "it was paused on kvm01 and runs there again"),
    ("running", "paused", ["remove"], "it runs on kvm01; what had arrived on kvm02 was removed"),
    ("running", "running", [], "it is running on kvm01 and running on kvm02: look at both, and let it run on one"),
    ("paused", "paused", [], "it is paused on kvm01 and paused on kvm02: look at both"),
    ("paused", "running", [], "it is paused on kvm01 and running on kvm02: look at both"),
    ("running", "shut off", ["undefine"], f"it is running on kvm01{REMOVED}"),
    ("paused", "shut off", ["undefine", "resume"], f"it was paused on kvm01 and runs there again{REMOVED}"),
    ("shut off", "running", ["undefine"], "it is running on kvm02; a definition of it that was left on kvm01 was"),
    ("shut off", "paused", ["undefine"], "it is paused on kvm02; a definition of it that was left on kvm01 was"),
    ("shut off", None, [], "it is shut off on kvm01, and nothing of it on kvm02"),
    ("shut off", "shut off", ["undefine"], f"it is shut off on kvm01{REMOVED}"),
    (None, "running", [], "it is running on kvm02, and nothing of it on kvm01"),
    (None, "paused", [], "it is paused on kvm02, and nothing of it on kvm01"),
    (None, "shut off", [], "it is shut off on kvm02"),
    (None, None, [], "neither node has it any more"),
]
UNCLEAR = {("running", "running"), ("paused", "paused"), ("paused", "running"), (None, None)}


def test_the_table_is_whole() -> None:
    assert {(source, destination) for source, destination, *_ in TABLE} == {(s, d) for s in STATES for d in STATES}


@pytest.mark.parametrize(("source", "destination", "deeds", "says"), TABLE)
def test_every_pair(source: str | None, destination: str | None, deeds: list[str], says: str) -> None:
    ending = ending_of(at("kvm01", source), at("kvm02", destination), "kvm01", "kvm02")
    assert ending.says.startswith(says)
    done = {"remove": ending.remove, "undefine": ending.undefine, "resume": ending.resume}
    assert [name for name, one in done.items() if one is not None] == deeds
    assert bool(ending.otherwise) == bool(deeds)
    assert ending.clear == ((source, destination) not in UNCLEAR)


def test_paused_on_both_in_mid_switch_the_source_goes_on() -> None:
    """Nobody has told the destination to run: what arrived goes first, and then the source runs again."""
    source = guest(state="paused", reason="migrating")
    destination = guest(state="paused", reason="migrating", node="kvm02")
    ending = ending_of(source, destination, "kvm01", "kvm02")
    assert (ending.remove, ending.resume, ending.clear) == (destination, source, True)
    by_a_person = guest(state="paused", reason="user", node="kvm02")
    ending = ending_of(source, by_a_person, "kvm01", "kvm02")
    assert (ending.remove, ending.resume, ending.clear) == (None, None, False)


def test_a_guest_that_ran_there_and_ended_is_never_resumed_at_the_source() -> None:
    """The source was paused by the move and never told how it ended."""
    source = guest(state="paused", reason="migrating")
    ended = guest(state="shut off", reason="shutdown", node="kvm02")
    ending = ending_of(source, ended, "kvm01", "kvm02")
    assert (ending.remove, ending.undefine, ending.resume, ending.clear) == (source, source, None, True)
    assert ending.says == "it ran on kvm02 and was shut down there; what was still paused on kvm01 was removed"


@pytest.mark.parametrize("reason", ["unknown", "crashed", "destroyed"])
def test_where_it_may_have_run_there_a_person_decides(reason: str) -> None:
    source = guest(state="paused", reason="migrating")
    ended = guest(state="shut off", reason=reason, node="kvm02")
    ending = ending_of(source, ended, "kvm01", "kvm02")
    assert (ending.remove, ending.undefine, ending.resume, ending.clear) == (None, None, None, False)
    assert "it can't be said which side is the newer" in ending.says


@pytest.mark.parametrize("reason", ["failed", "daemon"])
def test_what_never_ran_there_runs_on_at_the_source(reason: str) -> None:
    source = guest(state="paused", reason="migrating")
    failed = guest(state="shut off", reason=reason, node="kvm02")
    ending = ending_of(source, failed, "kvm01", "kvm02")
    assert (ending.remove, ending.undefine, ending.resume, ending.clear) == (None, failed, source, True)


def test_after_post_copy_began_the_source_is_never_resumed() -> None:
    ending = ending_of(guest(state="paused", reason="post-copy-failed"), None, "kvm01", "kvm02")
    assert (ending.resume, ending.clear) == (None, False)


def test_in_the_midst_of_post_copy_nobody_is_told_to_kill_one_half() -> None:
    source, destination = guest(state="paused", reason="post-copy-failed"), guest(node="kvm02")
    ending = ending_of(source, destination, "kvm01", "kvm02")
    assert (ending.remove, ending.undefine, ending.resume, ending.clear) == (None, None, None, False)
    assert "it can run on neither alone; kill neither" in ending.says


def test_of_two_definitions_the_one_it_left_goes() -> None:
    source, destination = guest(state="shut off", reason="migrated"), guest(state="shut off", node="kvm02")
    assert ending_of(source, destination, "kvm01", "kvm02").undefine == source


def test_a_definition_is_removed_only_where_it_does_not_run() -> None:
    for source, destination, there in (("running", "shut off", "kvm02"), ("shut off", "running", "kvm01")):
        undefined = ending_of(at("kvm01", source), at("kvm02", destination), "kvm01", "kvm02").undefine
        assert undefined is not None
        assert undefined.node.name == there


def test_only_the_source_is_resumed_and_only_the_destination_removed() -> None:
    resumed = ending_of(at("kvm01", "paused"), None, "kvm01", "kvm02").resume
    removed = ending_of(at("kvm01", "running"), at("kvm02", "paused"), "kvm01", "kvm02").remove
    assert resumed is not None
    assert resumed.node.name == "kvm01"
    assert removed is not None
    assert removed.node.name == "kvm02"


@pytest.mark.parametrize("state", STATES)
def test_while_a_node_is_silent_nothing_is_touched(state: str | None) -> None:
    for source, destination in ((at("kvm01", state), "kvm02: no answer"), ("kvm01: no answer", at("kvm02", state))):
        ending = ending_of(source, destination, "kvm01", "kvm02")
        assert (ending.resume, ending.remove, ending.undefine, ending.clear) == (None, None, None, False)
        assert ending.says.startswith("where it runs is not known: kvm0")
        assert not ending.known
