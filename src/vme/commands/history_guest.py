"""history_guest: who changed a guest's definition, what, when and why; and an earlier one brought back."""

import argparse
import sys

from vme.actions.definition import refuse_unusable_stores
from vme.actions.past import last_two, store_with_history, xml_of_version
from vme.actions.redefine import carry_out, check, definition_of
from vme.commands.context import (
    Context,
    add_format,
    add_plan_options,
    add_reason,
    add_timeout,
    add_turn,
    add_yes,
    confirm,
    the_guest,
    timeout_of,
    whole_above_zero,
)
from vme.commands.registry import Command
from vme.config import Store
from vme.diff import coloured, plain_xml, unified
from vme.errors import Misused, NotFound
from vme.hypervisor.guest import Guest
from vme.names import shown
from vme.report import Column, write_data, write_rows
from vme.store.history import versions, xml_file

_COLUMNS = (
    Column("number", "VERSION", right=True),
    Column("time", "TIME (UTC)"),
    Column("user", "USER", shown),
    Column("host", "HOST", shown),
    Column("tool", "TOOL", shown),
    Column("node", "NODE", shown),
    Column("reason", "REASON", shown),
)


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("guest", metavar="GUEST", help="the guest's name; it need not be defined any more")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--diff",
        nargs="*",
        type=_version_after_the_guest,
        metavar="VERSION",
        help="show what differs: between two versions, one and the definition now, or the last two",
    )
    what.add_argument("--restore", type=whole_above_zero, metavar="VERSION", help="define the guest as it was then")
    parser.add_argument("--zone", metavar="ZONE", help="look in this zone only")
    add_plan_options(parser, force="restore although what the version names is missing, or another guest's")
    add_format(parser)
    add_reason(parser)
    add_turn(parser)
    add_yes(parser)
    add_timeout(parser)
    parser.epilog = "A version found on its node, made by virsh or another tool, has the tool `found` and no user."


def _version_after_the_guest(text: str) -> int:
    """A version after --diff, which takes all words that follow it."""
    try:
        return whole_above_zero(text)
    except argparse.ArgumentTypeError:
        hint = "the guest comes before --diff, versions after it"
        raise argparse.ArgumentTypeError(f"{text!a} is no number of a version: {hint}") from None


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    if arguments.diff is not None and arguments.output == "csv":
        raise Misused("a diff is no table", hint="-o json or yaml")
    context.touched.append(arguments.guest)
    store = store_with_history(context.config, arguments.guest, arguments.zone, timeout_of(arguments, context))
    if arguments.restore is not None:
        return _restore(arguments, context, store)
    if arguments.diff is not None:
        return _show_diff(arguments, context, store)
    rows = [
        {**vars(version), "file": str(xml_file(store, arguments.guest, version.number))}
        for version in versions(store, arguments.guest)
    ]
    more = () if arguments.output == "text" else (Column("uuid", "UUID"), Column("file", "FILE"))
    write_rows(rows, (*_COLUMNS, *more), arguments.output)
    return 0


def _show_diff(arguments: argparse.Namespace, context: Context, store: Store) -> int:
    name, numbers = arguments.guest, list(arguments.diff)
    if len(numbers) > 2:
        raise Misused("a diff is between two versions")
    if not numbers:
        numbers = [version.number for version in last_two(store, name)]
    texts = [xml_of_version(store, name, number) for number in numbers]
    titles = [f"{name}, version {number}" for number in numbers]
    if len(numbers) == 1:
        guest = _located(arguments, context, store, reading=True)
        texts.append(definition_of(guest, timeout_of(arguments, context)))
        titles.append(f"{guest}, as it is")
    diff = unified(plain_xml(texts[0]), plain_xml(texts[1]), (titles[0], titles[1]))
    if arguments.output == "text":
        print(coloured(diff, sys.stdout) if diff else f"{titles[0]} and {titles[1]} do not differ")
    else:
        write_data({"from": titles[0], "to": titles[1], "diff": diff}, arguments.output)
    return 0


def _restore(arguments: argparse.Namespace, context: Context, store: Store) -> int:
    after = xml_of_version(store, arguments.guest, arguments.restore)
    guest = _located(arguments, context, store)
    timeout_s = timeout_of(arguments, context)
    refuse_unusable_stores(context.config, [guest], timeout_s)
    before = definition_of(guest, timeout_s)
    diff = unified(plain_xml(before), plain_xml(after), (f"{guest}, as it is", f"{guest}, version {arguments.restore}"))
    if not diff:
        context.say(f"{guest}: unchanged: it is as in version {arguments.restore} already")
        return 0
    plan = check(
        context.config,
        guest,
        before,
        after,
        tool="history_guest",
        reason=arguments.reason or f"version {arguments.restore} restored",
        force=arguments.force,
        timeout_s=timeout_s,
    )
    print(coloured(diff, sys.stdout), flush=True)
    if arguments.dry_run:
        return 0
    confirm(f"Restore version {arguments.restore} of {guest}?", [], yes=arguments.yes)
    context.say(carry_out(plan))
    return 0


def _located(arguments: argparse.Namespace, context: Context, store: Store, *, reading: bool = False) -> Guest:
    """The guest as it is defined now; if it is not, the error says how a version comes back."""
    try:
        return the_guest(arguments.guest, arguments, context, reading=reading)
    except NotFound as problem:
        files = xml_file(store, arguments.guest, 0).parent
        problem.hint = f"it is not defined; its versions are files in {files}: define_guest FILE -s NODE"
        raise
