"""Every tool has a manual, a man page, examples that its parser takes, completion, and a test in the lab."""

import ast
import re
import shlex
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from lab.run import run
from vme.commands.parser import parser_of
from vme.commands.registry import COMMANDS, Command
from vme.manual import manual_file, read_manual
from vme.reference.__main__ import HELP, made_files
from vme.reference.arguments import COMPLETED_BY, every_tool, tool_of
from vme.reference.man import _STATUSES

ROOT = Path(__file__).parent.parent.parent
TOOLS = pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
MEND = "run: .venv/bin/python -m vme.reference"


@cache
def made() -> dict[str, str]:
    return made_files()


@TOOLS
def test_a_tool_has_a_manual(command: Command) -> None:
    assert manual_file(command.name).is_file(), f"write src/vme/manual/{command.name}.toml"
    manual = read_manual(command.name)
    assert len(manual.description) > 50
    assert manual.examples


@TOOLS
def test_its_examples_are_command_lines_that_its_parser_takes(command: Command) -> None:
    module = import_module(f"vme.commands.{command.module}")
    for example in read_manual(command.name).examples:
        words = shlex.split(example.command)
        called = words[:1] if not command.verb_only else words[: 1 + len(command.verb.split())]
        assert " ".join(called) in (command.name, f"vme {command.verb}")
        own = words[len(called) :]
        if getattr(module, "HANDS_ON", False) and "--" in own:
            own = own[: own.index("--")]
        parser = parser_of(command, command.name, module)
        assert parser.read(own) == parser.parse_args(own)


@TOOLS
def test_its_help_ends_with_its_examples(command: Command) -> None:
    module = import_module(f"vme.commands.{command.module}")
    text = parser_of(command, command.name, module).format_help()
    shown = text.partition("examples:\n")[2]
    assert all(example.command in shown for example in read_manual(command.name).examples)


@TOOLS
def test_everything_it_takes_is_completed_or_known_not_to_be(command: Command) -> None:
    tool = tool_of(command)
    values = {option.value for option in tool.options if option.value and not option.choices}
    unknown = (values | {word.name for word in tool.words}) - COMPLETED_BY.keys()
    assert not unknown, "say in COMPLETED_BY of vme/reference/arguments.py what completes these"


@TOOLS
def test_what_changes_something_takes_a_reason(command: Command) -> None:
    flags = {flag for option in tool_of(command).options for flag in option.flags}
    assert "--dry-run" not in flags or "--reason" in flags


@TOOLS
def test_it_is_run_in_the_lab(command: Command) -> None:
    assert command.name in words_of_lab_tests() or f"vme {command.verb}" in words_of_lab_tests()


@cache
def words_of_lab_tests() -> set[str]:
    """Every string in a test of the lab; and `vme VERB` where those two words stand beside each other."""
    found = set()
    for file in (ROOT / "tests/lab").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.Call):
                words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                found |= {" ".join(words[:count]) for count in (2, 3)}
    return found


@pytest.mark.parametrize("name", sorted(made()))
def test_a_made_file_is_as_it_would_be_made_now(name: str) -> None:
    assert (ROOT / name).is_file(), MEND
    there, made_now = (ROOT / name).read_text(), made()[name]
    if name.startswith(HELP):  # argparse's lines break differently in each version of Python
        assert there.split() == made_now.split(), MEND
    else:
        assert there == made_now, MEND


def test_there_is_no_page_without_its_tool() -> None:
    assert {f"{HELP}/{file.name}" for file in (ROOT / HELP).iterdir()} <= made().keys(), MEND
    pages = {f"man/man1/{page.name}" for page in (ROOT / "man/man1").iterdir()}
    assert pages <= made().keys(), MEND
    manuals = {file.stem for file in (ROOT / "src/vme/manual").glob("*.toml")}
    assert manuals == COMMANDS.keys() | {"vme"}


@pytest.mark.parametrize("name", sorted(name for name in made() if name.startswith("man/")))
def test_man_takes_a_page_without_a_warning(name: str) -> None:
    done = run(
        ["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(ROOT / name)],
        environment={"PATH": "/usr/bin:/bin", "MANROFFSEQ": "", "LC_ALL": "C.UTF-8", "MANWIDTH": "80"},
    )
    assert done.status == 0
    assert done.stderr == ""


def test_the_pages_know_every_exit_status() -> None:
    documented = re.findall(r"^\| (\d+) \|", (ROOT / "docs/exit-status.md").read_text(), re.MULTILINE)
    assert [status for status, _ in _STATUSES] == documented


def test_a_value_that_may_be_left_away_is_written_so() -> None:
    assert r"\fB\-\-watch\fR \fI[S]\fR" in made()["man/man1/list_guests.1"]
    assert r"\fB\-\-diff\fR \fI[VERSION ...]\fR" in made()["man/man1/history_guest.1"]
    assert r"\fB\-\-timeout\fR \fIS\fR" in made()["man/man1/list_guests.1"]


def test_roff_in_prose_is_text() -> None:
    from vme.reference.man import _prose

    assert _prose(".SH not a\nrequest\\n `a-\nb`\n\n    'as\n    .it is") == [
        *(".PP", r"\&.SH not a request\en \fBa\- b\fR"),
        *(".PP", ".RS 4", ".EX", r"\(aqas", r"\&.it is", ".EE", ".RE"),
    ]


@pytest.mark.parametrize(
    "shell",
    [["bash", "-n", "completion/vme.bash"], ["zsh", "-n", "completion/_vme"], ["fish", "-n", "completion/vme.fish"]],
)
def test_a_shell_reads_its_script(shell: list[str]) -> None:
    done = run([*shell[:-1], str(ROOT / shell[-1])])
    assert (done.status, done.stderr) == (0, "")


def test_fish_says_nothing_while_it_reads_its_script() -> None:
    done = run(["fish", "--no-config", "-c", f"source {ROOT}/completion/vme.fish"])
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def test_for_zsh_nothing_stands_after_a_word_of_which_there_may_be_many() -> None:
    for call in made()["completion/_vme"].split("_arguments")[1:]:
        words = re.findall(r"^ +'(\*?):", call.partition(";;")[0], re.MULTILINE)
        assert "*" not in words[:-1], call


def completions(words: list[str], environment: dict[str, str]) -> list[str]:
    """What bash offers for the last of these words."""
    line = " ".join(words)
    script = f"""\
source {ROOT}/completion/vme.bash
COMP_WORDS=({" ".join(shlex.quote(word) for word in words)}); COMP_CWORD={len(words) - 1}; COMP_LINE={shlex.quote(line)}
_vme
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = run(["bash", "--norc", "-c", script], environment=environment)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A `vme` that answers, for names, with the kind it is asked for."""
    stand_in = tmp_path / "vme"
    stand_in.write_text('#!/bin/sh\necho "one-of-$2"\n')
    stand_in.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("start_guest ", ["one-of-guests"]),
        ("start_guest --force web1 ", ["one-of-guests"]),
        ("start_guest --zone ", ["one-of-zones"]),
        ("start_guest --zone = ", ["one-of-zones"]),
        ("start_guest --dr", ["--dry-run"]),
        ("start_guest two-of", []),
        ("migrate_guest ", ["one-of-guests"]),
        ("migrate_guest web1 ", ["one-of-nodes"]),
        ("migrate_guest --timeout 3 web1 ", ["one-of-nodes"]),
        ("migrate_guest --timeout ", []),
        ("list_guests -o j", ["json"]),
        ("create_guest web1 -s ", ["one-of-nodes"]),
        ("replace_disk ", ["one-of-machines"]),
        ("disk_list ", ["one-of-machines"]),
        ("node_list ", ["one-of-nodes"]),
        ("vme keys list ", ["one-of-machines"]),
        ("vme keys install ", ["one-of-machines"]),
        ("vme nodes run ", ["one-of-machines"]),
        ("vme sta", ["start"]),
        ("vme start ", ["one-of-guests"]),
        ("vme migrate web1 ", ["one-of-nodes"]),
        ("vme nosuch ", []),
    ],
)
def test_bash_offers(line: str, offered: list[str], environment: dict[str, str]) -> None:
    assert completions(line.split(" "), environment) == offered


def test_each_tool_is_known_to_each_shell() -> None:
    for tool in every_tool():
        if tool.stands_alone:
            assert f" {tool.program}" in made()["completion/vme.bash"].splitlines()[-1]
            assert tool.program in made()["completion/_vme"].splitlines()[0].split()
            assert f"-c {tool.program} " in made()["completion/vme.fish"]
