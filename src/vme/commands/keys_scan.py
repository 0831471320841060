"""vme keys scan: the host keys of nodes, shown with their fingerprints, and taken when a person says so."""

import argparse

from vme.actions.host_keys import add, scan
from vme.commands.context import Context, add_reason, add_timeout, add_yes, confirm, silence_error, timeout_of
from vme.commands.keys import plan_all
from vme.commands.registry import Command
from vme.fleet.inventory import machines_named


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("machines", metavar="NODES", help="kvm03, kvm[01-08], @group, @zone, @storage")
    add_yes(parser)
    add_reason(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    nodes = machines_named(context.config, arguments.machines)
    context.touched += [node.name for node in nodes]
    timeout_s = timeout_of(arguments, context)
    scanned, silences = plan_all(nodes, lambda node: scan(node, context.config.ssh, timeout_s=timeout_s))
    if any(keys.lines for keys in scanned):
        for keys in scanned:
            context.say(str(keys))
        confirm(
            "Are these the fingerprints on the nodes (ssh-keygen -lf /etc/ssh/ssh_host_*.pub)?", (), yes=arguments.yes
        )
    for keys in scanned:
        context.say(add(keys))
    problem = silence_error(silences)
    if problem is not None:
        raise problem
    return 0
