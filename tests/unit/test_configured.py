"""Options that vme.toml gives a tool: words before a person's own, or an error that names file, tool and option."""

import argparse
from importlib import import_module
from pathlib import Path

import pytest

from vme import config
from vme.__main__ import run
from vme.commands import lifecycle
from vme.commands.configured import configured_words
from vme.commands.parser import Parser, parser_of
from vme.commands.registry import COMMANDS
from vme.errors import Misconfigured

ZONE = """
[zones.east]
nodes = "kvm01"
store = "/srv/vme/virt-store"
management_store = "/srv/vme/east/virt-store"
"""
STOP = COMMANDS["stop_guest"]


def parser_for(tool: str) -> Parser:
    return parser_of(COMMANDS[tool], tool, import_module(f"vme.commands.{COMMANDS[tool].module}"))


def words(tmp_path: Path, table: str, *own: str, tool: str = "stop_guest") -> list[str]:
    """What the configuration puts before a person's own words."""
    file = tmp_path / "vme.toml"
    file.write_text(ZONE + table)
    parser = parser_for(tool)
    return configured_words(config.read_file(file), COMMANDS[tool], parser, parser.read(own))


def test_each_kind_of_value_becomes_words(tmp_path: Path) -> None:
    table = '[tools.stop_guest]\nyes = true\nquiet = false\njobs = 8\nzone = ["east", "west"]\nreason = "a b"\n'
    assert words(tmp_path, table) == ["--yes", "--jobs=8", "--zone=east", "--zone=west", "--reason=a b"]


def test_another_tools_options_are_not_this_ones(tmp_path: Path) -> None:
    assert words(tmp_path, "[tools.list_guests]\nquiet = true\n") == []


def test_the_command_line_has_the_last_say(tmp_path: Path) -> None:
    given = words(tmp_path, "[tools.stop_guest]\njobs = 8\n")
    parser = parser_of(STOP, "stop_guest", lifecycle)
    assert parser.parse_args([*given, "web1"]).jobs == 8
    assert parser.parse_args([*given, "--jobs", "2", "web1"]).jobs == 2
    default = ("--jobs", "4", "web1")
    assert parser.parse_args([*words(tmp_path, "[tools.stop_guest]\njobs = 8\n", *default), *default]).jobs == 4


def test_what_could_be_repeated_is_not_added_to_ones_own(tmp_path: Path) -> None:
    table = '[tools.stop_guest]\nnode = ["kvm01", "kvm02"]\nzone = "east"\n'
    assert words(tmp_path, table, "--all", "--node", "kvm03") == ["--zone=east"]
    assert words(tmp_path, table, "--all") == ["--node=kvm01", "--node=kvm02", "--zone=east"]


def test_what_excludes_ones_own_is_left_out(tmp_path: Path) -> None:
    table = "[tools.console_guest]\nweb = true\nforce = true\n"
    assert words(tmp_path, table, "web1", "--serial", tool="console_guest") == ["--force"]
    assert words(tmp_path, table, "web1", tool="console_guest") == ["--web", "--force"]
    table = "[tools.history_guest]\ndiff = 3\n"
    assert words(tmp_path, table, "web1", "--restore", "2", tool="history_guest") == []


@pytest.mark.parametrize("tool", COMMANDS)
def test_argparse_requires_no_option_that_vme_toml_may_give(tool: str) -> None:
    """A person's own words are read first."""
    parser = parser_for(tool)
    assert not [action for action in parser._actions if action.option_strings and action.required]
    assert not [group for group in parser._mutually_exclusive_groups if group.required]


def test_a_tool_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def listing(arguments: argparse.Namespace, *_: object) -> int:
        seen.append(arguments.node)
        return 0

    monkeypatch.setattr("vme.commands.list_guests.run", listing)
    monkeypatch.setenv("VME_CONFIG", str(tmp_path / "vme.toml"))
    table = f'[audit]\nfile = "{tmp_path}/audit.log"\n[tools.list_guests]\nnode = "kvm01"\n'
    (tmp_path / "vme.toml").write_text(ZONE + table)
    assert run("list_guests", []) == run("list_guests", ["--node", "kvm02"]) == 0
    assert seen == [["kvm01"], ["kvm02"]]
    (tmp_path / "vme.toml").write_text(ZONE + f'{table}sort = "nosuch"\ntimeout = "soon"\n')
    assert run("list_guests", []) == 2
    assert "list_guests: the options that vme.toml gives this tool can't be used" in capsys.readouterr().err
    assert run("vme", ["keys", "install", "kvm01", "--key", "/nowhere"]) == 2
    assert "--role read, storage, operate or admin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[tools.stop_gest]\nyes = true\n", "tools.stop_gest: there is no such tool"),
        ("[tools.stop_guest]\nsure = true\n", "tools.stop_guest.sure: stop_guest has no option --sure"),
        ("[tools.stop_guest]\nyes = { a = 1 }\n", "tools.stop_guest.yes: must be a text, a number"),
        ("[tools]\nstop_guest = 3\n", "must be a table"),
    ],
)
def test_what_can_not_be_is_said(tmp_path: Path, table: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        words(tmp_path, table)
