"""What a tool takes, as data: read from its parser, so that help, man page and completion say the same."""

import argparse
from importlib import import_module

from vme.commands.parser import help_text, parser_of
from vme.commands.registry import COMMANDS, Command
from vme.records import dataclass

# What stands for a value in help -> what completes it: a kind of names, `files`, or nothing.
COMPLETED_BY = {
    "GUEST": "guests",
    "COMMAND GUEST ...": "guests",
    "NODE": "nodes",
    "NODES": "nodes",
    "ZONE": "zones",
    "VIRT-STORE": "stores",
    "FILE": "files",
    "FILE|NAME": "files",
    "FILE|GUEST": "guests",
    "ADDRESS": None,
    "ADDRESS,...": None,
    "BRIDGE": None,
    "GUEST|NODES": "guests",
    "GROUP": None,
    "COLUMNS": None,
    "CHAR": None,
    "DISK": None,
    "GIB": None,
    "KEY": None,
    "KEY=VALUE": None,
    "LEVEL": None,
    "MIB": None,
    "MS": None,
    "N": None,
    "NAME": None,
    "REASON": None,
    "S": None,
    "SIZE": None,
    "STATE": None,
    "SUM": None,
    "TAG": None,
    "TEXT": None,
    "TIME": None,
    "TOOL": None,
    "USER": None,
    "VERSION": None,
}
# What a tool calls its words where a storage server is meant as well as a node; help calls them NODE and NODES.
_OF_MACHINES = ("machine", "machines")


@dataclass(frozen=True)
class Option:
    """An option: its flags, short ones first; what stands for its value, if it takes one; what values there are.

    `written` is the value as a person reads it: `S`, or `[S]` where it may be left away.
    """

    flags: tuple[str, ...]
    value: str | None
    written: str | None
    choices: tuple[str, ...]
    help: str
    repeatable: bool


@dataclass(frozen=True)
class Word:
    """A word that stands by itself on the command line, or several of the kind; `completed` by what, if by anything."""

    name: str
    many: bool
    help: str
    completed: str | None


@dataclass(frozen=True)
class Tool:
    """A tool: how it is called, what it takes, and a remark that its help ends with."""

    command: Command
    program: str
    usage: str
    options: tuple[Option, ...]
    words: tuple[Word, ...]
    remark: str | None
    # What it says to --help, by what it is called: list_guests, vme list.
    helps: dict[str, str]

    @property
    def stands_alone(self) -> bool:
        """Whether it is a command of its own, not only a verb of `vme`."""
        return self.program == self.command.name


def every_tool() -> tuple[Tool, ...]:
    """All tools, in the order of the registry."""
    return tuple(tool_of(command) for command in COMMANDS.values())


def tool_of(command: Command) -> Tool:
    """What one tool takes."""
    program = f"vme {command.verb}" if command.verb_only else command.name
    module = import_module(f"vme.commands.{command.module}")
    parser = parser_of(command, program, module)
    formatter = argparse.HelpFormatter(program, width=10_000)
    actions = parser._actions
    return Tool(
        command,
        program,
        _usage(parser),
        tuple(_option(action, formatter) for action in actions if action.option_strings),
        tuple(_word(action, formatter) for action in actions if not action.option_strings),
        parser.epilog,
        {called: help_text(command, called, module) for called in {program, f"vme {command.verb}"}},
    )


def completed_by(value: str | None) -> str | None:
    """What completes a value that help calls so: a kind of names, `files`, or nothing."""
    return COMPLETED_BY[value] if value is not None else None


def _usage(parser: argparse.ArgumentParser) -> str:
    """The usage on one line, whatever the terminal's width is."""
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=10_000)
    return " ".join(parser.format_usage().removeprefix("usage: ").split())


def _option(action: argparse.Action, formatter: argparse.HelpFormatter) -> Option:
    flags = tuple(sorted(action.option_strings, key=len))
    repeatable = isinstance(action, argparse._AppendAction)
    if action.nargs == 0:
        return Option(flags, None, None, (), _help(action, formatter), repeatable)
    choices = tuple(map(str, action.choices or ()))
    value = action.metavar if isinstance(action.metavar, str) else "|".join(choices) or action.dest.upper()
    written = value if action.nargs is None else formatter._format_args(action, value)
    return Option(flags, value, written, choices, _help(action, formatter), repeatable)


def _word(action: argparse.Action, formatter: argparse.HelpFormatter) -> Word:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    completed = "machines" if action.dest in _OF_MACHINES else COMPLETED_BY.get(name)
    return Word(name, action.nargs in ("*", "+", argparse.REMAINDER), _help(action, formatter), completed)


def _help(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    """The help of one argument, with the values it names (%(default)s) filled in."""
    return formatter._expand_help(action) if action.help else ""
