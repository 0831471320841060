"""vme repair: what tools left unfinished, when they were killed or their server failed, is finished or undone."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from vme.actions.repair.check import Case, check, cure
from vme.actions.repair.places import Place, places
from vme.actions.repair.unfinished import Unfinished, unfinished_held
from vme.commands.context import Context, add_reason, add_timeout, add_turn, timeout_of
from vme.commands.registry import Command
from vme.errors import Failed, NoneDone, Refused, Silent, VmeError
from vme.journal.lock import AtWork
from vme.names import checked


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("guests", nargs="*", metavar="GUEST", help="only these guests (default: all there is)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    add_reason(parser)
    add_turn(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    found, unreadable = places(context.config, [checked(name, "guest") for name in arguments.guests])
    problems: list[VmeError] = []
    cases = 0
    with ExitStack() as holding:
        works = list(_works(found, context, holding, problems, named=bool(arguments.guests)))
        for case in check(context.config, works, timeout_of(arguments, context), context.warn):
            try:
                _deal_with(case, context, dry_run=arguments.dry_run)
                cases += 1
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


def _works(
    found: Sequence[Place], context: Context, holding: ExitStack, problems: list[VmeError], *, named: bool
) -> Iterator[Unfinished]:
    """What was left unfinished at these places, each held until `holding` is left."""
    for place in found:
        try:
            work = holding.enter_context(unfinished_held(context.config, place))
        except AtWork as at_work:
            # Not unfinished, but under way; of interest to who asked for that guest.
            if named:
                problems.append(at_work)
            else:
                context.say(at_work.message)
        except VmeError as problem:
            problems.append(problem)
        else:
            if work is not None:
                yield work


def _deal_with(case: Case | VmeError, context: Context, *, dry_run: bool) -> None:
    """Repair what was left unfinished, or show what would be done; raises what speaks against it."""
    if isinstance(case, VmeError):
        raise case
    context.touched.append(case.work.entry.intent.guest)
    if dry_run:
        print("\n".join(case.lines()))
    else:
        context.say(cure(case))
