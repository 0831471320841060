"""tag_guest: tags, a title and a description, written on guests and kept with their definitions."""

import argparse

from vme.actions.definition import refuse_unusable_stores
from vme.actions.tag import Change, Plan, carry_out, check, checked_change, labels_text
from vme.commands.context import Context, add_guests, add_reason, add_timeout, add_turn, chosen_guests, timeout_of
from vme.commands.each import on_each
from vme.commands.registry import Command


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    parser.add_argument(
        "-a",
        "--add",
        action="append",
        default=[],
        metavar="TAG",
        help="add this tag, or several with commas; repeatable",
    )
    parser.add_argument(
        "-r", "--remove", action="append", default=[], metavar="TAG", help="remove this tag, or several with commas"
    )
    parser.add_argument("--clear", action="store_true", help="remove all tags, but for those that are added")
    parser.add_argument("--title", metavar="TEXT", help="set the title, one line ('' removes it)")
    parser.add_argument("--description", metavar="TEXT", help="set the description ('' removes it)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    add_reason(parser)
    add_turn(parser)
    add_timeout(parser)
    parser.epilog = "With no change the guests' tags are shown. Then: list_guests @TAG, stop_guest @TAG ..."


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    change = checked_change(context.config, change_of(arguments))
    timeout_s = timeout_of(arguments, context)
    guests = chosen_guests(arguments, context).guests

    def plan(index: int) -> Plan:
        return check(guests[index], change, timeout_s)

    if change.is_none:
        return on_each(context, guests, lambda index: f"{guests[index]}: {labels_text(plan(index).before)}")
    if arguments.dry_run:
        return on_each(context, guests, lambda index: str(plan(index)))
    refuse_unusable_stores(context.config, guests, timeout_s)
    return on_each(context, guests, lambda index: carry_out(context.config, plan(index), reason=arguments.reason))


def change_of(arguments: argparse.Namespace) -> Change:
    """The change that the arguments ask for."""
    return Change(
        add=_tags(arguments.add),
        remove=_tags(arguments.remove),
        clear=arguments.clear,
        title=arguments.title,
        description=arguments.description,
    )


def _tags(texts: list[str]) -> tuple[str, ...]:
    return tuple(tag.removeprefix("@") for text in texts for tag in text.split(","))
