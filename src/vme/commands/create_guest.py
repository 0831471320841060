"""create_guest: new guests with their images and saved XML, one or a whole batch."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vme.commands.context import (
    JOBS_PER_NODE,
    Context,
    add_plan_options,
    add_reason,
    add_timeout,
    add_turn,
    add_yes,
    confirm,
    seconds,
    timeout_of,
    whole_above_zero,
)
from vme.commands.create_options import add_options, options_of
from vme.commands.registry import Command
from vme.errors import Failed, Misused, NoneDone, Refused, VmeError
from vme.progress import shown_progress

if TYPE_CHECKING:
    from vme.actions.create.carry_out import Outcome
    from vme.actions.create.plan import GuestPlan, Plan
    from vme.actions.create.wish import Request
    from vme.hypervisor.guest import Guest

# What follows `--` is virt-install's.
HANDS_ON = True
_WAIT_S = 300.0


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    names = "the new guest's name, or a set of names: web[01-20]"
    parser.add_argument("guests", nargs="*", metavar="GUEST", help=names)
    parser.add_argument("--batch", metavar="FILE", help="create the guests that this YAML file lists")
    add_options(parser)
    events = ("agent", "ssh", "shutdown", "boot")
    parser.add_argument("--wait", choices=events, help="start it, and wait for this sign of life")
    wait = "wait this many seconds at most (default %(default)g)"
    parser.add_argument("--wait-timeout", type=seconds, default=_WAIT_S, metavar="S", help=wait)
    jobs = "create this many on a node at once (default %(default)s)"
    parser.add_argument("--jobs", type=whole_above_zero, default=JOBS_PER_NODE, metavar="N", help=jobs)
    add_plan_options(parser, force="create although a node is silent or memory is short")
    add_reason(parser)
    add_turn(parser)
    add_yes(parser)
    add_timeout(parser)
    parser.epilog = "What follows -- is handed to virt-install as it is: create_guest web1 -- --cpu host-model"


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    from vme.actions.create.check import check

    requests = _requests(arguments, context)
    context.touched += [request.name for request in requests]
    plan = check(context.config, requests, force=arguments.force, timeout_s=timeout_of(arguments, context))
    context.touched += sorted({guest.node.name for guest in plan.guests})
    _refuse_vain_wait(arguments.wait, plan)
    if arguments.dry_run:
        print("\n".join(plan.lines()))
        return 0
    if len(plan.guests) > 1:
        confirm(f"Create these {len(plan.guests)} guests?", plan.lines(), yes=arguments.yes)
    outcome = _create(plan, context, arguments.jobs, arguments.reason)
    if arguments.wait is not None:
        _wait(arguments.wait, arguments.wait_timeout, plan, outcome, context)
    _sum_up(len(plan.guests), outcome, context)
    return 0


def _sum_up(total: int, outcome: "Outcome", context: Context) -> None:
    """Say or raise how many were created. On stderr, so that stdout has a line a guest and nothing else."""
    not_created = len(outcome.problems)
    said = "each is said above" + ("" if outcome.unfinished else ", and left nothing behind")
    if not_created == 0:
        if total > 1 and not context.quiet:
            context.warn(f"{total} guests, all created")
    elif not_created < total:
        raise Failed(f"{not_created} of {total} guests not created; {said}", hint=outcome.hint)
    else:
        raise NoneDone(f"none of {total} guests created; {said}", hint=outcome.hint)


def _requests(arguments: argparse.Namespace, context: Context) -> "tuple[Request, ...]":
    from vme.actions.create.batch import names_of, read_batch
    from vme.actions.create.options import requests_of

    options, defaults, extra = options_of(arguments), context.config.defaults, arguments.handed_on
    if bool(arguments.guests) == (arguments.batch is not None):
        raise Misused("name the guests to create, or a file that lists them (--batch): one of the two")
    if arguments.batch is not None:
        return read_batch(Path(arguments.batch), options, defaults, extra)
    names = tuple(name for text in arguments.guests for name in names_of(text))
    return requests_of(names, options, defaults, extra)


def _refuse_vain_wait(event: str | None, plan: "Plan") -> None:
    if event is None:
        return
    from vme.actions.create.wait import why_never

    reasons = [reason for guest in plan.guests if (reason := why_never(event, guest))]
    if reasons:
        raise Refused("nothing is created", reasons)


def _create(plan: "Plan", context: Context, jobs: int, reason: str | None) -> "Outcome":
    from vme.actions.create.carry_out import Listener, carry_out

    def created(guest_plan: "GuestPlan", guest: "Guest") -> None:
        started = " and started" if guest_plan.request.start else ""
        context.say(f"{guest}: created{started} ({guest_plan.placement})")

    def failed(guest_plan: "GuestPlan", problem: VmeError) -> None:
        said = problem.message if guest_plan.name in problem.message else f"{guest_plan.name}: {problem.message}"
        context.warn(f"{said}{f' (hint: {problem.hint})' if problem.hint else ''}")

    copies = any(image.source and not image.base for guest in plan.guests for image in guest.images)
    what = f"image of {plan.guests[0].name}" if len(plan.guests) == 1 else f"{len(plan.guests)} guests"
    with shown_progress(what, quiet=context.quiet or not copies) as advance:
        return carry_out(plan, Listener(advance, created, failed), at_once=jobs, reason=reason)


def _wait(event: str, timeout_s: float, plan: "Plan", outcome: "Outcome", context: Context) -> None:
    from vme.actions.create.wait import EVENTS, wait_for
    from vme.units import duration_text

    guests = {
        guest.name: (guest, outcome.created[guest.name]) for guest in plan.guests if guest.name in outcome.created
    }
    with shown_progress(f"waiting for {event}", quiet=context.quiet) as advance:
        waited = wait_for(event, guests, timeout_s, advance)
    for name, after_s in waited.after_s.items():
        context.say(f"{guests[name][1]}: {EVENTS[event]}, after {duration_text(after_s)}")
    if waited.problems:
        lines = "; ".join(f"{guests[name][1]}: {problem}" for name, problem in waited.problems.items())
        raise Failed(f"{lines}", hint="created and started all the same: look at the console")
