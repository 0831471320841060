"""vme nodes run: one command on many nodes, its output as it comes or gathered by what is equal."""

import argparse

from vme.actions.node_command import Ended, run_everywhere
from vme.commands.context import Context, add_reason, seconds, silence_error, whole_above_zero
from vme.commands.registry import Command
from vme.errors import Misused
from vme.fleet.everywhere import Silence
from vme.fleet.inventory import folded, machines_named

HANDS_ON = True
_TIMEOUT_S = 60.0
_AT_ONCE = 64


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.usage = f"{parser.prog} NODES [option ...] -- COMMAND [WORD ...]"
    parser.add_argument("machines", nargs="+", metavar="NODES", help="kvm03, kvm[01-08], @group, @zone, @storage")
    parser.add_argument("-b", "--gather", action="store_true", help="show equal output once, with the nodes it is of")
    parser.add_argument(
        "-w",
        "--window",
        type=whole_above_zero,
        default=_AT_ONCE,
        metavar="N",
        help="nodes at a time (default %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=_TIMEOUT_S,
        metavar="S",
        help="end it on a node after this long (default %(default)g)",
    )
    add_reason(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    if not arguments.handed_on:
        raise Misused("there is no command to run", hint=f"{context.tool} kvm[01-03] -- uptime")
    nodes = tuple(dict.fromkeys(node for text in arguments.machines for node in machines_named(context.config, text)))
    context.touched += [node.name for node in nodes]
    live = None if arguments.gather else context.say_of_node
    ended, silences = [], []
    for outcome in run_everywhere(
        context.config, nodes, arguments.handed_on, timeout_s=arguments.timeout, at_once=arguments.window, on_line=live
    ):
        if outcome.problem is not None:
            context.warn(outcome.problem.message)
            silences.append(Silence(outcome.node, outcome.problem.message.removeprefix(f"{outcome.node.name}: ")))
        else:
            ended.append(outcome.value)
            if outcome.value.status != 0 and not arguments.gather:
                context.warn(f"{outcome.node.name}: exit status {outcome.value.status}")
    if arguments.gather:
        _print_gathered(ended, context)
    worst = max((one.status for one in ended), default=0)
    problem = silence_error(silences)
    if problem is not None and worst <= problem.exit_status:
        raise problem
    return worst


def _print_gathered(ended: list[Ended], context: Context) -> None:
    """Equal output and status once, under the nodes they are of, as dshbak and clubak do."""
    groups: dict[tuple[str, int], list[Ended]] = {}
    for one in sorted(ended, key=lambda one: one.node.name):
        groups.setdefault((one.output, one.status), []).append(one)
    for (output, status), members in groups.items():
        names = folded(tuple(one.node for one in members))
        line = "-" * max(16, len(names))
        print(f"{line}\n{names}{f' (exit status {status})' if status else ''}\n{line}\n{output}", end="", flush=True)
