"""The audit line: whole, one a line, and never through a symlink."""

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from vme import audit
from vme.config import Config, Zone


def write(file: Path, **more: Any) -> str | None:
    words = {"tool": "stop_guest", "arguments": ["web1"], "touched": ["web1 on kvm01"], "status": 0, "message": "done"}
    return audit.write_line(Config(None, (Zone("x", (), ()),), audit_file=file), started_s=0.0, **{**words, **more})


def test_who_what_where_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 50000 192.0.2.1 22")
    assert write(tmp_path / "new/audit.log", reason="ticket 7") is None
    line = json.loads((tmp_path / "new/audit.log").read_text())
    assert line["time"] == "1970-01-01T00:00:00Z"
    assert (line["sudo_user"], line["from"], line["pid"]) == ("alice", "192.0.2.7", os.getpid())
    assert (line["tool"], line["arguments"], line["guests"], line["nodes"]) == (
        "stop_guest",
        ["web1"],
        ["web1"],
        ["kvm01"],
    )
    assert (line["status"], line["message"], line["reason"]) == (0, "done", "ticket 7")
    assert line["duration_s"] > 0
    assert (tmp_path / "new/audit.log").stat().st_mode & 0o007 == 0


def test_lines_are_added_and_nothing_breaks_out_of_one(tmp_path: Path) -> None:
    write(tmp_path / "a", arguments=["web1\n{}", "\u202e", "\udcff", "\x1b[2J"])
    write(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    assert data.isascii()
    assert data.count(b"\n") == 2
    assert b"\x1b" not in data
    assert json.loads(data.splitlines()[0])["arguments"][0] == "web1\n{}"


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "audit.log").symlink_to(tmp_path / "victim")
    warning = write(tmp_path / "audit.log")
    assert warning is not None
    assert warning.startswith(f"no audit line written to {tmp_path}/audit.log: ")
    assert not (tmp_path / "victim").exists()


def test_what_can_t_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "no audit line written" in (write(tmp_path / "file/audit.log") or "")
    assert "Is a directory" in (write(tmp_path) or "")


def test_a_line_that_is_cut_off_is_a_warning(tmp_path: Path) -> None:
    """As on a file system that is full: a limit on the file's size lets less than the whole line be written."""
    assert write(tmp_path / "audit.log") is None
    whole = (tmp_path / "audit.log").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 10, before[1]))
    try:
        assert "audit line written" in (write(tmp_path / "audit.log") or "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "audit.log").stat().st_size == whole + 10


@pytest.mark.parametrize(
    ("uid", "state", "file"),
    [
        (0, "", "/var/log/vme/audit.log"),
        (1000, "", "/home/me/.local/state/vme/audit.log"),
        (1000, "/state", "/state/vme/audit.log"),
    ],
)
def test_where_it_goes_unless_it_is_said(monkeypatch: pytest.MonkeyPatch, uid: int, state: str, file: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_STATE_HOME", state)
    assert audit.audit_file(None) == Path(file)
