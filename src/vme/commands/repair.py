"""vme repair: what tools left unfinished, when they were killed or their server failed, is finished or undone."""

import argparse

from vme.actions.repair.check import Place, case_held, cure, places
from vme.commands.context import Context, add_timeout, add_turn
from vme.commands.registry import Command
from vme.errors import Failed, NoneDone, Refused, Silent, VmeError
from vme.journal.lock import AtWork
from vme.names import checked


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("guests", nargs="*", metavar="GUEST", help="only these guests (default: all there is)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    add_turn(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    found, unreadable = places(context.config, [checked(name, "guest") for name in arguments.guests])
    problems: list[VmeError] = []
    cases = 0
    for place in found:
        try:
            cases += _one(place, context, dry_run=arguments.dry_run)
        except AtWork as work:
            # Not unfinished, but under way; of interest to who asked for that guest.
            if arguments.guests:
                problems.append(work)
            else:
                context.say(work.message)
        except VmeError as problem:
            problems.append(problem)
    if unreadable:
        problems.append(Refused("not all virt-stores could be looked into", unreadable))
    if not problems:
        if cases == 0:
            context.say("nothing was left unfinished")
        return 0
    if len(problems) == 1 and not cases:
        raise problems[0]
    for one in problems:
        context.warn(f"{one.message}{f' (hint: {one.hint})' if one.hint else ''}")
    kinds = {type(one) for one in problems}
    if kinds == {Silent}:
        raise Silent(f"{len(problems)} guests could not be repaired; each is said above")
    raise (Failed if cases else NoneDone)(f"{len(problems)} guests could not be repaired; each is said above")


def _one(place: Place, context: Context, *, dry_run: bool) -> int:
    """Repair, or show, what was left at one place; returns 1 if there was something that is not a person's to do."""
    with case_held(context.config, place) as case:
        if case is None:
            return 0
        context.touched.append(place.guest)
        if dry_run:
            print("\n".join(case.lines()))
        else:
            context.say(cure(case))
        return 1
