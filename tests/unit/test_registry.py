"""Every tool is in every place where people look for it; and the exit statuses are as documented."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from vme import errors
from vme.commands.registry import COMMANDS, VERBS, Command

ROOT = Path(__file__).parent.parent.parent
NAMED = [command for command in COMMANDS.values() if not command.verb_only]


def test_names_and_verbs_are_unlike() -> None:
    assert len(COMMANDS) == len(VERBS)
    assert not COMMANDS.keys() & VERBS.keys()
    assert set(VERBS.values()) == set(COMMANDS.values())


@pytest.mark.parametrize("command", NAMED, ids=lambda command: command.name)
def test_a_tool_has_its_link_its_script_and_its_row(command: Command) -> None:
    link = ROOT / "bin" / command.name
    assert link.is_symlink()
    assert str(link.readlink()) == "vme"
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| `{command.name}")]
    assert len(rows) == 1
    assert f"`vme {command.verb}`" in rows[0]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_a_tool_has_its_module(command: Command) -> None:
    module = import_module(f"vme.commands.{command.module}")
    assert callable(module.add_arguments)
    assert callable(module.run)
    assert f"`vme {command.verb}" in (ROOT / "README.md").read_text()


def test_there_is_no_link_or_script_without_a_tool() -> None:
    links = {path.name for path in (ROOT / "bin").iterdir() if path.is_symlink()}
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert links == {command.name for command in NAMED}
    assert set(scripts) == {"vme"} | links
    assert set(scripts.values()) == {"vme.__main__:main"}


def test_exit_statuses_are_those_of_the_page() -> None:
    page = (ROOT / "docs/exit-status.md").read_text()
    cells = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    rows = [row for row in cells if row[1].strip().isdigit()]
    documented = {int(row[1]): row[2].strip() for row in rows}
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.VmeError)]
    assert {0} | {one.exit_status for one in classes} == set(documented)
    words: dict[type[errors.VmeError], str] = {
        errors.Failed: "failed",
        errors.Misused: "misused",
        errors.Misconfigured: "misconfigured",
        errors.Refused: "refused",
        errors.NotFound: "not found",
        errors.Ambiguous: "ambiguous",
        errors.Silent: "silent",
        errors.NoneDone: "none",
        errors.Interrupted: "interrupted",
    }
    assert set(words) | {errors.VmeError} == set(classes)
    for one, word in words.items():
        assert word in documented[one.exit_status], one


def test_one_reason_stands_alone_and_many_are_listed() -> None:
    assert errors.Refused("web1", ["full"]).message == "web1: full"
    assert errors.Refused("web1", ["full", "old"]).message == "web1:\n  - full\n  - old"
    assert errors.Refused("web1", ["full", "old"]).reasons == ("full", "old")
