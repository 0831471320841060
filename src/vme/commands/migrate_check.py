"""migrate_guest --check: which guests can go to which nodes, and what speaks against the others."""

import argparse
from collections.abc import Sequence

from vme.actions.migrate.check import wanted_node
from vme.actions.migrate.precheck.assess import Assessment, assess
from vme.actions.migrate.precheck.matrix import COLUMNS, DETAILS, lines, rows
from vme.commands.context import Context, silence_error, timeout_of
from vme.errors import Misused
from vme.fleet.everywhere import Silence
from vme.hypervisor.guest import Guest
from vme.report import write_rows

_CAN_NOT = 3


def add_check(parser: argparse.ArgumentParser) -> None:
    """--check, which changes nothing."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="show which guests (a set, a pattern, a tag) can go to which nodes and what is against it, and move none",
    )


def show_check(arguments: argparse.Namespace, context: Context, guests: Sequence[Guest]) -> int:
    """Print guests by nodes, and every reason; 0 if each guest can go somewhere (or to the node named), else 3.

    Raises Silent where a guest can go nowhere, and a node did not say whether it would take it.
    """
    timeout_s = timeout_of(arguments, context)
    # One that is there already needs no move; alone it is refused like a move.
    moving = [guest for guest in guests if guest.node.name != arguments.to] or list(guests)
    wanted = [wanted_node(context.config, guest, arguments.to, with_storage=arguments.with_storage) for guest in moving]
    assessments = assess(context.config, guests, wanted[0], timeout_s)
    if arguments.output == "text":
        print("\n".join(lines(assessments)))
    else:
        columns = COLUMNS if arguments.output == "csv" else DETAILS
        write_rows(rows(assessments), columns, arguments.output)
    stranded = [one for one in assessments if one.guest in moving and not one.possible]
    silent = silence_error(_silences(stranded))
    if silent is not None:
        raise silent
    return _CAN_NOT if stranded else 0


def refuse_format(arguments: argparse.Namespace) -> None:
    """Raise Misused for -o without --check: a move prints one line."""
    if arguments.output != "text" and not arguments.check:
        raise Misused("-o is for what --check prints", hint="add --check, or leave -o away")


def _silences(assessments: list[Assessment]) -> tuple[Silence, ...]:
    """The nodes that might take one of these guests, and said nothing."""
    return tuple(
        dict.fromkeys(
            Silence(verdict.node, verdict.offer.silence or "no answer")
            for one in assessments
            for verdict in one.verdicts
            if verdict.silent and not one.anywhere
        )
    )
