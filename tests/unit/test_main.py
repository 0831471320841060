"""The one way in: which tool is meant, what ends as which status, and an audit line in every case."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from vme import __version__
from vme.__main__ import run
from vme.commands.parser import parser_of
from vme.commands.registry import COMMANDS
from vme.errors import Refused, Silent
from vme.process import run as run_process

ROOT = Path(__file__).parent.parent.parent
CONFIG = """
[audit]
file = "{audit}"
[zones.east]
nodes = "kvm01"
store = "/srv/vme/virt-store"
management_store = "/srv/vme/east/virt-store"
"""


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration of our own; the file its audit lines go to."""
    (tmp_path / "vme.toml").write_text(CONFIG.format(audit=tmp_path / "audit.log"))
    monkeypatch.setenv("VME_CONFIG", str(tmp_path / "vme.toml"))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path / "audit.log"
    for number, handler in before.items():
        signal.signal(number, handler)


def tool_that(monkeypatch: pytest.MonkeyPatch, work: Callable[[], int]) -> None:
    """Let list_guests do this instead."""
    monkeypatch.setattr("vme.commands.list_guests.run", lambda _arguments, _context, _command: work())


def raising(problem: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise problem

    return work


@pytest.mark.parametrize(
    ("problem", "status", "says"),
    [
        (Refused("web1", ["a", "b"], hint="mend it"), 3, "list_guests: web1:\n  - a\n  - b\n  hint: mend it\n"),
        (Silent("kvm01"), 5, "list_guests: kvm01\n"),
        (Silent("\x1b[2J\u202e", hint="\x07"), 5, "list_guests: \\x1b[2J\\u202e\n  hint: \\x07\n"),
        (
            KeyboardInterrupt(),
            130,
            "list_guests: interrupted; what nodes were asked before may still be done by them\n",
        ),
        (OSError(28, "No space left on device", "/x"), 1, "list_guests: /x: No space left on device\n"),
        (TimeoutError("timed out"), 1, "list_guests: this machine: timed out\n"),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_an_error_is_said_in_words_and_written_down(
    audit: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: BaseException,
    status: int,
    says: str,
) -> None:
    tool_that(monkeypatch, raising(problem))
    assert run("list_guests", ["kvm01"]) == status
    assert capsys.readouterr().err == says
    line = json.loads(audit.read_text())
    assert (line["status"], line["tool"], line["arguments"]) == (status, "list_guests", ["kvm01"])
    assert line["message"] != "done"


def test_success_leaves_one_line(audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool_that(monkeypatch, lambda: 0)
    assert run("vme", ["list"]) == 0
    line = json.loads(audit.read_text())
    assert (line["status"], line["message"], line["tool"]) == (0, "done", "list_guests")


def test_a_bug_is_not_hidden_but_written_down(audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool_that(monkeypatch, raising(ZeroDivisionError("x")))
    with pytest.raises(ZeroDivisionError):
        run("list_guests", [])
    assert json.loads(audit.read_text())["message"] == "a bug: ZeroDivisionError('x')"


def test_debug_shows_where(audit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tool_that(monkeypatch, raising(Silent("kvm01")))
    assert run("list_guests", ["-D"]) == 5
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_interrupt_so_that_work_is_undone(
    audit: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def work() -> int:
        os.kill(os.getpid(), number)
        signal.pause()
        return 0

    tool_that(monkeypatch, work)
    assert run("list_guests", []) == 130
    assert json.loads(audit.read_text())["status"] == 130


def test_nohup_is_honoured(audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    tool_that(monkeypatch, lambda: 0)
    assert run("list_guests", []) == 0
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_reader_that_has_gone_does_not_cost_the_audit_line(audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(os.dup(writer), "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        monkeypatch.setattr(sys, "stderr", gone)
        print("rows", file=gone)
        tool_that(monkeypatch, raising(Silent("kvm01")))
        assert run("list_guests", []) == 5
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), gone.fileno())  # so that closing it can flush
    os.close(writer)
    assert json.loads(audit.read_text())["status"] == 5


def test_a_broken_configuration_is_said_by_every_tool(
    audit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VME_CONFIG", "/nowhere/vme.toml")
    monkeypatch.setattr("vme.audit.audit_file", lambda _config: audit)
    assert run("vme", ["nodes"]) == 2
    assert "vme nodes: $VME_CONFIG names /nowhere/vme.toml" in capsys.readouterr().err
    assert json.loads(audit.read_text())["status"] == 2


def test_a_command_line_that_can_t_be_read_ends_with_2_whatever_becomes_of_its_audit_line(
    audit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list_guests", ["--nonsense"]) == 2
    assert json.loads(audit.read_text())["status"] == 2
    monkeypatch.setattr("vme.config.load", raising(PermissionError(13, "Permission denied")))
    assert run("list_guests", ["--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_version_and_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("vme", ["--version"]) == 0
    assert capsys.readouterr().out == f"vme {__version__}\n"
    assert run("vme", ["--help"]) == 0
    overview = capsys.readouterr().out
    assert all(command.verb in overview and command.help in overview for command in COMMANDS.values())
    assert run("vme", []) == 2
    assert capsys.readouterr().out == overview
    assert run("vme", ["lst"]) == 2
    assert "there is no tool 'lst'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["list_guests", "--bogus"], ["console_guest"], ["list_guests", "--outp", "json"]])
def test_a_misused_command_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("vme", words) == 2
    assert "usage: " in capsys.readouterr().err


def words_of(tool: str, *own: str) -> dict[str, object]:
    """What the tool's words are, without its options."""
    command = COMMANDS[tool]
    parser = parser_of(command, tool, import_module(f"vme.commands.{command.module}"))
    read = vars(parser.read(own))
    return {action.dest: read[action.dest] for action in parser._actions if not action.option_strings}


def test_options_may_stand_between_words() -> None:
    assert words_of("migrate_guest", "web1", "--dry-run", "kvm03") == {"guests": "web1", "to": "kvm03"}
    assert words_of("start_guest", "web1", "--dry-run", "web2") == {"guests": ["web1", "web2"]}
    assert words_of("define_guest", "./web1.xml", "--dry-run", "kvm02") == {"source": "./web1.xml", "old_node": "kvm02"}
    disk = {"guests": ["web1", "web2"], "disk": "vdb"}
    assert words_of("remove_disk_guest", "web1", "--dry-run", "web2", "--yes", "vdb") == disk
    assert words_of("vme_nodes_run", "kvm01", "-b", "kvm02") == {"machines": ["kvm01", "kvm02"]}
    assert words_of("start_guest", "--all") == {"guests": []}
    assert words_of("start_guest", "--dry-run", "--", "web1", "--web2") == {"guests": ["web1", "--web2"]}
    handed_on = ["dumpxml", "--inactive", "web1"]
    assert words_of("vme_virsh", "-q", *handed_on) == {"words": handed_on}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_tool_says_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, ["--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {name} ")
    assert COMMANDS[name].help[1:].split(";")[0] in " ".join(said.split())
    assert run("vme", [COMMANDS[name].verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: vme {COMMANDS[name].verb} ")


def test_output_that_is_not_written_is_said() -> None:
    done = run_process(["sh", "-c", f"{ROOT}/bin/vme --version >/dev/full"], timeout_s=20)
    assert done.status == 1
    assert done.error == "vme: its output is not all written: No space left on device\n"


@pytest.mark.parametrize("call", ["vme --help", "list_guests --help", "vme nosuch"])
def test_help_that_nobody_reads_ends_without_a_traceback(call: str) -> None:
    tool = f"{ROOT}/bin/{call}"
    unbuffered = f"PYTHONUNBUFFERED=1 {tool}"  # what is written fails where it is printed, not at the end
    done = run_process(["sh", "-c", f"{unbuffered} >/dev/full"], timeout_s=20)
    assert (done.status, done.error) == (1, "vme: its output is not all written: No space left on device\n")
    done = run_process(["sh", "-c", f"{{ sleep 0.3; {unbuffered}; echo $? >&2; }} | true"], timeout_s=20)
    assert done.error == "1\n"
    done = run_process(["sh", "-c", f"COLUMNS=² {tool}"], timeout_s=20)
    assert (done.output[:7], "Traceback" in done.error) == ("usage: ", False)


def test_an_interrupt_before_a_tool_is_under_way_is_said_in_a_line(tmp_path: Path) -> None:
    child = CHILD.partition("tool.run")[0] + "def run(*_): raise KeyboardInterrupt\ntool.run = run\ntool.main()"
    done = run_process((sys.executable, "-c", child), timeout_s=20)
    assert (done.status, done.error) == (130, "vme: interrupted\n")
    clone = tmp_path / "clone"
    for folder in ("bin", "src/vme", ".venv/bin"):
        (clone / folder).mkdir(parents=True)
    (clone / "bin/vme").write_text((ROOT / "bin/vme").read_text())
    (clone / ".venv/bin/python").symlink_to(sys.executable)
    (clone / "src/vme/__init__.py").touch()
    (clone / "src/vme/__main__.py").write_text("raise KeyboardInterrupt")
    done = run_process(("sh", clone / "bin/vme"), timeout_s=20)
    assert (done.status, done.error) == (130, "vme: interrupted\n")


def test_a_real_process_from_the_clone() -> None:
    done = run_process((ROOT / "bin/list_guests", "--help"), timeout_s=20)
    assert (done.status, done.error) == (0, "")
    assert done.output.startswith("usage: list_guests ")
    assert run_process((ROOT / "bin/vme", "--version"), timeout_s=20).output == f"vme {__version__}\n"
    assert run_process((ROOT / "bin/vme", "nonsense"), timeout_s=20).status == 2


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_that_is_opened_becomes_one_we_write_to(closed: str) -> None:
    """As cron or a careless script may call it."""
    code = "import sys; sys.argv = ['vme', '--version']; import os, vme.__main__ as tool; tool._open_what_is_closed(); "
    code += "os._exit(10 + os.open('/', os.O_RDONLY) if all(map(os.get_inheritable, range(3))) else 1)"
    script = f"exec {sys.executable} -c '{code.replace(chr(39), chr(34))}' {closed}"
    assert run_process(("sh", "-c", script), timeout_s=20).status == 13
    assert run_process(("sh", "-c", f"exec {ROOT}/bin/vme --version {closed}"), timeout_s=20).status == 0


CHILD = """
import sys
sys.argv = ["vme", "--version"]
import vme.__main__ as tool
from vme.process import run
from vme.errors import VmeError
tool.run = lambda *_: print(run(("sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"), timeout_s=20).output) or 0
tool.main()
"""


def test_what_was_handed_down_to_us_is_not_to_our_children() -> None:
    """cron's flock would be held by a process of ours that hangs on a store. Nor do we need to be told of their end."""
    script = f"trap '' CHLD; exec {sys.executable} -c \"$0\" 9>/dev/null"
    done = run_process(("sh", "-c", script, CHILD), timeout_s=20)
    assert (done.output.split(), done.status) == (["0", "1", "2", "3"], 0), done  # the last is of ls itself
