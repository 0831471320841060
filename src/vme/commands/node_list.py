"""node_list: every node with what it has, what it promised, and how it is."""

import argparse
from typing import Any

from vme.commands.context import Context, add_timeout, silence_error, timeout_of
from vme.commands.listing import add_listing, columns_help, columns_of, in_order, order_of, watched, write_listing
from vme.commands.node_table import NODE, RATES, TABLE, row_of, silent_row
from vme.commands.registry import Command
from vme.config import Config, Node
from vme.errors import Misused
from vme.fleet.everywhere import Replies
from vme.fleet.inventory import nodes_in_group, nodes_named
from vme.fleet.report import NodeReport, ask_reports


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument(
        "nodes", nargs="*", metavar="NODES", help="only these nodes: kvm03, kvm[01-08], @zone (default: all)"
    )
    add_listing(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    if arguments.columns == "help":
        print(columns_help(TABLE))
        return 0
    asked = _asked(arguments, context.config)
    return watched(arguments, context.tool, lambda: _list_once(arguments, context, asked))


def _asked(arguments: argparse.Namespace, config: Config) -> tuple[Node, ...]:
    """The nodes that words and groups leave. Raises Misused if that is none."""
    nodes = config.nodes
    if arguments.nodes:
        nodes = tuple(dict.fromkeys(node for text in arguments.nodes for node in nodes_named(config, text)))
    if arguments.group:
        grouped = {node for group in arguments.group for node in nodes_in_group(config, group)}
        nodes = tuple(node for node in nodes if node in grouped)
    if not nodes:
        raise Misused("none of these nodes is in the group")
    return nodes


def _list_once(arguments: argparse.Namespace, context: Context, asked: tuple[Node, ...]) -> int:
    columns, order = columns_of(arguments, TABLE), order_of(arguments, TABLE)
    rates = any(column.needs == RATES for column in (*columns, *(column for column, _ in order)))
    replies = ask_reports(context.config, asked, timeout_of(arguments, context), rates=rates)
    write_listing(arguments, in_order(rows_of(asked, replies), order), columns, name=NODE)
    for answer in replies.answers:
        if not answer.complete:
            context.warn(f"{answer.node.name}: not all that it was asked is known in time: is a guest of it stuck?")
        for guest in answer.value.mute:
            context.warn(f"{guest}: its QEMU does not answer: is it stuck, or busy?")
    problem = silence_error(replies.silences)
    if problem is not None:
        raise problem
    return 0


def rows_of(asked: tuple[Node, ...], replies: Replies[NodeReport]) -> list[dict[str, Any]]:
    """A row for each node asked, in their order."""
    answers = {answer.node: answer for answer in replies.answers}
    return [row_of(answers[node]) if node in answers else silent_row(node) for node in asked]
