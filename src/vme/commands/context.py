"""What every tool has at hand: the configuration, the arguments common to all, and what it touched, for the audit."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from vme.errors import Misused, NotFound, Silent
from vme.records import replace
from vme.report import FORMATS

if TYPE_CHECKING:
    from vme.config import Config, Node
    from vme.fleet.everywhere import Silence
    from vme.fleet.locate import Located
    from vme.fleet.selection import Selection
    from vme.hypervisor.guest import Guest

# More at once on one node mostly queue up in its daemon.
JOBS_PER_NODE = 4

_LONGEST_LINE = 500
_LONGEST_S = 7 * 86400


class Context:
    """One invocation. `touched` collects the guests and nodes that were worked on."""

    def __init__(self, config: "Config", tool: str, quiet: bool) -> None:
        self.config = config
        self.tool = tool
        self.quiet = quiet
        self.touched: list[str] = []
        # Nodes that may have more of the guests that were asked for by a pattern, a tag or --all, and said nothing.
        self.unseen: tuple[Silence, ...] = ()
        self.jobs_per_node = JOBS_PER_NODE
        self.dry_run = False

    def say(self, line: str) -> None:
        """Print a line of outcome, unless the tool is to be quiet."""
        if not self.quiet:
            # With its end in one piece: several guests' threads print at once.
            print(f"{line}\n", end="", flush=True)

    def say_of_node(self, node: "Node", line: str, is_error: bool) -> None:
        """Print a line that a node wrote, after its name, to the stream it came from."""
        print(f"{node.name}: {line}", file=sys.stderr if is_error else sys.stdout, flush=True)

    def warn(self, line: str) -> None:
        """Print a line on stderr under the tool's name."""
        print(f"{self.tool}: {line}\n", end="", file=sys.stderr, flush=True)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options every tool has."""
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("-D", "--debug", action="store_true", help="show where in the code an error arose")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """--timeout, for tools in which it means how long nodes may take to answer."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help="wait this many seconds for nodes to answer (default 5, or timeout_s)",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """-o, for tools that print data."""
    parser.add_argument(
        "-o", "--output", choices=FORMATS, default="text", help="print for a person (text) or a program"
    )


def add_guests(parser: argparse.ArgumentParser) -> None:
    """Which guests: words, narrowed by --zone, --node and --state; or --all, which may be narrowed too."""
    parser.add_argument(
        "guests", nargs="*", metavar="GUEST", help="a name, a set (web[01-20]), a pattern ('web*') or a tag (@TAG)"
    )
    parser.add_argument("--all", action="store_true", help="all guests there are, or all that the next options leave")
    add_narrowing(parser)
    parser.add_argument(
        "--jobs",
        type=whole_above_zero,
        default=JOBS_PER_NODE,
        metavar="N",
        help="work on this many guests of a node at once (default %(default)s)",
    )


def add_narrowing(parser: argparse.ArgumentParser) -> None:
    """--zone, --node and --state: of the guests named, only those."""
    parser.add_argument(
        "--zone", action="append", default=[], metavar="ZONE", help="only guests in this zone; repeatable"
    )
    parser.add_argument(
        "--node",
        action="append",
        default=[],
        metavar="NODES",
        help="only guests on these nodes: kvm03, kvm[01-08]; repeatable",
    )
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        metavar="STATE",
        help="only guests that are running, paused, off ...; repeatable",
    )


def add_plan_options(parser: argparse.ArgumentParser, *, force: str | None) -> None:
    """--dry-run, and --force with what it overrides, if there is anything to override."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    if force is not None:
        parser.add_argument("--force", action="store_true", help=force)


def add_reason(parser: argparse.ArgumentParser) -> None:
    """--reason, for every tool that changes something."""
    parser.add_argument(
        "--reason", type=line_of_text, metavar="TEXT", help="why, for the audit log and the guest's history"
    )


def add_turn(parser: argparse.ArgumentParser) -> None:
    """--wait-turn, for every tool that holds the guests it works on."""
    parser.add_argument(
        "--wait-turn",
        type=seconds,
        metavar="S",
        help="if another tool works on the guest, wait for this many seconds until it is done (default: not at all)",
    )


def add_yes(parser: argparse.ArgumentParser) -> None:
    """--yes, for tools that ask first."""
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def timeout_of(arguments: argparse.Namespace, context: Context) -> float:
    """The deadline for nodes to answer: the option's, or the configuration's."""
    given: float | None = getattr(arguments, "timeout", None)
    return context.config.defaults.timeout_s if given is None else given


def with_turn(config: "Config", arguments: argparse.Namespace) -> "Config":
    """The configuration with the --wait-turn of this run, if it has one."""
    wait_s: float | None = getattr(arguments, "wait_turn", None)
    return config if wait_s is None else replace(config, defaults=replace(config.defaults, turn_wait_s=wait_s))


def chosen_guests(
    arguments: argparse.Namespace, context: Context, *, reading: bool = False, by_library: bool = True
) -> "Located":
    """Find the guests that the arguments of add_guests() name, wherever they are, and note them for the audit.

    Raises as vme.fleet.locate.locate does; Misused where neither a word nor --all says which: a script whose variable
    is empty must not have meant every guest of a zone; and, but for `reading`, Refused where our key may only read, or
    where another tool is at work on a guest that is not there. `by_library`: what is done next needs libvirt's.
    """
    from vme.fleet.selection import select

    if arguments.all == bool(arguments.guests):
        raise Misused("say which guests: their names, or --all", hint="--zone, --node and --state narrow what is named")
    selection = select(
        context.config, arguments.guests, zones=arguments.zone, nodes=arguments.node, states=arguments.state
    )
    located = _located(selection, arguments, context, reading=reading, by_library=by_library)
    if selection.is_open:
        context.unseen = tuple(silence for silence in located.silences if silence.node in selection.nodes)
    context.jobs_per_node = arguments.jobs
    context.dry_run = getattr(arguments, "dry_run", False)
    context.touched += [str(guest) for guest in located.guests]
    if not reading:
        _refuse_where_we_may_only_read(located.guests)
    return located


def the_guest(word: str, arguments: argparse.Namespace, context: Context, *, reading: bool = False) -> "Guest":
    """Find the one guest that a word names, for tools that work on one at a time, and note it for the audit.

    Raises as chosen_guests does; Misused where the word names several.
    """
    from vme.fleet.selection import select

    guests = _located(select(context.config, [word]), arguments, context, reading=reading).guests
    if len(guests) > 1:
        raise Misused(f"{word!a} names {len(guests)} guests, and this works on one", hint="name one of them")
    context.touched.append(str(guests[0]))
    if not reading:
        _refuse_where_we_may_only_read(guests)
    return guests[0]


def _located(
    selection: "Selection", arguments: argparse.Namespace, context: Context, *, reading: bool, by_library: bool = True
) -> "Located":
    """Find the guests of a selection. Whoever would change one is told who is at work on it, if that may be why it is
    nowhere, or on two nodes.

    Who undefines one of the two meanwhile, as for any other twins, could take away the one that stays.
    """
    from vme.fleet.locate import Twins, locate_selected

    timeout_s = timeout_of(arguments, context)
    try:
        return locate_selected(context.config, selection, timeout_s, by_library=by_library)
    except (NotFound, Twins) as problem:
        if reading:
            raise
        from vme.journal.work import refuse_busy_anywhere

        refuse_busy_anywhere(context.config, problem.names)
        if isinstance(problem, NotFound):
            raise
        # Who moved it was waited for, or nobody does.
        return locate_selected(context.config, selection, timeout_s, by_library=by_library)


def _refuse_where_we_may_only_read(guests: "Sequence[Guest]") -> None:
    """Raise Refused, before anything is begun, where the node of one of these guests lets our key only read."""
    from vme.errors import Refused
    from vme.hypervisor.connection import reasons_not_to_change

    reasons = {guest.node: reasons_not_to_change(guest.hypervisor) for guest in guests}
    told = [reason for each in reasons.values() for reason in each]
    if told:
        whose = str(guests[0]) if len(guests) == 1 else f"{len(guests)} guests"
        raise Refused(whose, told, hint="vme keys list shows which key has which role; docs/ssh.md, what a role may do")


def seconds(text: str) -> float:
    """A number of seconds on the command line, above 0, a week at most."""
    with suppress(ValueError):
        value = float(text)
        if 0 < value <= _LONGEST_S:
            return value
    raise argparse.ArgumentTypeError(f"{text!a} is not a number of seconds above 0, {_LONGEST_S} (7 days) at most")


def line_of_text(text: str) -> str:
    """One line on the command line, without marks that a terminal would obey."""
    if not text.isprintable() or not text.strip() or len(text) > _LONGEST_LINE:
        raise argparse.ArgumentTypeError(f"write one line of plain text, {_LONGEST_LINE} characters at most")
    return text.strip()


def whole_above_zero(text: str) -> int:
    """A whole number on the command line, above 0."""
    with suppress(ValueError):
        value = int(text)
        if value > 0:
            return value
    raise argparse.ArgumentTypeError(f"{text!a} is not a whole number above 0")


def size(text: str) -> int:
    """A size on the command line, in bytes: `10` and `10G` are GiB, `512M` are MiB, `2T` are TiB."""
    from vme.units import parsed_size

    try:
        return parsed_size(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def confirm(question: str, lines: Sequence[str], *, yes: bool) -> None:
    """Ask before something is destroyed; return only for yes. Raises Misused where there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misused(
            "this asks first, and nobody is there to answer", hint="use --yes if it should be done without asking"
        )
    for line in lines:
        print(line, file=sys.stderr)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Misused("nothing was done")


def silence_error(silences: "Iterable[Silence]") -> Silent | None:
    """The error that names the silent nodes, to raise after the answers are printed; None if all answered."""
    from vme.fleet.everywhere import silence_text

    text = silence_text(silences)
    return Silent(f"no answer from {text}", hint="what the other nodes said is complete") if text else None
