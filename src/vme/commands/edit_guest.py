"""edit_guest: a guest's definition changed in an editor, or by settings."""

import argparse
import sys

from vme.actions.definition import refuse_unusable_stores
from vme.actions.redefine import Plan, carry_out, check, definition_of
from vme.commands.context import (
    Context,
    add_guests,
    add_plan_options,
    add_reason,
    add_timeout,
    add_turn,
    add_yes,
    chosen_guests,
    confirm,
    timeout_of,
)
from vme.commands.each import on_each
from vme.commands.edit_session import edit_until_applied
from vme.commands.registry import Command
from vme.diff import coloured, plain_xml, unified
from vme.errors import Misused
from vme.hypervisor.guest import Guest
from vme.hypervisor.virt_xml import option_for, with_setting


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    parser.add_argument(
        "--set",
        action="append",
        dest="settings",
        metavar="KEY=VALUE",
        help="change this without an editor, in virt-install's words: memory=4G, cpu=host-model, disk/vda=cache=none",
    )
    add_plan_options(parser, force="change it although what it newly names is missing, or another guest's")
    add_reason(parser)
    add_turn(parser)
    add_yes(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    for setting in arguments.settings or ():
        option_for(setting)  # before any node is asked
    guests = chosen_guests(arguments, context).guests
    refuse_unusable_stores(context.config, guests, timeout_of(arguments, context))
    if arguments.settings:
        if len(guests) > 1 and not arguments.dry_run:
            confirm(f"Change {len(guests)} guests?", [f"  {guest}" for guest in guests], yes=arguments.yes)
        return on_each(context, guests, lambda index: _by_settings(arguments, context, guests[index]))
    if len(guests) > 1:
        raise Misused("an editor takes one guest at a time", hint="for many at once: --set")
    guest = guests[0]
    before = definition_of(guest, timeout_of(arguments, context))
    outcome = edit_until_applied(
        context,
        guest,
        before,
        lambda text: _plan(arguments, context, guest, before, text),
        dry_run=arguments.dry_run,
        yes=arguments.yes,
    )
    context.say(outcome)
    return 0


def _by_settings(arguments: argparse.Namespace, context: Context, guest: Guest) -> str:
    """Apply the settings to one guest; returns the diff and the outcome."""
    before = definition_of(guest, timeout_of(arguments, context))
    after = before
    for setting in arguments.settings:
        after = with_setting(after, setting, subject=str(guest))
    diff = unified(plain_xml(before), plain_xml(after), (f"{guest}, as it is", f"{guest}, changed"))
    if not diff:
        return f"{guest}: unchanged: it is so already"
    plan = _plan(arguments, context, guest, before, after)
    outcome = "not changed (--dry-run)" if arguments.dry_run else carry_out(plan)
    return f"{coloured(diff, sys.stdout)}\n{outcome}"


def _plan(arguments: argparse.Namespace, context: Context, guest: Guest, before: str, after: str) -> Plan:
    return check(
        context.config,
        guest,
        before,
        after,
        tool="edit_guest",
        reason=arguments.reason,
        force=arguments.force,
        timeout_s=timeout_of(arguments, context),
    )
