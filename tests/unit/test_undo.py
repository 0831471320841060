"""Taking back, newest first; and what is said where that fails."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from vme.actions.undo import Undo
from vme.config import Config, Store, Zone
from vme.errors import Failed, Interrupted, Refused, Silent
from vme.fleet.deadline import Late
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.store.layout import journal_file


def worked(problem: BaseException | None, *, fails: int | None = None, with_: BaseException | None = None) -> list[str]:
    """Three steps done, then `problem`; undoing step `fails` raises `with_`. Returns what was taken back, in order."""
    taken: list[str] = []

    def step(number: int) -> Callable[[], None]:
        def take_back() -> None:
            if number == fails and with_ is not None:
                raise with_
            taken.append(f"step {number}")

        return take_back

    worked.taken = taken  # type: ignore[attr-defined]
    with Undo("web1") as undo:
        for number in (1, 2, 3):
            undo.add(f"thing {number}", step(number))
        if problem is not None:
            raise problem
    return taken


def test_nothing_is_taken_back_after_success() -> None:
    assert worked(None) == []


def test_newest_first_and_the_error_itself_where_all_went() -> None:
    problem = Refused("web1", ["no room"])
    with pytest.raises(Refused) as caught:
        worked(problem)
    assert caught.value is problem
    assert worked.taken == ["step 3", "step 2", "step 1"]  # type: ignore[attr-defined]


def test_ctrl_c() -> None:
    with pytest.raises(Interrupted, match=r"^web1: interrupted; everything was undone$"):
        worked(KeyboardInterrupt())


def test_the_machine_s_own_errors_become_ours() -> None:
    with pytest.raises(Failed, match=r"web1: \[Errno 28\] full; everything was undone") as caught:
        worked(OSError(28, "full"))
    assert caught.value.hint is None


@pytest.mark.parametrize("with_", [Failed("kvm01: no answer"), OSError(5, "no answer")])
def test_a_step_that_fails_keeps_what_it_stood_on(with_: Exception) -> None:
    with pytest.raises(Failed) as caught:
        worked(Refused("web1", ["no room"]), fails=2, with_=with_)
    assert worked.taken == ["step 3"]  # type: ignore[attr-defined]
    assert caught.value.message.startswith("web1: no room; left behind: thing 1, thing 2, (thing 2: ")
    assert "thing 3" not in caught.value.message
    assert "left behind" in (caught.value.hint or "")


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), Failed("web1: x")])
def test_a_second_ctrl_c_ends_the_undoing_and_says_what_stays(problem: BaseException) -> None:
    with pytest.raises((Interrupted, Failed)) as caught:
        worked(problem, fails=2, with_=KeyboardInterrupt())
    assert caught.value.message.endswith("left behind: thing 1, thing 2, (thing 2: interrupted again)")


def test_a_node_that_falls_silent_midway_is_told_with_what_became_of_the_rest() -> None:
    with pytest.raises(Silent) as caught:
        worked(Silent("web1 on kvm01: no answer within 30 s"))
    assert caught.value.message == "web1 on kvm01: no answer within 30 s; everything was undone"


def test_what_was_left_behind_within_is_not_said_to_be_undone_without() -> None:
    with pytest.raises(Failed) as caught, Undo("two guests"):
        worked(Failed("web1: no answer"), fails=2, with_=Failed("kvm01: no answer"))
    assert "left behind: thing 1, thing 2" in caught.value.message
    assert "everything was undone" not in caught.value.message
    assert caught.value.hint == "see to what was left behind, then try again"


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        worked(ZeroDivisionError())
    assert worked.taken == ["step 3", "step 2", "step 1"]  # type: ignore[attr-defined]


def test_while_a_call_may_still_be_done_nothing_is_undone(tmp_path: Path) -> None:
    zone = Zone("east", (), (Store("s", "east", PurePosixPath("/srv/s"), tmp_path),))
    stores, taken = zone.stores, []
    with (
        pytest.raises(Late) as caught,
        at_work(Config(None, (zone,)), Intent("create_guest", "web1", "east"), stores) as work,
        Undo("web1", work) as undo,
    ):
        work.step("defining it")
        undo.add("image web1-vda", lambda: taken.append("image"))
        raise Late("web1 on kvm01: no answer within 30 s")
    assert taken == []
    assert "so nothing was undone, and there may be: image web1-vda" in caught.value.message
    assert "vme repair web1" in (caught.value.hint or "")
    assert journal_file(stores[0], "web1").exists()
