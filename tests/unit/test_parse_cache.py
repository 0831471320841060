"""What is remembered of vme.toml, and that nothing stale or broken is ever believed."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from vme import parse_cache
from vme.errors import Misconfigured
from vme.parse_cache import remembered


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setattr(parse_cache, "private_directory", lambda: tmp_path / "run")
    (tmp_path / "vme.toml").write_text("a = 1")
    return tmp_path / "vme.toml"


def cache_of(file: Path) -> Path:
    (cache,) = (file.parent / "run").iterdir()
    return cache


def never() -> dict[str, Any]:
    raise AssertionError("parsed again")


def test_the_same_file_is_parsed_once(file: Path) -> None:
    assert remembered(file, lambda: {"a": 1, "sets": ("x", "y")}) == {"a": 1, "sets": ("x", "y")}
    assert remembered(file, never) == {"a": 1, "sets": ("x", "y")}
    assert stat.S_IMODE(cache_of(file).stat().st_mode) & 0o022 == 0


@pytest.mark.parametrize("change", ["content", "replaced", "touched"])
def test_a_changed_file_is_parsed_again(file: Path, change: str) -> None:
    remembered(file, lambda: {"a": 1})
    if change == "content":
        file.write_text("a = 22")
    elif change == "replaced":
        state = file.stat()
        (file.parent / "new").write_text("a = 2")
        os.utime(file.parent / "new", ns=(state.st_atime_ns, state.st_mtime_ns))
        (file.parent / "new").rename(file)
    else:
        os.utime(file, ns=(1, 1))
    assert remembered(file, lambda: {"a": 2}) == {"a": 2}


@pytest.mark.parametrize("content", [b"", b"\x00", b"nonsense", b"i\x01\x00\x00\x00", b"(\x01\x00\x00\x00N"])
def test_a_broken_cache_is_no_cache(file: Path, content: bytes) -> None:
    remembered(file, lambda: {"a": 1})
    cache_of(file).write_bytes(content)
    assert remembered(file, lambda: {"a": 2}) == {"a": 2}
    assert remembered(file, never) == {"a": 2}


def test_what_can_t_be_kept_is_parsed_each_time(file: Path) -> None:
    import datetime

    day = datetime.date(2024, 1, 1)
    for _ in range(2):
        assert remembered(file, lambda: {"day": day}) == {"day": day}
    assert list((file.parent / "run").iterdir()) == []


def test_no_place_to_keep_it_is_no_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise Misconfigured("not yours")

    monkeypatch.setattr(parse_cache, "private_directory", refuse)
    assert remembered(file, lambda: {"a": 1}) == {"a": 1}


def test_errors_of_the_parser_are_not_remembered(file: Path) -> None:
    def fail() -> dict[str, Any]:
        raise Misconfigured("not TOML")

    for _ in range(2):
        with pytest.raises(Misconfigured):
            remembered(file, fail)
