"""save_guest: the XML of guests, saved beside their images."""

import argparse

from vme.actions.save import save
from vme.commands.context import Context, add_guests, add_reason, add_timeout, add_turn, chosen_guests, timeout_of
from vme.commands.each import on_each
from vme.commands.registry import Command


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be saved, and change nothing")
    add_reason(parser)
    add_turn(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    timeout_s = timeout_of(arguments, context)
    guests = chosen_guests(arguments, context).guests

    def work(index: int) -> str:
        return save(context.config, guests[index], timeout_s=timeout_s, dry_run=arguments.dry_run)

    return on_each(context, guests, work)
