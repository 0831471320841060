"""replace_disk: a disk of md arrays goes, another comes, step by step; begun again, it goes on where the machine is."""

import argparse
import select
import sys
import time

from vme.actions.replace_disk.carry_out import Manner, carry_out
from vme.actions.replace_disk.objections import CODES, checked_codes
from vme.actions.replace_disk.plan import check
from vme.actions.replace_disk.report import dry_run
from vme.commands.context import Context, add_reason, add_timeout, add_yes, confirm, seconds, timeout_of
from vme.commands.registry import Command
from vme.fleet.inventory import machine_named
from vme.progress import shown_progress

_EXCHANGE_WAIT_S = 3600.0


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("machine", metavar="NODE", help="a node or a storage server")
    parser.add_argument("device", metavar="DISK", help="the disk: sda, its serial number, or its bay")
    parser.add_argument("--dry-run", action="store_true", help="show every command that would be typed; change nothing")
    parser.add_argument(
        "--force",
        action="append",
        default=[],
        metavar="REASON",
        help=f"override one refusal, named as it names itself; repeatable: {', '.join(CODES)}",
    )
    parser.add_argument("--no-wait", action="store_true", help="end when the rebuild runs; disk_list shows it")
    parser.add_argument(
        "--wait",
        type=seconds,
        default=_EXCHANGE_WAIT_S,
        metavar="S",
        help="wait this many seconds for the new disk (default %(default)g)",
    )
    add_reason(parser)
    add_yes(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    machine = machine_named(context.config, arguments.machine)
    forced = checked_codes(arguments.force)
    context.touched.append(f"{machine.name}:{arguments.device}")
    plan = check(context.config, machine, arguments.device, forced, timeout_of(arguments, context))
    if arguments.dry_run:
        print("\n".join([*(f"# {line}" for line in plan.lines()), *dry_run(plan)]))
        return 0
    confirm("Go on?" if plan.resumed else "Is this the disk?", plan.lines(), yes=arguments.yes)
    with shown_progress(f"rebuild on {machine.name}", quiet=context.quiet) as advance:
        manner = Manner(context.say, advance, _pressed, arguments.wait, not arguments.no_wait)
        outcome = carry_out(plan, manner)
    context.say(outcome)
    return 0


def _pressed(wait_s: float) -> bool:
    """Wait, at most so long, for Enter; where nobody can press it, just wait."""
    if not sys.stdin.isatty():
        time.sleep(wait_s)
        return False
    ready, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(ready) and bool(sys.stdin.readline())
