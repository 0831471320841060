"""Options that vme.toml gives a tool each time: [tools.list_guests] columns = "name,node"."""

import argparse
from collections.abc import Mapping

from vme.commands.registry import COMMANDS, Command
from vme.config import Config
from vme.errors import Misconfigured
from vme.toml_table import OptionValue


def configured_words(
    config: Config, command: Command, parser: argparse.ArgumentParser, said: argparse.Namespace
) -> list[str]:
    """The configured options of a tool as words to stand before a person's own, which so have the last say.

    `said` is what the person's own words say: what they leave no room for is left out. Raises Misconfigured for a tool
    or an option that there is not.
    """
    unknown = sorted(set(config.tool_options) - set(COMMANDS))
    if unknown:
        raise Misconfigured(f"{config.file}: tools.{unknown[0]}: there is no such tool", hint="vme --help lists them")
    options = config.tool_options.get(command.name, {})
    actions = {option: action for action in parser._actions for option in action.option_strings}
    for key in options:
        if f"--{key}" not in actions:
            raise Misconfigured(
                f"{config.file}: tools.{command.name}.{key}: {command.name} has no option --{key}",
                hint=f"{command.name} --help lists its options",
            )
    return words_of(
        {key: value for key, value in options.items() if not _is_settled(actions[f"--{key}"], parser, said)}
    )


def words_of(options: Mapping[str, OptionValue]) -> list[str]:
    """`{"columns": "name", "quiet": True}` -> `["--columns=name", "--quiet"]`."""
    words = []
    for key, value in options.items():
        if isinstance(value, bool):
            words += [f"--{key}"] if value else []
        else:
            words += [f"--{key}={one}" for one in (value if isinstance(value, tuple) else (value,))]
    return words


def _is_settled(action: argparse.Action, parser: argparse.ArgumentParser, said: argparse.Namespace) -> bool:
    """Whether a person's own words give this option, to which a repeatable one would add, or one that excludes it.

    Where they say what is the default anyway, they stand behind the configured option, and count.
    """
    groups = [group._group_actions for group in parser._mutually_exclusive_groups]
    rivals = [rival for group in groups if action in group for rival in group]
    return any(getattr(said, one.dest, one.default) != one.default for one in (action, *rivals))
