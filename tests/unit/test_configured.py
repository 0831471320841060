"""Options that vme.toml gives a tool: words before a person's own, or an error that names file, tool and option."""

from pathlib import Path

import pytest

from vme import config
from vme.commands import lifecycle
from vme.commands.configured import configured_words
from vme.commands.parser import parser_of
from vme.commands.registry import COMMANDS
from vme.errors import Misconfigured

ZONE = """
[zones.east]
nodes = "kvm01"
store = "/srv/vme/virt-store"
management_store = "/srv/vme/east/virt-store"
"""
STOP = COMMANDS["stop_guest"]


def words(tmp_path: Path, table: str) -> list[str]:
    file = tmp_path / "vme.toml"
    file.write_text(ZONE + table)
    return configured_words(config.read_file(file), STOP, parser_of(STOP, "stop_guest", lifecycle))


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
