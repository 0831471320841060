"""The audit line: secrets masked, guests and nodes told apart; and reading it back."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vme.actions.audit_log import Wanted, moment, read_lines
from vme.audit import masked, split_touched, write_line
from vme.config import Config
from vme.errors import Failed, Misused

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["web1", "-s", "kvm01"], ["web1", "-s", "kvm01"]),
        (["--password", "hunter2", "web1"], ["--password", "***", "web1"]),
        (["--password=hunter2"], ["--password=***"]),
        (["--set", "bmc_password=a=b"], ["--set", "bmc_password=***"]),
        (["--api-token", "x", "--token", "-q"], ["--api-token", "***", "--token", "-q"]),
        (["--", "env", "DB_PASSWD=x", "run"], ["--", "env", "DB_PASSWD=***", "run"]),
        (["--passphrase-file", "x"], ["--passphrase-file", "***"]),
    ],
)
def test_secrets_are_masked(words: list[str], shown: list[str]) -> None:
    assert masked(words) == shown


def test_what_was_touched_is_told_apart() -> None:
    touched = ["web1 on kvm01", "kvm02", "web2", "web1 on kvm01", "'a on b' on kvm03"]
    assert split_touched(touched, {"kvm01", "kvm02"}) == (["web1", "web2", "'a on b'"], ["kvm01", "kvm02", "kvm03"])


def a_line(file: Path, **fields: object) -> None:
    line = {
        "time": "2026-11-24T11:00:00Z",
        "user": "ada",
        "tool": "start_guest",
        "guests": ["web1"],
        "nodes": ["kvm01"],
    }
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as lines:
        lines.write(json.dumps({**line, "status": 0, "message": "done", **fields}) + "\n")


def test_lines_come_back_by_guest_node_user_tool_and_time(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    a_line(file)
    a_line(file, user="root", sudo_user="bob", guests=["web2"], nodes=["kvm02"], time="2026-11-24T11:30:00Z")
    a_line(file, login="eve", user="root", tool="del_guest", time="2026-11-23T11:30:00Z")
    with file.open("a") as lines:
        lines.write('{"time": "2026-11-24T11\nnot json\n[]\n{"time": 7}\n')

    def users(**wanted: object) -> list[str]:
        return [line["user"] for line in read_lines(file, Wanted(**wanted))]  # type: ignore[arg-type]

    assert users() == ["ada", "root", "root"]
    assert users(guest="web2") == ["root"]
    assert users(node="kvm01") == ["ada", "root"]
    assert users(user="bob") == users(user="eve") == ["root"]
    assert users(tool="start_guest") == ["ada", "root"]
    assert users(since=moment("40m", NOW)) == ["root"]
    assert users(since=moment("1h", NOW), until=moment("50m", NOW)) == ["ada"]


def test_rotated_files_come_first_the_oldest_before_all(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    a_line(file, user="now")
    a_line(tmp_path / "audit.log.1", user="yesterday")
    a_line(tmp_path / "old", user="long ago")
    (tmp_path / "audit.log.2.gz").write_bytes(gzip.compress((tmp_path / "old").read_bytes()))
    (tmp_path / "audit.log.bak").write_text("rubbish")
    assert [line["user"] for line in read_lines(file, Wanted())] == ["long ago", "yesterday", "now"]
    assert list(read_lines(tmp_path / "none", Wanted())) == []


@pytest.mark.parametrize(("length", "filled_with"), [(30, b""), (12, b""), (20, b"\0"), (20, b"\xff")])
def test_a_rotated_file_that_is_damaged_is_named(tmp_path: Path, length: int, filled_with: bytes) -> None:
    a_line(tmp_path / "old")
    whole = gzip.compress((tmp_path / "old").read_bytes())
    (tmp_path / "audit.log.1.gz").write_bytes(whole[:length] + filled_with * (len(whole) - length))
    with pytest.raises(Failed, match=r"audit\.log\.1\.gz: it is damaged, or cut off") as caught:
        list(read_lines(tmp_path / "audit.log", Wanted()))
    assert caught.value.hint == "moved away, it is left out"


@pytest.mark.parametrize("text", ["", "yesterday", "5", "5y", "2026-13-01"])
def test_what_is_no_point_in_time(text: str) -> None:
    with pytest.raises(Misused):
        moment(text, NOW)


def test_a_line_is_written_and_read(tmp_path: Path) -> None:
    file = tmp_path / "log" / "audit.log"
    config = Config(None, (), audit_file=file)
    words = ["web1", "--password", "x"]
    told = write_line(
        config, tool="t", arguments=words, touched=["web1 on kvm01"], status=3, message="no", reason="ticket 7"
    )
    assert told is None
    (line,) = read_lines(file, Wanted(guest="web1"))
    assert line["arguments"] == ["web1", "--password", "***"]
    assert (line["status"], line["reason"], line["nodes"], line["message"]) == (3, "ticket 7", ["kvm01"], "no")
