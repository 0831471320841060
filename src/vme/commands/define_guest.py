"""define_guest: a guest from the XML saved beside its images, or from a file."""

import argparse
import sys

from vme.actions.define import carry_out, check, read_request
from vme.commands.context import Context, add_plan_options, add_reason, add_timeout, add_turn, timeout_of
from vme.commands.registry import Command
from vme.diff import coloured, plain_xml, unified
from vme.errors import Misused


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument(
        "source", metavar="FILE|GUEST", help="a file (with a slash, or NAME.xml), or a guest whose XML is saved"
    )
    parser.add_argument("old_node", nargs="?", metavar="NODE", help="the same as -s NODE")
    parser.add_argument("-s", "--node", metavar="NODE", help="where to define it (default: where it is, or was last)")
    parser.add_argument("--zone", metavar="ZONE", help="take the XML that is saved in this zone")
    add_plan_options(
        parser, force="define it although a node is silent, or what it names is missing or another guest's"
    )
    add_reason(parser)
    add_turn(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    if arguments.node and arguments.old_node and arguments.node != arguments.old_node:
        raise Misused(f"one guest can't be defined on both {arguments.node} and {arguments.old_node}")
    timeout_s = timeout_of(arguments, context)
    request = read_request(
        context.config,
        arguments.source,
        node=arguments.node or arguments.old_node,
        zone=arguments.zone,
        reason=arguments.reason,
        force=arguments.force,
        timeout_s=timeout_s,
    )
    plan = check(context.config, request, timeout_s)
    context.touched.append(f"{plan.name} on {plan.hypervisor.node.name}")
    if arguments.dry_run:
        names = (f"{plan.name}, as it is", request.source)
        diff = [] if plan.before is None else unified(plain_xml(plan.before), plain_xml(request.xml), names)
        print("\n".join(plan.lines() + ([coloured(diff, sys.stdout)] if diff else [])))
        return 0
    context.say(carry_out(plan))
    return 0
