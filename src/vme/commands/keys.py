"""What the tools for keys have in common: which nodes, which way in, and how many were done."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from vme.commands.context import Context, add_reason, add_timeout, add_yes, confirm, silence_error, timeout_of
from vme.config import Node, SshConfig
from vme.errors import Refused, Silent, VmeError
from vme.fleet.each_node import on_nodes
from vme.fleet.everywhere import Silence
from vme.fleet.inventory import machines_named
from vme.process import TookTooLong
from vme.records import replace

_AT_ONCE = 32


class Plan(Protocol):
    """What is to be done to one node."""

    @property
    def node(self) -> Node: ...


P = TypeVar("P", bound=Plan)
T = TypeVar("T")


def add_nodes(parser: argparse.ArgumentParser) -> None:
    """NODES, and --access, the key to get in by."""
    parser.add_argument("machines", metavar="NODES", help="kvm03, kvm[01-08], @group, @zone, @storage")
    parser.add_argument(
        "--access", type=Path, metavar="FILE", help="get in by this key, which may run any command there"
    )
    add_timeout(parser)


def add_change_options(parser: argparse.ArgumentParser) -> None:
    """--dry-run and --yes."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    add_yes(parser)
    add_reason(parser)


def access_of(arguments: argparse.Namespace, context: Context) -> SshConfig:
    """How to get in: by --access, or as all tools do."""
    return replace(context.config.ssh, key=arguments.access) if arguments.access else context.config.ssh


def nodes_of(arguments: argparse.Namespace, context: Context) -> tuple[Node, ...]:
    """The nodes that are meant; they are noted for the audit."""
    nodes = machines_named(context.config, arguments.machines)
    context.touched += [node.name for node in nodes]
    return nodes


def plan_all(nodes: tuple[Node, ...], check: Callable[[Node], P]) -> tuple[list[P], list[Silence]]:
    """The plans in the order of the nodes, and the silent ones. Raises the first error that is no silence, or Refused
    with the reasons of all nodes: nothing was changed then."""
    plans: dict[Node, P] = {}
    silences: dict[Node, Silence] = {}
    refusals: list[str] = []
    hint = None
    for outcome in on_nodes(nodes, check, at_once=_AT_ONCE):
        node, problem = outcome.node, outcome.problem
        if isinstance(problem, Silent | TookTooLong):
            silences[node] = Silence(node, problem.message.removeprefix(f"{node.name}: "))
        elif isinstance(problem, Refused):
            refusals += [f"{node.name}: {reason}" for reason in problem.reasons]
            hint = hint or problem.hint
        else:
            plans[node] = outcome.value
    if refusals:
        raise Refused("nothing was changed", sorted(refusals), hint=hint)
    return [plans[node] for node in nodes if node in plans], [silences[node] for node in nodes if node in silences]


def carry_out_all(
    arguments: argparse.Namespace,
    context: Context,
    plans: list[P],
    silences: list[Silence],
    carry_out: Callable[[P], str],
) -> None:
    """Show the plans, ask, and do them one node after the other; stop at the first that fails, for what is wrong with
    a key is wrong everywhere. Raises Silent at the end if nodes were."""
    if arguments.dry_run:
        for plan in plans:
            context.say(str(plan))
    else:
        confirm(f"Change the keys of {len(plans)} node(s)?", [str(plan) for plan in plans], yes=arguments.yes)
        for number, plan in enumerate(plans):
            try:
                context.say(carry_out(plan))
            except VmeError as problem:
                left = [later.node.name for later in plans[number + 1 :]]
                if left:
                    problem.message += f"\nnot begun: {', '.join(left)}"
                raise
    silent = silence_error(silences)
    if silent is not None:
        raise silent


def seconds_of(arguments: argparse.Namespace, context: Context) -> float:
    """How long a node may take for one step: a new connection and a question over it, so twice the usual at least."""
    return max(10.0, 2 * timeout_of(arguments, context))
