"""add_disk_guest: one more disk for a guest, as it runs and in its definition."""

import argparse

from vme.actions.add_disk import Plan, Wish, carry_out, check
from vme.commands.context import (
    Context,
    add_guests,
    add_plan_options,
    add_reason,
    add_timeout,
    add_turn,
    chosen_guests,
    size,
    timeout_of,
)
from vme.commands.each import on_each
from vme.commands.registry import Command
from vme.config import Defaults
from vme.errors import Misused
from vme.units import GIB


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    parser.add_argument(
        "-d", "--size", type=size, metavar="SIZE", help="size of a new image: 10 or 10G (GiB), 512M, 2T"
    )
    parser.add_argument("-t", "--type", choices=("raw", "qcow2"), help="format of the image; never guessed")
    parser.add_argument(
        "-a",
        "--cache",
        choices=("none", "writethrough", "writeback", "directsync", "unsafe"),
        help="cache mode of the disk",
    )
    parser.add_argument("--bus", choices=("virtio", "scsi"), default="virtio", help="virtio (vdb, the default) or scsi")
    parser.add_argument("--image", metavar="FILE", help="an image that is there already, on a virt-store of the zone")
    parser.add_argument(
        "--shareable", action="store_true", help="let other guests have the disk too: raw, cache none, on each of them"
    )
    add_plan_options(parser, force="add an image that has a backing file, or that a silent node's guest may use")
    add_reason(parser)
    add_turn(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    wish = wish_of(arguments, context.config.defaults)
    timeout_s = timeout_of(arguments, context)
    located = chosen_guests(arguments, context)
    if wish.image is not None and len(located.guests) > 1 and not wish.shareable:
        raise Misused("one image is for one guest", hint="name one guest, or add it --shareable")

    def plan(index: int) -> Plan:
        return check(context.config, located.guests[index], wish, timeout_s)

    if arguments.dry_run:
        return on_each(context, located.guests, lambda index: "\n".join(plan(index).lines()))
    return on_each(context, located.guests, lambda index: carry_out(plan(index), reason=arguments.reason))


def wish_of(arguments: argparse.Namespace, defaults: Defaults) -> Wish:
    """What was asked for, with the configuration's defaults. Raises Misused where the words can't be meant together."""
    if arguments.image is not None and arguments.size is not None:
        raise Misused("an image that is there already has its size", hint="leave -d away, or --image")
    if arguments.shareable and (arguments.type == "qcow2" or arguments.cache not in (None, "none")):
        raise Misused("a shared disk is raw, without a cache: anything else two writers would destroy")
    new_format = "raw" if arguments.shareable else defaults.disk_format
    return Wish(
        size_bytes=arguments.size or defaults.disk_gib * GIB,
        image=arguments.image,
        format=arguments.type or (None if arguments.image else new_format),
        cache=arguments.cache or ("none" if arguments.shareable else defaults.cache),
        bus=arguments.bus,
        shareable=arguments.shareable,
        force=arguments.force,
    )
