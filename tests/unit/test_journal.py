"""The journal: an entry is there from the first step to the end, says what was come to, and survives the process."""

import errno
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.made import config, store
from vme.actions.repair.places import Place, places
from vme.actions.repair.unfinished import unfinished_held
from vme.config import Config, Store
from vme.errors import Failed, Interrupted, Refused, VmeError
from vme.fleet.deadline import Late
from vme.journal.entry import Entry, Intent, opening_line, parsed, step_line
from vme.journal.lock import AtWork
from vme.journal.work import Work, at_work, reasons_unfinished, refuse_busy_anywhere
from vme.store.layout import journal_file

INTENT = Intent("del_guest", "web1", "east", "uuid-of-web1", {"node": "kvm01"}, "spring clean")


@pytest.fixture
def vme(tmp_path: Path) -> Config:
    return config(tmp_path)


def east(vme: Config) -> Store:
    return vme.zone("east").stores[0]


def entry_file(vme: Config) -> Path:
    return east(vme).management_path / ".vme/journal/web1"


def read(vme: Config) -> Entry:
    return parsed(east(vme), "web1", entry_file(vme).read_text())


def work_until(vme: Config, problem: BaseException | None, *, steps: int = 2) -> None:
    with at_work(vme, INTENT, vme.zone("east").stores) as work:
        for number in range(steps):
            work.step(f"step {number}", number=number)
        if problem is not None:
            raise problem


def test_before_the_first_step_there_is_none_and_after_the_last_none_either(vme: Config) -> None:
    with at_work(vme, INTENT, vme.zone("east").stores) as work:
        assert not entry_file(vme).exists()
        work.step("pulling its plug")
        assert read(vme).last_step == "pulling its plug"
    assert not entry_file(vme).exists()


def test_what_is_read_is_what_was_written(vme: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    with at_work(vme, INTENT, vme.zone("east").stores) as work:
        work.step("one", image="a", count=1)
        work.step("two", image="b")
        entry = read(vme)
    assert entry.intent == INTENT
    assert entry.who.startswith("alice on ")
    assert [step.name for step in entry.steps] == ["one", "two"]
    assert (entry.came_to("one"), entry.came_to("three")) == (True, False)
    facts = {name: entry.fact(name) for name in ("image", "count", "node", "none")}
    assert facts == {"image": "b", "count": 1, "node": "kvm01", "none": None}
    assert str(entry).startswith("del_guest web1 by alice on ")
    assert str(entry).endswith("which came to: two")


def test_an_error_leaves_the_entry_and_names_the_mend(vme: Config) -> None:
    with pytest.raises(Failed) as failure:
        work_until(vme, Failed("web1: half done", hint="see to the store"))
    assert failure.value.hint == "see to the store; vme repair web1 finishes or undoes what was begun"
    assert reasons_unfinished("web1", vme.zone("east").stores)[0].startswith(
        "earlier work on it is not finished (zone east)"
    )
    with pytest.raises(Refused, match="vme repair web1"):
        work_until(vme, None)
    assert [step.name for step in read(vme).steps] == ["step 0", "step 1"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_who_gives_up_on_a_silent_node_writes_that_down(vme: Config, wrapped: bool) -> None:
    def until_it_is_late() -> None:
        try:
            raise Late("web1: no answer within 30 s")
        except Late as problem:
            if wrapped:
                raise Failed(f"web1: it moved, but {problem.message}") from None
            raise

    with pytest.raises((Late, Failed)), at_work(vme, INTENT, vme.zone("east").stores) as work:
        work.step("one", number=1)
        until_it_is_late()
    entry = read(vme)
    assert (entry.last_step, entry.fact("number"), entry.gave_up_at_s is None) == ("one", 1, False)


def test_who_fails_otherwise_does_not(vme: Config) -> None:
    with pytest.raises(Failed):
        work_until(vme, Failed("web1: half done"))
    assert read(vme).gave_up_at_s is None


@pytest.mark.parametrize("steps", [0, 2])
def test_what_was_refused_changed_nothing(vme: Config, steps: int) -> None:
    with pytest.raises(Refused):
        work_until(vme, Refused("web1", ["it was started meanwhile"]), steps=steps)
    assert not entry_file(vme).exists()


def test_settled_work_leaves_none_whatever_happens(vme: Config) -> None:
    with pytest.raises(Failed) as failure, at_work(vme, INTENT, vme.zone("east").stores) as work:
        work.step("one")
        work.settled()
        assert not entry_file(vme).exists()
        raise Failed("web1: not done, and all undone")
    assert failure.value.hint is None


def test_interrupted_midway_it_says_what_puts_it_right(vme: Config) -> None:
    with pytest.raises(Interrupted) as interruption:
        work_until(vme, KeyboardInterrupt())
    assert interruption.value.hint == "vme repair web1 finishes or undoes what was begun"
    assert read(vme).last_step == "step 1"


def test_interrupted_before_the_first_step_nothing_is_left(vme: Config) -> None:
    with pytest.raises(KeyboardInterrupt):
        work_until(vme, KeyboardInterrupt(), steps=0)
    assert not entry_file(vme).exists()


@pytest.mark.parametrize(("problem", "kind"), [(KeyboardInterrupt(), Interrupted), (OSError("gone"), Failed)])
def test_what_happens_while_it_is_closed_does_not_undo_it(
    vme: Config, monkeypatch: pytest.MonkeyPatch, problem: BaseException, kind: type[VmeError]
) -> None:
    """The one who reads the message must not take it for undone."""

    def broken(_work: Work) -> None:
        raise problem

    monkeypatch.setattr(Work, "settled", broken)
    with pytest.raises(kind) as said:
        work_until(vme, None)
    assert "done" in said.value.message
    assert "vme repair web1" in f"{said.value.message} {said.value.hint}"


def test_it_outlives_its_process(vme: Config) -> None:
    child = os.fork()
    if child == 0:
        with at_work(vme, INTENT, vme.zone("east").stores) as work:
            work.step("pulling its plug")
            os._exit(9)
    os.waitpid(child, 0)
    assert read(vme).last_step == "pulling its plug"
    with pytest.raises(Refused):
        work_until(vme, None)


def test_the_other_zones_stores_are_held_and_only_the_guests_own_has_the_entry(vme: Config) -> None:
    stores = (*vme.zone("west").stores, *vme.zone("east").stores)
    with at_work(vme, INTENT, stores) as work:
        work.step("one")
        assert entry_file(vme).exists()
        assert not (stores[0].management_path / ".vme/journal").exists()
        assert (stores[0].management_path / ".vme/locks/web1").exists()


def full(*_words: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_store_refuses_but_what_frees_space(vme: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = vme.zone("east").stores
    with pytest.raises(Refused, match="can't be written: No space left"), at_work(vme, INTENT, stores) as work:
        monkeypatch.setattr(os, "write", full)
        work.step("one")
    monkeypatch.undo()
    assert not entry_file(vme).exists()
    with at_work(vme, INTENT, stores, frees_space=True) as work:
        monkeypatch.setattr(os, "write", full)
        work.step("one")
        monkeypatch.undo()
    assert not entry_file(vme).exists()


def test_a_line_that_was_not_written_whole_is_as_good_as_none(tmp_path: Path) -> None:
    here = store(tmp_path)
    whole = opening_line(INTENT) + step_line("one", {})
    assert parsed(here, "web1", whole + step_line("two", {})[:-3]).last_step == "one"
    assert parsed(here, "web1", whole + '{"step": "two", "facts": {}}').last_step == "one"


def test_of_what_was_killed_in_its_first_write_nothing_was_begun(vme: Config) -> None:
    for text in ("", opening_line(INTENT)[:-5], opening_line(INTENT) + step_line("one", {})[:-1]):
        entry_file(vme).parent.mkdir(parents=True, exist_ok=True)
        entry_file(vme).write_text(text)
        (reason,) = reasons_unfinished("web1", vme.zone("east").stores)
        assert "of which nothing was begun; if nobody is at it, vme repair web1" in reason


BROKEN = [
    "",
    "{}\n",
    "[]\n[]\n",
    "\x00\n",
    opening_line(INTENT),
    opening_line(INTENT) + "x\n" + step_line("two", {}),
    opening_line(INTENT) + '{"step": "one", "facts": 3}\n',
    opening_line(replace(INTENT, guest="web2")) + step_line("one", {}),
    opening_line(replace(INTENT, zone="west")) + step_line("one", {}),
    json.dumps({"tool": "x"}) + "\n" + step_line("one", {}),
]


@pytest.mark.parametrize("text", BROKEN)
def test_what_can_t_be_read_is_said_and_stays(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failed, match="can't be read"):
        parsed(store(tmp_path), "web1", text)


def test_what_is_not_even_text_is_said_and_stays_too(vme: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vme.actions.repair.places.reasons_not_there", lambda _store, **_more: [])
    entry_file(vme).parent.mkdir(parents=True)
    entry_file(vme).write_bytes(opening_line(INTENT).encode() + b'{"step": "\xe9", "facts": {}}\n')
    with pytest.raises(Failed, match="can't be read"):
        reasons_unfinished("web1", vme.zone("east").stores)
    assert places(vme, ["web1"]) == ((Place("web1", east(vme)),), [])
    with pytest.raises(Failed, match="can't be read"), unfinished_held(vme, Place("web1", east(vme))):
        pass
    assert entry_file(vme).exists()


def test_what_could_not_be_removed_is_begun_still(vme: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_file: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with at_work(vme, INTENT, vme.zone("east").stores) as work:
        work.step("one")
        monkeypatch.setattr("vme.journal.work.remove_entry", broken)
        with pytest.raises(OSError, match="Input/output"):
            work.settled()
        assert work.begun
        monkeypatch.undo()


def test_work_in_two_zones_has_a_note_in_the_second_which_goes_with_it(vme: Config) -> None:
    east, west = (zone.stores[0] for zone in vme.zones)
    intent = Intent("migrate_guest", "web1", "east", facts={"to_zone": "west"})
    with at_work(vme, intent, (east, west), noted_on=west) as work:
        assert not journal_file(west, "web1").exists()
        work.step("copying")
        (told,) = reasons_unfinished("web1", [west])
        assert "in the journal of zone east" in told
        noted = parsed(west, "web1", journal_file(west, "web1").read_text())
        assert noted.entry_zone == "east"
        assert parsed(east, "web1", journal_file(east, "web1").read_text()).entry_zone is None
    assert not journal_file(west, "web1").exists()
    assert not journal_file(east, "web1").exists()


def test_of_a_guest_that_no_node_has_it_is_said_who_is_at_work(vme: Config) -> None:
    refuse_busy_anywhere(vme, ["web1", "web2"])
    child = os.fork()
    if child == 0:
        with at_work(vme, INTENT, vme.zone("east").stores) as work:
            work.step("putting its files away")
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    try:
        refuse_busy_anywhere(vme, ["web2"])
        with pytest.raises(AtWork, match=r"has been working on it since .*: del_guest web1 \(zone east\)"):
            refuse_busy_anywhere(vme, ["web1", "web2"])
    finally:
        os.kill(child, signal.SIGCONT)
        os.waitpid(child, 0)
    refuse_busy_anywhere(vme, ["web1", "web2"])
    assert not list((east(vme).management_path / ".vme/locks").iterdir())
