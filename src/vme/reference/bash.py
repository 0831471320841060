"""Completion for bash: a table of what each tool takes, for the hand-written function in engine.bash."""

from collections.abc import Sequence
from pathlib import Path

from vme.reference.arguments import Tool, completed_by

ENGINE = Path(__file__).with_name("engine.bash")


def script_for(tools: Sequence[Tool]) -> str:
    """The whole script, for `source` or /usr/share/bash-completion/completions."""
    cases = "\n".join(_case(tool) for tool in tools)
    verbs = " ".join(f"'{tool.command.verb}'" for tool in tools)
    names = " ".join(tool.command.name for tool in tools if tool.stands_alone)
    return (
        "# bash completion for VME Tools. Made by `python -m vme.reference`.\n\n"
        f"_vme_verbs=({verbs})\n\n"
        "# Sets options, values (option=what completes its value) and words (what completes a word).\n"
        f"_vme_tool() {{\n    case $1 in\n{cases}\n        *) return 1 ;;\n    esac\n}}\n\n"
        f"{ENGINE.read_text()}\ncomplete -F _vme vme {names}\n"
    )


def _case(tool: Tool) -> str:
    options = " ".join(flag for option in tool.options for flag in option.flags)
    values = " ".join(
        f"{flag}={','.join(option.choices) or _kind(completed_by(option.value))}"
        for option in tool.options
        if option.value is not None
        for flag in option.flags
    )
    words = " ".join(_kind(word.completed) for word in tool.words)
    names = "|".join(dict.fromkeys((tool.command.name, f"'vme {tool.command.verb}'")))
    return (
        f"        {names})\n            options='{options}'\n            values='{values}'\n"
        f"            words='{words}'\n            ;;"
    )


def _kind(completed: str | None) -> str:
    """`:guests` for names, `:files`, or `:` for what nobody can guess."""
    return f":{completed or ''}"
