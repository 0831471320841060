"""list_guests: the guests of all nodes, in one bulk question a node."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vme.commands.context import Context, add_narrowing, add_timeout, silence_error, timeout_of
from vme.commands.guest_table import LABELS, NAME, RATES, SIZES, TABLE, TWIN, is_mute, row_of
from vme.commands.listing import add_listing, columns_help, columns_of, in_order, order_of, watched, write_listing
from vme.commands.registry import Command
from vme.config import Config, Node
from vme.fleet.everywhere import Answer, Replies
from vme.fleet.guests import ask_guests
from vme.fleet.twins import find_twins
from vme.hypervisor.guest import Guest

if TYPE_CHECKING:
    from vme.fleet.selection import Selection
    from vme.fleet.usage import Usage


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="GUEST|NODES",
        help="only these guests (web1, web[01-20], 'web*', @TAG), or those of these nodes (kvm03, kvm[01-08], @ZONE)",
    )
    add_narrowing(parser)
    add_listing(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    if arguments.columns == "help":
        print(columns_help(TABLE))
        return 0
    selection = _selection(arguments, context.config)
    return watched(arguments, context.tool, lambda: _list_once(arguments, context, selection))


def _selection(arguments: argparse.Namespace, config: Config) -> "Selection | None":
    """What the arguments leave of all guests, or None if nothing is left away: then nothing need be imported for it."""
    if not (arguments.words or arguments.node or arguments.zone or arguments.state or arguments.group):
        return None
    from vme.fleet.inventory import names_nodes, nodes_in_group, nodes_named
    from vme.fleet.selection import select

    of_nodes = [word for word in arguments.words if names_nodes(config, word)]
    words = [word for word in arguments.words if word not in of_nodes]
    selection = select(config, words, zones=arguments.zone, nodes=arguments.node, states=arguments.state)
    if of_nodes:
        selection = selection.on([node for word in of_nodes for node in nodes_named(config, word)])
    if arguments.group:
        selection = selection.on([node for group in arguments.group for node in nodes_in_group(config, group)])
    return selection


def _list_once(arguments: argparse.Namespace, context: Context, selection: "Selection | None") -> int:
    columns, order = columns_of(arguments, TABLE), order_of(arguments, TABLE)
    needs = {column.needs for column in (*columns, *(column for column, _ in order))}
    if selection is not None and selection.needs_labels:
        needs.add(LABELS)
    nodes = tuple(node for node in context.config.nodes if selection is None or node in selection.nodes)
    replies, usages = _ask(context.config, nodes, timeout_of(arguments, context), needs)
    everyone = [guest for answer in replies.answers for guest in answer.value]
    twins = find_twins(everyone)
    guests = [guest for guest in everyone if selection is None or selection.matches(guest)]
    guests.sort(key=lambda guest: (guest.name, guest.node.name))
    rows = [row_of(guest, twins, usages.get((guest.node, guest.uuid))) for guest in guests]
    if arguments.columns is None and arguments.output in ("text", "wide") and any(row["twin"] for row in rows):
        columns.append(TWIN)
    write_listing(arguments, in_order(rows, order), columns, name=NAME)
    for sentence in (*twins.sentences, *_what_is_missing(replies, usages, needs)):
        context.warn(sentence)
    silences = replies.silences
    if selection is not None:
        from vme.fleet.locate import refuse_missing, untold

        silences += untold(replies) if selection.needs_labels else ()
        refuse_missing(selection, everyone, silences)
    problem = silence_error(silences)
    if problem is not None:
        raise problem
    return 0


def _ask(
    config: Config, nodes: tuple[Node, ...], timeout_s: float, needs: set[str | None]
) -> "tuple[Replies[tuple[Guest, ...]], dict[tuple[Node, str], Usage]]":
    """The guests of these nodes, and what they use by node and UUID where that is needed."""
    if needs == {None}:
        return ask_guests(config, nodes, timeout_s), {}
    from vme.fleet.listed import ask_listed

    listed = ask_listed(config, nodes, timeout_s, labels=LABELS in needs, sizes=SIZES in needs, rates=RATES in needs)
    answers = tuple(Answer(answer.node, answer.value.guests, answer.complete) for answer in listed.answers)
    usages = {(answer.node, uuid): usage for answer in listed.answers for uuid, usage in answer.value.usages.items()}
    return Replies(answers, listed.silences), usages


def _what_is_missing(
    replies: Replies[tuple[Guest, ...]], usages: "dict[tuple[Node, str], Usage]", needs: set[str | None]
) -> Iterator[str]:
    """A sentence for each node, and for each QEMU, that did not tell all it was asked."""
    for answer in replies.answers:
        if not answer.complete:
            yield f"{answer.node.name}: not all that was asked of its guests is known in time"
        elif needs & {SIZES, RATES}:
            mute = [guest for guest in answer.value if guest.active and is_mute(usages.get((guest.node, guest.uuid)))]
            yield from (f"{guest}: its QEMU does not answer: is it stuck, or busy?" for guest in mute)
