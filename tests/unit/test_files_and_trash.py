"""Files written whole or not at all, and the trash that keeps what was deleted."""

import os
from pathlib import Path

import pytest

from tests.unit.made import store
from vme.store.files import hand_to, opened_among_ours, own_text, plain_bytes, unspoilt_text, write_whole
from vme.store.layout import TRASH
from vme.store.trash import move_to_trash, remove_for_good, trash_place


def test_a_new_file_with_its_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "x.xml", "ä", mode=0o600)
    assert (tmp_path / "x.xml").read_text(encoding="utf-8") == "ä"
    assert (tmp_path / "x.xml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["x.xml"]


def test_an_old_file_is_replaced_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "x.xml"
    file.write_text("old")
    file.chmod(0o644)
    with file.open() as reader:
        write_whole(file, "new", mode=0o600)
        assert reader.read() == "old"  # who reads it now reads all of the old one
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600  # secrets go in: the old file's mode must not last


def test_what_a_file_of_ours_says(tmp_path: Path) -> None:
    file = tmp_path / "x.xml"
    assert own_text(file, mode=0o600) is None
    write_whole(file, "ä", mode=0o600)
    assert own_text(file, mode=0o600) == "ä"
    assert own_text(file, mode=0o640) is None, "secrets go in: a mode that somebody changed must not last"


def test_what_others_put_in_its_place_is_not_read(tmp_path: Path) -> None:
    write_whole(tmp_path / "secret", "s", mode=0o600)
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir(mode=0o600)
    write_whole(tmp_path / "no text", b"\xff", mode=0o600)
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(1 << 40)
    (tmp_path / "huge").chmod(0o600)
    for name in ("link", "pipe", "directory", "no text", "huge"):
        before = set(Path("/proc/self/fd").iterdir())
        assert own_text(tmp_path / name, mode=0o600) is None, name
        assert set(Path("/proc/self/fd").iterdir()) == before


def test_a_directory_of_ours_is_made_when_it_is_first_needed(tmp_path: Path) -> None:
    file = tmp_path / ".vme/locks/web1"
    for _ in range(2):
        os.close(opened_among_ours(file, os.O_RDWR, 0o644, directory_mode=0o750))
    assert file.parent.stat().st_mode & 0o777 == 0o750
    with pytest.raises(FileNotFoundError):  # the store's own is not
        opened_among_ours(tmp_path / "gone/.vme/locks/web1", os.O_RDWR, 0o644, directory_mode=0o755)


def test_a_symlink_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "x").symlink_to(tmp_path / "other")
    write_whole(tmp_path / "x", "new", mode=0o600)
    assert (tmp_path / "other").read_text() == "mine"
    assert not (tmp_path / "x").is_symlink()


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.rename"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_words: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "x").write_text("old")
    monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "x", "new", mode=0o600)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "old"}


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "gone/x", "new", mode=0o600)


def test_a_file_is_handed_over_with_its_mode(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    hand_to(tmp_path / "x", os.geteuid(), os.getegid(), 0o2660)
    assert (tmp_path / "x").stat().st_mode & 0o7777 == 0o2660


def test_a_link_hands_nothing_over(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.touch(mode=0o600)
    (tmp_path / "link").symlink_to(victim)
    (tmp_path / "up").symlink_to("..")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "up", "pipe"):
        with pytest.raises(OSError):
            hand_to(tmp_path / name, os.geteuid(), os.getegid(), 0o666)
    assert victim.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "pipe").stat().st_mode & 0o777 == 0o600
    (tmp_path / "directory").mkdir(mode=0o700)
    hand_to(tmp_path / "directory", os.geteuid(), os.getegid(), 0o750)
    assert (tmp_path / "directory").stat().st_mode & 0o777 == 0o750


def test_what_only_we_may_write_is_believed(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", "ä", mode=0o644)
    assert unspoilt_text(tmp_path / "x") == "ä"
    for mode in (0o664, 0o646):
        (tmp_path / "x").chmod(mode)
        assert unspoilt_text(tmp_path / "x") is None
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert unspoilt_text(tmp_path / "link") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_what_another_put_there_is_not_believed(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", "x", mode=0o600)
    os.chown(tmp_path / "x", 64055, 0)
    assert unspoilt_text(tmp_path / "x") is None


def test_bytes_no_more_than_is_sensible(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"abc", mode=0o600)
    assert plain_bytes(tmp_path / "x", most=3) == b"abc"
    with pytest.raises(OSError, match="too large"):
        plain_bytes(tmp_path / "x", most=2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no plain file"):
        plain_bytes(tmp_path / "pipe", most=2)


def test_a_guest_s_directory_moves_to_the_trash_whole(tmp_path: Path) -> None:
    here = store(tmp_path)
    (here.management_path / "web1").mkdir()
    (here.management_path / "web1/web1-vda").write_text("image")
    place = trash_place(here, "web1")
    move_to_trash(here, "web1", place)
    assert (place / "web1-vda").read_text() == "image"
    assert not (here.management_path / "web1").exists()
    assert place.parent == here.management_path / TRASH
    assert place.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_name_twice_in_a_second_gets_two_places(tmp_path: Path) -> None:
    here = store(tmp_path)
    places = set()
    for _ in range(3):
        (here.management_path / "web1").mkdir()
        place = trash_place(here, "web1")
        move_to_trash(here, "web1", place)
        places.add(place)
    assert len(places) == 3
    assert all(place.is_dir() for place in places)


def test_what_is_purged_is_gone_and_nothing_else(tmp_path: Path) -> None:
    here = store(tmp_path)
    for name in ("web1", "web2"):
        (here.management_path / name).mkdir()
        (here.management_path / name / "x").touch()
    (here.management_path / "web1/link").symlink_to(here.management_path / "web2")
    remove_for_good(here, "web1")
    assert [path.name for path in here.management_path.rglob("*")] == ["web2", "x"]
