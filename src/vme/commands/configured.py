"""Options that vme.toml gives a tool each time: [tools.list_guests] columns = "name,node"."""

import argparse
from collections.abc import Mapping

from vme.commands.registry import COMMANDS, Command
from vme.config import Config
from vme.errors import Misconfigured
from vme.toml_table import OptionValue


def configured_words(config: Config, command: Command, parser: argparse.ArgumentParser) -> list[str]:
    """The configured options of a tool as words to stand before a person's own, which so have the last say.

    Raises Misconfigured for a tool or an option that there is not.
    """
    unknown = sorted(set(config.tool_options) - set(COMMANDS))
    if unknown:
        raise Misconfigured(f"{config.file}: tools.{unknown[0]}: there is no such tool", hint="vme --help lists them")
    return words_of(config.tool_options.get(command.name, {}), command.name, parser, str(config.file))


def words_of(options: Mapping[str, OptionValue], tool: str, parser: argparse.ArgumentParser, file: str) -> list[str]:
    """`{"columns": "name", "quiet": True}` -> `["--columns=name", "--quiet"]`. Raises Misconfigured."""
    known = {option for action in parser._actions for option in action.option_strings}
    words = []
    for key, value in options.items():
        if f"--{key}" not in known:
            raise Misconfigured(
                f"{file}: tools.{tool}.{key}: {tool} has no option --{key}", hint=f"{tool} --help lists its options"
            )
        if isinstance(value, bool):
            words += [f"--{key}"] if value else []
        else:
            words += [f"--{key}={one}" for one in (value if isinstance(value, tuple) else (value,))]
    return words
