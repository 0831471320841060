"""vme init: the example goes where tools look for it, also when they can't go on without it."""

import os
from pathlib import Path

import pytest

from vme.__main__ import run
from vme.commands.init import EXAMPLE, default_file
from vme.config import find_file


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is not root, and has nothing yet."""
    for name in ("VME_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr("vme.audit.audit_file", lambda _config: tmp_path / "audit.log")


def test_it_goes_where_it_will_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_file() == tmp_path / ".config/vme/vme.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert default_file() == tmp_path / "xdg/vme/vme.toml"
    assert run("vme", ["init"]) == 0
    assert find_file() == tmp_path / "xdg/vme/vme.toml"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_file() == Path("/etc/vme/vme.toml")


def test_it_makes_the_file_that_is_named_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made/vme.toml"
    monkeypatch.setenv("VME_CONFIG", str(file))
    assert run("vme", ["init"]) == 0
    assert file.read_text() == EXAMPLE
    assert run("vme", ["init"]) == 3


@pytest.mark.parametrize("broken", ["[zones", "[nosuch]\n", f"{EXAMPLE}[tools.nosuch]\nquiet = true\n"])
def test_it_writes_an_example_to_compare_a_broken_one_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    (tmp_path / "vme.toml").write_text(broken)
    monkeypatch.setenv("VME_CONFIG", str(tmp_path / "vme.toml"))
    assert run("vme", ["nodes"]) == 2
    assert run("vme", ["init"]) == 3
    assert run("vme", ["init", str(tmp_path / "example.toml")]) == 0
    assert (tmp_path / "vme.toml").read_text() == broken
