"""vme keys rotate: a new key takes the place of an old one; both work until every node has the new one."""

import argparse
from pathlib import Path

from vme.actions import key_remove
from vme.actions.key_files import default_file, finish_switch, generate, next_of, read_key, switch_to_next
from vme.actions.key_install import carry_out, check_successor
from vme.commands.context import Context
from vme.commands.keys import access_of, add_change_options, add_nodes, carry_out_all, nodes_of, plan_all, seconds_of
from vme.commands.registry import Command


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_nodes(parser)
    parser.add_argument("--key", type=Path, metavar="FILE", help="the private key (default: [ssh] key, or ~/.ssh/vme)")
    add_change_options(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    private: Path = arguments.key or default_file(context.config.ssh)
    finish_switch(private)
    old = read_key(private)
    if not next_of(private).exists() and not arguments.dry_run:
        kind = old.type.removeprefix("ssh-")
        generate(next_of(private), kind=kind, bits=4096 if kind == "rsa" else None, comment=old.comment)
    new = old if arguments.dry_run and not next_of(private).exists() else read_key(next_of(private))
    ssh, timeout_s = access_of(arguments, context), seconds_of(arguments, context)
    nodes = nodes_of(arguments, context)

    plans, silences = plan_all(
        nodes, lambda node: check_successor(node, ssh, old, new, next_of(private), timeout_s=timeout_s)
    )
    carry_out_all(arguments, context, plans, silences, lambda plan: carry_out(plan, ssh, timeout_s=timeout_s))
    if arguments.dry_run:
        return 0
    kept = switch_to_next(private)
    context.say(f"{private} is the new key; the old one is {kept}")
    arguments.yes = True
    removals, silences = plan_all(
        nodes, lambda node: key_remove.check_predecessors(node, ssh, new, old, timeout_s=timeout_s)
    )
    carry_out_all(
        arguments, context, removals, silences, lambda plan: key_remove.carry_out(plan, ssh, timeout_s=timeout_s)
    )
    return 0
