"""resize_disk_guest: a disk grows, while the guest runs or while it does not."""

import argparse

from vme.actions.resize_disk import Plan, carry_out, check
from vme.commands.context import (
    Context,
    add_guests,
    add_plan_options,
    add_reason,
    add_timeout,
    add_turn,
    chosen_guests,
    size,
    timeout_of,
)
from vme.commands.each import on_each
from vme.commands.registry import Command


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    parser.add_argument("disk", metavar="DISK", help="the disk's target: vda")
    parser.add_argument(
        "size", type=size, metavar="SIZE", help="its new size, larger than it is: 20 or 20G (GiB), 512M, 2T"
    )
    add_plan_options(parser, force="grow although its image has snapshots, or although a node of the zone is silent")
    add_reason(parser)
    add_turn(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    located = chosen_guests(arguments, context)
    timeout_s = timeout_of(arguments, context)

    def plan(index: int) -> Plan:
        guest = located.guests[index]
        return check(context.config, guest, arguments.disk, arguments.size, force=arguments.force, timeout_s=timeout_s)

    if arguments.dry_run:
        return on_each(context, located.guests, lambda index: "\n".join(plan(index).lines()))
    return on_each(context, located.guests, lambda index: carry_out(plan(index), reason=arguments.reason))
