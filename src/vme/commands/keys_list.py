"""vme keys list: which key has which role on which node, and when it was last used."""

import argparse
from typing import Any

from vme.actions.key_listing import Listing, list_keys
from vme.commands.context import Context, add_format, add_timeout, silence_error, timeout_of
from vme.commands.registry import Command
from vme.fleet.each_node import on_nodes
from vme.fleet.everywhere import Silence
from vme.fleet.inventory import machines_named
from vme.names import shown
from vme.report import Column, write_rows

COLUMNS = (
    Column("node", "NODE"),
    Column("name", "NAME", shown),
    Column("role", "ROLE"),
    Column("type", "TYPE"),
    Column("from", "FROM", shown),
    Column("last_used", "LAST USED"),
    Column("fingerprint", "FINGERPRINT"),
)
_AT_ONCE = 64


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument(
        "machines", nargs="?", metavar="NODES", help="only these nodes (default: all, and the storage servers)"
    )
    add_format(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    config, timeout_s = context.config, timeout_of(arguments, context)
    nodes = machines_named(config, arguments.machines) if arguments.machines else config.machines
    listings: dict[str, tuple[Listing, ...]] = {}
    silences: list[Silence] = []
    for outcome in on_nodes(nodes, lambda node: list_keys(node, config.ssh, timeout_s=timeout_s), at_once=_AT_ONCE):
        if outcome.problem is not None:
            silences.append(Silence(outcome.node, outcome.problem.message.removeprefix(f"{outcome.node.name}: ")))
        else:
            listings[outcome.node.name] = outcome.value
    rows: list[dict[str, Any]] = [one.row() for node in nodes for one in listings.get(node.name, ())]
    write_rows(rows, COLUMNS, arguments.output)
    problem = silence_error(silences)
    if problem is not None:
        raise problem
    return 0
