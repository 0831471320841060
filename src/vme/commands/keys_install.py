"""vme keys install: a key of this server gets a role on nodes, through vme_ssh_wrapper and nothing else."""

import argparse
from pathlib import Path

from vme.actions.key_files import default_file, default_name, read_key
from vme.actions.key_install import ROLES, Request, carry_out, check, checked_sources
from vme.commands.context import Context
from vme.commands.keys import (
    access_of,
    add_change_options,
    add_nodes,
    carry_out_all,
    nodes_of,
    plan_all,
    seconds_of,
)
from vme.commands.registry import Command
from vme.errors import Misused
from vme.names import checked


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_nodes(parser)
    parser.add_argument("--role", choices=ROLES, help="what the key may do there (needed)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the private key (default: [ssh] key, or ~/.ssh/vme)")
    parser.add_argument("--name", metavar="NAME", help="what the key is called there (default: its comment)")
    parser.add_argument(
        "--from",
        dest="sources",
        metavar="ADDRESS,...",
        help="where it may come from: all management servers (default: this one, as the node sees it)",
    )
    parser.add_argument("--force", action="store_true", help="also if no key would be left there that may change keys")
    add_change_options(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    if arguments.role is None:  # not argparse's to require: vme.toml may give it
        raise Misused("say what the key may do there", hint=f"--role {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    private = arguments.key or default_file(context.config.ssh)
    key = read_key(private)
    request = Request(
        key=key,
        private=private,
        name=checked(arguments.name, "key") if arguments.name else default_name(key),
        role=arguments.role,
        sources=checked_sources(arguments.sources.split(",")) if arguments.sources else (),
        force=arguments.force,
    )
    ssh, timeout_s = access_of(arguments, context), seconds_of(arguments, context)
    nodes = nodes_of(arguments, context)
    plans, silences = plan_all(nodes, lambda node: check(node, ssh, request, timeout_s=timeout_s))
    carry_out_all(arguments, context, plans, silences, lambda plan: carry_out(plan, ssh, timeout_s=timeout_s))
    return 0
