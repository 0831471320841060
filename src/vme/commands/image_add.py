"""image_add: one more image in the library that create_guest --image NAME takes from."""

import argparse
from pathlib import Path

from vme.actions.library import carry_out, check, parse_checksum
from vme.commands.context import Context, add_reason, add_timeout, timeout_of
from vme.commands.registry import Command
from vme.fleet.inventory import only_zone, store_named
from vme.progress import shown_progress


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the image, as it was downloaded")
    parser.add_argument("name", nargs="?", metavar="NAME", help="its name in the library (default: the file's own)")
    parser.add_argument("-t", "--type", choices=("raw", "qcow2"), help="its format, if its name does not say it")
    parser.add_argument("-r", "--store", metavar="VIRT-STORE", help="virt-store of the zone, if it has more than one")
    parser.add_argument("--zone", metavar="ZONE", help="zone whose guests are to be made from it")
    parser.add_argument(
        "--checksum", metavar="SUM", help="refuse it if it has another: sha256:HEX or sha512:HEX, as published"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and change nothing")
    add_reason(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    expected = None if arguments.checksum is None else parse_checksum(arguments.checksum)
    store = store_named(only_zone(context.config, arguments.zone), arguments.store)
    timeout_s = timeout_of(arguments, context)
    plan = check(store, arguments.file, arguments.name, arguments.type, expected, timeout_s=timeout_s)
    context.touched.append(str(plan.target))
    if arguments.dry_run:
        print("\n".join(plan.lines()))
        return 0
    with shown_progress(f"image {plan.target.stem}", quiet=context.quiet) as advance:
        done = carry_out(plan, advance)
    context.say(done)
    return 0
