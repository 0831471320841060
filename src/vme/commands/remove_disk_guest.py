"""remove_disk_guest: a disk is taken off a guest; its image stays, unless it is purged."""

import argparse

from vme.actions.remove_disk import Plan, carry_out, check
from vme.commands.context import (
    Context,
    add_guests,
    add_plan_options,
    add_reason,
    add_turn,
    add_yes,
    chosen_guests,
    confirm,
    seconds,
)
from vme.commands.each import on_each
from vme.commands.registry import Command

_LET_GO_S = 30.0


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    parser.add_argument("disk", metavar="DISK", help="the disk's target: vdb")
    parser.add_argument("--purge", action="store_true", help="remove the image too, for good")
    add_plan_options(parser, force="remove the disk it boots from, or the last hold on a lost image")
    add_reason(parser)
    add_turn(parser)
    add_yes(parser)
    parser.add_argument(
        "--timeout",
        dest="wait",
        type=seconds,
        default=_LET_GO_S,
        metavar="S",
        help="wait this many seconds for a running guest to let go of it (default %(default)g)",
    )


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    located = chosen_guests(arguments, context)
    options = {"purge": arguments.purge, "force": arguments.force}

    def plan(index: int) -> Plan:
        timeout_s = context.config.defaults.timeout_s
        return check(context.config, located.guests[index], arguments.disk, timeout_s=timeout_s, **options)

    if arguments.dry_run:
        return on_each(context, located.guests, lambda index: "\n".join(plan(index).lines()))
    what = f"disk {arguments.disk} of {len(located.guests)} guest(s){' and its image' if arguments.purge else ''}"
    lines = plan(0).lines() if len(located.guests) == 1 else [f"  {guest}" for guest in located.guests]
    confirm(f"Remove {what}?", lines, yes=arguments.yes)
    return on_each(
        context,
        located.guests,
        lambda index: carry_out(plan(index), wait_s=arguments.wait, reason=arguments.reason),
    )
