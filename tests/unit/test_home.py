"""Where a user's own files are, and what is said where nothing tells."""

import os
from pathlib import Path

import pytest

from vme import audit
from vme.__main__ import run
from vme.actions.key_files import default_file
from vme.commands import init
from vme.config import SshConfig, find_file
from vme.errors import Misconfigured
from vme.home import at_home
from vme.runtime import state_directory
from vme.toml_table import Table


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has no $HOME and no line in /etc/passwd."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "VME_CONFIG", "VME_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)


def test_home_is_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert at_home("~/.ssh/vme") == Path("/home/me/.ssh/vme")
    assert at_home("/etc/vme") == Path("/etc/vme")


@pytest.mark.usefixtures("homeless")
def test_who_has_none_is_told_so() -> None:
    for ask in (
        find_file,
        state_directory,
        init.default_file,
        lambda: default_file(SshConfig()),
        lambda: Table(Path("vme.toml"), "", {"file": "~/audit.log"}).path("file"),
        lambda: audit.audit_file(None),
    ):
        with pytest.raises(Misconfigured, match="no home directory is known"):
            ask()


@pytest.mark.usefixtures("homeless")
def test_without_one_a_tool_ends_in_words_and_the_audit_line_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list_guests", []) == 2
    said = capsys.readouterr().err
    assert "list_guests: there is no telling where ~/.config is: no home directory is known\n  hint: set HOME\n" in said
    assert "list_guests: no audit line written: there is no telling where ~/.local/state is" in said
