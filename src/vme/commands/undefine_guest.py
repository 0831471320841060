"""undefine_guest: a guest's definition goes from its node; all that it needs to come back stays on the store."""

import argparse

from vme.actions.undefine import carry_out, check
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
    add_plan_options(parser, force="discard its saved memory; leave on the node what can't be copied to the store")
    add_reason(parser)
    add_turn(parser)
    add_yes(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    timeout_s = timeout_of(arguments, context)
    guests = chosen_guests(arguments, context).guests
    plans = [check(context.config, guest, force=arguments.force, timeout_s=timeout_s) for guest in guests]
    lines = [line for plan in plans for line in plan.lines()]
    if arguments.dry_run:
        print("\n".join(lines))
        return 0
    confirm(f"Undefine {len(plans)} guest(s)?", lines, yes=arguments.yes)
    return on_each(context, guests, lambda index: carry_out(plans[index], reason=arguments.reason))
