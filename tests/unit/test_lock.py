"""The lock of a guest's name: POSIX locks bind processes, so the other one is a real process."""

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.made import store
from vme.config import Store
from vme.errors import Refused
from vme.journal.lock import _locked, held


def lock_file(here: Store, guest: str = "web1") -> Path:
    return here.management_path / ".vme/locks" / guest


def in_another_process(work: Callable[[], str]) -> str:
    """What `work` returns there, or the message of the Refused it raises."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = work()
        except Refused as refusal:
            text = refusal.message
        except Exception as problem:  # noqa: BLE001 (said, and so seen, by the test)
            text = f"broken: {problem!r}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def taken(here: Store, guest: str = "web1") -> str:
    with held(guest, [here], "del_guest web1"):
        return "got it"


def test_the_second_is_told_who_holds_it_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    here = store(tmp_path)
    with held("web1", [here], "create_guest web1"):
        said = in_another_process(lambda: taken(here))
        assert in_another_process(lambda: taken(here, "web2")) == "got it"
    assert said.startswith("web1: alice on ")
    assert f"(process {os.getpid()}) has been working on it since " in said
    assert said.endswith("create_guest web1 (zone east)")


def test_it_is_free_again_and_leaves_no_file(tmp_path: Path) -> None:
    here = store(tmp_path)
    with held("web1", [here], "x"):
        assert json.loads(lock_file(here).read_text())["why"] == "x"
    assert not lock_file(here).exists()
    assert in_another_process(lambda: taken(here)) == "got it"


def test_it_is_free_after_a_failure(tmp_path: Path) -> None:
    here = store(tmp_path)
    with pytest.raises(KeyboardInterrupt), held("web1", [here], "x"):
        raise KeyboardInterrupt
    assert in_another_process(lambda: taken(here)) == "got it"


def test_it_dies_with_its_holder_and_the_stale_file_bars_nobody(tmp_path: Path) -> None:
    here = store(tmp_path)

    def die() -> str:
        with held("web1", [here], "a tool that is killed"):
            os._exit(9)

    in_another_process(die)
    assert "a tool that is killed" in lock_file(here).read_text()
    with held("web1", [here], "new"):
        assert json.loads(lock_file(here).read_text())["why"] == "new"


def test_of_two_stores_all_or_none(tmp_path: Path) -> None:
    one, two = store(tmp_path), store(tmp_path, zone="west")
    with held("web1", [two], "x"):
        assert "zone west" in in_another_process(lambda: both(one, two))
        assert in_another_process(lambda: taken(one)) == "got it"


def both(one: Store, two: Store) -> str:
    with held("web1", [two, one], "x"):
        return "got both"


def test_many_at_the_same_moment_and_never_two_inside(tmp_path: Path) -> None:
    here = store(tmp_path)
    inside = tmp_path / "inside"
    inside.touch()

    def work() -> None:
        deadline_s = time.monotonic() + 10
        wins = 0
        while wins < 30 and time.monotonic() < deadline_s:
            try:
                with held("web1", [here], "x"), inside.open("r+") as file:
                    # A flock of its own shows a second one inside, whatever the lock under test thinks.
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    wins += 1
            except Refused:
                continue
        os._exit(0 if wins == 30 else 1)

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(2)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]


def test_a_name_removed_under_us_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = store(tmp_path)
    file = lock_file(here)
    file.parent.mkdir(parents=True)
    real, opened = fcntl.lockf, []

    def lockf(handle: int, how: int) -> None:
        real(handle, how)
        opened.append(handle)
        if len(opened) == 1:
            file.unlink()  # the last holder's, between our open and our lock

    monkeypatch.setattr(fcntl, "lockf", lockf)
    handle = _locked(file, "web1", here, 0.0)
    assert len(opened) == 2
    assert os.fstat(handle).st_ino == file.stat().st_ino
    os.close(handle)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"user": "x"}', "\x00\xff"])
def test_a_holder_who_has_not_said_who_he_is(tmp_path: Path, text: str) -> None:
    here = store(tmp_path)
    with held("web1", [here], "x"):
        # Not in this process: closing any handle of the file would drop its POSIX lock.
        in_another_process(lambda: str(lock_file(here).write_text(text, encoding="latin-1")))
        assert in_another_process(lambda: taken(here)) == "web1: another tool is working on it (zone east)"


def test_a_store_that_goes_away_does_not_hide_the_error(tmp_path: Path) -> None:
    here = store(tmp_path)
    with pytest.raises(Refused, match="the real one"), held("web1", [here], "x"):
        lock_file(here).parent.rename(tmp_path / "away")
        lock_file(here).parent.touch()  # unlink() of what was in it fails with ENOTDIR
        raise Refused("web1", ["the real one"])


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    here = store(tmp_path)
    here.management_path.rmdir()
    with pytest.raises(FileNotFoundError):
        taken(here)
    assert not here.management_path.exists()


def test_a_symlink_in_the_place_of_the_lock(tmp_path: Path) -> None:
    here = store(tmp_path)
    lock_file(here).parent.mkdir(parents=True)
    (tmp_path / "victim").write_text("precious")
    lock_file(here).symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        taken(here)
    assert (tmp_path / "victim").read_text() == "precious"
