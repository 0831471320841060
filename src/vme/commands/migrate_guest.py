"""migrate_guest: guests move to another node, running or not; to one of another zone with their images."""

import argparse
import threading
from collections.abc import Callable, Sequence

from vme.actions.migrate.carry_out import carry_out
from vme.actions.migrate.check import check
from vme.actions.migrate.estimate import estimate
from vme.actions.migrate.many import Traffic
from vme.actions.migrate.options import with_options
from vme.actions.migrate.plan import Plan
from vme.actions.placement import OnItsWay
from vme.actions.together import Stop
from vme.commands.context import (
    Context,
    add_format,
    add_narrowing,
    add_reason,
    add_timeout,
    add_turn,
    chosen_guests,
    seconds,
    timeout_of,
    whole_above_zero,
)
from vme.commands.each import on_each
from vme.commands.migrate_check import add_check, refuse_format, show_check
from vme.commands.registry import Command
from vme.config import AUTO_CONVERGE, COMPRESSIONS
from vme.errors import Interrupted, Misused
from vme.hypervisor.guest import Guest
from vme.progress import Advance, shown_progress


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("guests", nargs="?", metavar="GUEST", help="a name, a set (web[01-20]), a pattern or a tag")
    parser.add_argument(
        "to", nargs="?", metavar="NODE", help="where to (default: of the nodes it can go to, the one with most memory)"
    )
    parser.add_argument("--all", action="store_true", help="all guests there are, or all that the next options leave")
    add_narrowing(parser)
    parser.add_argument(
        "--jobs", type=whole_above_zero, metavar="N", help="move this many off a node at once (default 2, or outgoing)"
    )
    parser.add_argument(
        "--with-storage", action="store_true", help="to a node of another zone, with their images, which are copied"
    )
    _add_manner(parser)
    add_check(parser)
    add_format(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    add_reason(parser)
    add_turn(parser)
    add_timeout(parser)


def _add_manner(parser: argparse.ArgumentParser) -> None:
    """How running guests move; what is not said here is as [zones.ZONE.migration] has it."""
    parser.add_argument("--bandwidth", type=whole_above_zero, metavar="MIB", help="send this many MiB/s at most")
    parser.add_argument(
        "--max-downtime", type=whole_above_zero, metavar="MS", help="pause it so many ms at most (default 1000)"
    )
    parser.add_argument(
        "--auto-converge",
        choices=AUTO_CONVERGE,
        help="slow a guest down that is too busy to move: when no pause allowed is enough (needed, the default), or "
        "from the start",
    )
    parser.add_argument("--parallel", type=whole_above_zero, metavar="N", help="send over this many connections")
    parser.add_argument("--compressed", choices=COMPRESSIONS, help="compress the memory")
    parser.add_argument(
        "--postcopy",
        action="store_true",
        default=None,
        help="at last let it run there before all its memory is: it is lost if the link breaks for good then",
    )
    parser.add_argument(
        "--time-limit", type=seconds, metavar="S", help="let it stay if it has not arrived within so many seconds"
    )


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    refuse_format(arguments)
    timeout_s = timeout_of(arguments, context)
    if arguments.all and arguments.guests:
        # With --all no guest is named, so the one word is the node.
        if arguments.to:
            raise Misused("with --all name no guest, but at most the node they go to")
        arguments.guests, arguments.to = None, arguments.guests
    if arguments.with_storage and not arguments.to:
        raise Misused("--with-storage needs the node to go to", hint="name a node of another zone")
    if arguments.with_storage and arguments.postcopy:
        raise Misused(
            "--postcopy can't be with --with-storage: what breaks off then would leave each disk in two parts"
        )
    arguments.guests = [arguments.guests] if arguments.guests else []
    jobs = arguments.jobs
    arguments.jobs = jobs or max(zone.migration.outgoing for zone in context.config.zones)
    # Libvirt's library is loaded later, while the nodes look around for what speaks against it (precheck.assess).
    guests = chosen_guests(arguments, context, by_library=False).guests
    if arguments.check:
        return show_check(arguments, context, guests)
    stop = Stop()
    traffic = Traffic(stop)

    def plan(guest: Guest, on_their_way: Sequence[OnItsWay] = ()) -> Plan:
        settings = with_options(
            context.config.zone(guest.node.zone).migration,
            bandwidth_mib=arguments.bandwidth,
            max_downtime_ms=arguments.max_downtime,
            auto_converge=arguments.auto_converge,
            parallel=arguments.parallel,
            compressed=arguments.compressed,
            postcopy=arguments.postcopy,
            time_limit_s=arguments.time_limit,
            outgoing=jobs,
        )
        found = check(
            context.config,
            guest,
            arguments.to,
            timeout_s,
            settings=settings,
            on_their_way=tuple(on_their_way),
            with_storage=arguments.with_storage,
        )
        context.touched.append(found.destination.node.name)
        return found

    if arguments.dry_run:

        def foreseen(index: int) -> str:
            found = traffic.planned(guests[index], lambda others: plan(guests[index], others))
            return "\n".join([*found.lines(), *estimate(found)])

        return on_each(context, guests, foreseen)
    what = f"{len(guests)} guests" if len(guests) > 1 else "moving"
    with shown_progress(what, quiet=context.quiet) as advance:
        mover = _mover(context, guests, traffic, plan, _Progress(guests, advance), stop, arguments.reason)
        return on_each(context, guests, mover, stop=stop)


def _mover(
    context: Context,
    guests: Sequence[Guest],
    traffic: Traffic,
    plan: Callable[[Guest, Sequence[OnItsWay]], Plan],
    progress: "_Progress",
    stop: Stop,
    reason: str | None,
) -> Callable[[int], str]:
    """What moves one guest, in its turn."""

    def move(index: int) -> str:
        guest = guests[index]
        try:
            try:
                found = traffic.planned(guest, lambda others: plan(guest, others))
                turn = traffic.turn(found)
            except KeyboardInterrupt:
                raise Interrupted(f"{guest}: interrupted; it was not begun") from None
            for warning in found.warnings:
                context.warn(f"{guest} to {found.destination.node.name}: warning: {warning}")
            with turn:
                return str(carry_out(found, progress.of(index, found), stop, reason=reason))
        finally:
            traffic.over(guest)
            progress.ended(index)

    return move


class _Progress:
    """One bar for one guest or several."""

    def __init__(self, guests: Sequence[Guest], advance: Advance) -> None:
        self._percent = [0.0] * len(guests)
        self._words: dict[int, str] = {}
        self._advance = advance
        self._lock = threading.Lock()

    def of(self, index: int, plan: Plan) -> Advance:
        """What the move of one guest calls."""
        label = f"{plan.guest.name} to {plan.destination.node.name}: "

        def advance(percent: float, words: str) -> None:
            self._show(index, percent, f"{label}{words}")

        return advance

    def ended(self, index: int) -> None:
        """That guest is done with, well or not: of several there is one less to come."""
        if len(self._percent) > 1:
            self._show(index, 100, None)

    def _show(self, index: int, percent: float, words: str | None) -> None:
        with self._lock:
            self._percent[index] = percent
            self._words.pop(index, None)
            if words is not None:
                self._words[index] = words
            self._advance(sum(self._percent) / len(self._percent), "; ".join(self._words.values()))
