"""start, shutdown, reboot, stop, suspend and resume: one tool each, from one table of verbs."""

import argparse
from collections.abc import Callable, Sequence
from itertools import count

from vme.actions.lifecycle import VERBS, Plan, carry_out, check
from vme.commands.context import (
    Context,
    add_guests,
    add_plan_options,
    add_reason,
    add_timeout,
    add_yes,
    chosen_guests,
    confirm,
    seconds,
)
from vme.commands.each import on_each
from vme.commands.registry import Command
from vme.hypervisor.guest import Guest
from vme.progress import shown_progress

_SHUTDOWN_WAIT_S = 120.0


def add_arguments(parser: argparse.ArgumentParser, command: Command) -> None:
    verb = VERBS[command.verb]
    add_guests(parser)
    doubts = "although it may run on a silent node, or work on it is not finished"
    add_plan_options(parser, force=f"{verb.name} {doubts}" if verb.needs_whole_zone else None)
    add_reason(parser)
    if verb.destroys:
        add_yes(parser)
    if verb.name == "start":
        parser.add_argument("-C", "--console", action="store_true", help="then open its screen, as console_guest does")
    if verb.waits_until_off:
        parser.add_argument(
            "--timeout",
            dest="wait",
            type=seconds,
            default=_SHUTDOWN_WAIT_S,
            metavar="S",
            help="wait this many seconds for the guest to be off (default %(default)g)",
        )
    else:
        add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, command: Command) -> int:
    verb = VERBS[command.verb]
    located = chosen_guests(arguments, context, by_library=verb.needs_library)

    def plan(index: int) -> Plan:
        guest, force = located.guests[index], getattr(arguments, "force", False)
        return check(context.config, verb, guest, located.everyone, located.silences, force=force)

    def work(index: int) -> str:
        return carry_out(context.config, plan(index), wait_s=getattr(arguments, "wait", 0.0))

    if arguments.dry_run:
        return on_each(context, located.guests, lambda index: str(plan(index)))
    if verb.destroys:
        confirm(
            f"Pull the plug of {len(located.guests)} guest(s)?",
            [f"  {guest}" for guest in located.guests],
            yes=arguments.yes,
        )
    if getattr(arguments, "console", False):
        from vme.commands.console_guest import opener

        open_console = opener(arguments, located.guests, context)
        return on_each(context, located.guests, work) or open_console()
    if verb.waits_until_off:
        return _wait_shown(context, located.guests, work)
    return on_each(context, located.guests, work)


def _wait_shown(context: Context, guests: Sequence[Guest], work: Callable[[int], str]) -> int:
    """Do the work while a person sees how long it takes, and how many are done with it."""
    ended = count(1)
    with shown_progress(f"{len(guests)} shutting down", quiet=context.quiet) as advance:

        def shown(index: int) -> str:
            try:
                return work(index)
            finally:
                number = next(ended)
                advance(100 * number / len(guests), f"{number} of {len(guests)}")

        return on_each(context, guests, shown)
