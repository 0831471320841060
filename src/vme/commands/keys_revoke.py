"""vme keys revoke: a key is taken off nodes, if we still get in without it."""

import argparse

from vme.actions.key_remove import carry_out, check
from vme.commands.context import Context
from vme.commands.keys import access_of, add_change_options, add_nodes, carry_out_all, nodes_of, plan_all, seconds_of
from vme.commands.registry import Command


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_nodes(parser)
    parser.add_argument(
        "key", metavar="KEY", help="its name there, or its fingerprint SHA256:..., as keys list shows them"
    )
    add_change_options(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    ssh, timeout_s = access_of(arguments, context), seconds_of(arguments, context)
    nodes = nodes_of(arguments, context)
    plans, silences = plan_all(nodes, lambda node: check(node, ssh, arguments.key, timeout_s=timeout_s))
    carry_out_all(arguments, context, plans, silences, lambda plan: carry_out(plan, ssh, timeout_s=timeout_s))
    return 0
