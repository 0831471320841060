"""vme_virsh: virsh, run for the node of the guest it is about."""

import argparse

from vme.actions.virsh import at_guest, at_nodes, carry_out, run_virsh
from vme.commands.context import Context, add_timeout, silence_error, timeout_of
from vme.commands.registry import Command
from vme.fleet.inventory import nodes_named

# virsh's own options, which stand before its command; -c is ours to say.
_SWITCHES = {"-r": "connect read-only", "-t": "print how long it took"}
_VALUES = {
    "-d": ("LEVEL", "debug level, 0 to 4"),
    "-e": ("CHAR", "escape character of `console`"),
    "-k": ("S", "seconds between keepalive messages"),
    "-K": ("N", "keepalive messages that may be missed"),
    "-l": ("FILE", "log to this file"),
}


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--node", metavar="NODES", help="run it on these nodes, for a command that takes no guest")
    where.add_argument("--zone", metavar="ZONE", help="run it on every node of this zone")
    add_timeout(parser)
    for flag, text in _SWITCHES.items():
        parser.add_argument(flag, dest="options", action="append_const", const=flag, help=f"virsh: {text}")
    for flag, (metavar, text) in _VALUES.items():
        parser.add_argument(
            flag, dest="options", action="append", type=flag.__add__, metavar=metavar, help=f"virsh: {text}"
        )
    parser.usage = "%(prog)s [OPTION ...] [COMMAND [WORD ...]]"
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="COMMAND GUEST ...", help="virsh's command, and all that follows it"
    )


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    words = tuple(arguments.words)
    options = (*(arguments.options or ()), *(["-q"] if context.quiet else []))
    if words[:1] == ("help",):
        return run_virsh(*options, *words)
    timeout_s = timeout_of(arguments, context)
    if arguments.node is None and arguments.zone is None:
        plan = at_guest(context.config, words, timeout_s)
    else:
        nodes = (
            nodes_named(context.config, arguments.node) if arguments.node else context.config.zone(arguments.zone).nodes
        )
        plan = at_nodes(context.config, nodes, timeout_s)
    context.touched += [str(plan.guest)] if plan.guest else [each.node.name for each in plan.hypervisors]
    status = 0
    for hypervisor in plan.hypervisors:
        if len(plan.hypervisors) + len(plan.silences) > 1:
            context.say(f"{hypervisor.node.name}:")
        ended, warning = carry_out(context.config, plan, hypervisor, (*options, *words))
        status = max(status, ended)
        if warning:
            context.warn(warning)
    problem = silence_error(plan.silences)
    if problem is not None:
        raise problem
    return status
