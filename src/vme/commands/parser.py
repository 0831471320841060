"""The parser of a tool's command line, and its help: what argparse knows, then the examples of its manual."""

import argparse
from collections.abc import Sequence
from types import ModuleType

from vme.commands.help import WIDTH, terminal_width
from vme.commands.registry import Command


class Parser(argparse.ArgumentParser):
    """argparse's, whose help ends with the examples; they are read only if help is asked for."""

    tool = ""

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """What a command line says. Options may stand between a tool's words, but for words that it hands on."""
        hands_on = any(action.nargs == argparse.REMAINDER for action in self._actions)
        if hands_on or "--" in words:  # after which nothing is an option, as argparse's intermixed would have it
            return self.parse_args(words)
        return self.parse_intermixed_args(words)

    def format_help(self) -> str:
        from vme.manual import read_manual

        try:
            examples = read_manual(self.tool).examples
        except OSError:
            return super().format_help()
        lines = [line for example in examples for line in (f"  {example.text}:", f"      {example.command}")]
        return "\n".join([super().format_help(), "examples:", *lines, ""])


def parser_of(command: Command, program: str, module: ModuleType) -> Parser:
    """The parser of a tool, called `program`; `module` is the tool's in vme.commands."""
    from vme.commands.context import add_common

    text = command.help
    parser = Parser(
        prog=program, description=text[0].upper() + text[1:] + ".", allow_abbrev=False, formatter_class=_formatter
    )
    parser.tool = command.name
    module.add_arguments(parser, command)
    add_common(parser)
    return parser


class _Formatter(argparse.HelpFormatter):
    """argparse's own, in the form of Python 3.13 everywhere: a value is named once, after all names of its option."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Told the width: left to find it, it imports shutil (7 ms), even where no help is asked for."""
    return _Formatter(prog, width=max(WIDTH // 2, terminal_width() - 2))


def help_text(command: Command, program: str, module: ModuleType) -> str:
    """The help of a tool for a terminal of the usual width, whatever ours is."""
    parser = parser_of(command, program, module)
    parser.formatter_class = lambda prog: _Formatter(prog, width=WIDTH - 2)
    return parser.format_help()
