"""del_guest: a guest's definition goes, its directory moves to the trash."""

import argparse

from vme.actions.delete import carry_out, check
from vme.commands.context import (
    Context,
    add_guests,
    add_plan_options,
    add_reason,
    add_timeout,
    add_turn,
    add_yes,
    chosen_guests,
    confirm,
    timeout_of,
)
from vme.commands.each import on_each
from vme.commands.registry import Command


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    parser.add_argument("-d", "--purge", action="store_true", help="remove the images for good, not to the trash")
    add_plan_options(parser, force="delete although it runs, or although a node of the zone is silent")
    add_reason(parser)
    add_turn(parser)
    add_yes(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    timeout_s = timeout_of(arguments, context)
    located = chosen_guests(arguments, context)
    plans = [
        check(context.config, guest, purge=arguments.purge, force=arguments.force, timeout_s=timeout_s)
        for guest in located.guests
    ]
    lines = [line for plan in plans for line in plan.lines()]
    if arguments.dry_run:
        print("\n".join(lines))
        return 0
    confirm(f"Delete {len(plans)} guest(s)?", lines, yes=arguments.yes)
    return on_each(context, located.guests, lambda index: carry_out(plans[index], reason=arguments.reason))
