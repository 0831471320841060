"""The options of create_guest that say what a guest is; a batch file has the same under the same names."""

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING

from vme.commands.context import whole_above_zero

if TYPE_CHECKING:
    from vme.actions.create.options import Options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Everything that can be said of one guest."""
    _add_machine(parser)
    _add_source(parser)
    _add_cloud_init(parser)
    parser.add_argument("--start", action="store_true", help="start it when it is created")


def options_of(arguments: argparse.Namespace) -> "Options":
    """What was said, as Options: their fields have the arguments' names. Waiting for a guest means starting it."""
    from vme.actions.create.options import Options

    values = {field.name: getattr(arguments, field.name) for field in fields(Options)}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Options(**(values | {"start": arguments.start or arguments.wait is not None}))


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-c", "--vcpus", type=whole_above_zero, metavar="N", help="virtual CPUs")
    add("-m", "--memory", type=whole_above_zero, metavar="MIB", help="memory in MiB")
    disk = "a disk's size in GiB, and more: 20,format=raw,cache=none; repeatable, the first one has the image"
    add("-d", "--disk", action="append", default=[], metavar="GIB", help=disk)
    add("-t", "--type", choices=("raw", "qcow2"), help="format of the images")
    caches = ("none", "writethrough", "writeback", "directsync", "unsafe")
    add("-a", "--cache", choices=caches, help="cache mode of the disks")
    bridge = "bridge of a network interface, and more: br0,vlan=12,mac=52:54:00:12:34:56; repeatable"
    add("-b", "--bridge", action="append", default=[], metavar="BRIDGE", help=bridge)
    add("-r", "--store", metavar="VIRT-STORE", help="virt-store of the zone, if it has more than one")
    add("-s", "--node", metavar="NODE", help="node to create it on (default: the one with most memory available)")
    add("--zone", metavar="ZONE", help="zone to create it in, if no node is named")
    add("--os", metavar="NAME", help="the guest's system, as osinfo-query os names it")
    add("--uefi", action="store_true", help="UEFI instead of BIOS")
    add("--secure-boot", action="store_true", help="UEFI that starts only what is signed")
    add("--tpm", action="store_true", help="a TPM 2.0, emulated on the node")


def _add_source(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    image = "begin with a copy of this image, or of NAME in the virt-store's .images"
    add("--image", metavar="FILE|NAME", help=image)
    add("--from", dest="source", metavar="GUEST", help="make a copy of this guest, which must be shut off")
    add("--linked", action="store_true", help="begin with an overlay on the image (or the template), not a copy")
    add("--iso", metavar="FILE|NAME", help="install from this ISO on the virt-store, or NAME in its .images")
    add("--pxe", action="store_true", help="install from the network: boot from it while the disk is empty")


def _add_cloud_init(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--cloud-init", metavar="FILE", help="user-data for cloud-init in the guest")
    key = "public key that may log in, as cloud-init's default user; repeatable"
    add("--ssh-key", action="append", default=[], metavar="FILE", help=key)
    add("--hostname", metavar="NAME", help="host name that cloud-init gives it (default: the guest's name)")
    address = "fixed address of an interface: 10.0.0.5/24,gw=10.0.0.1,dns=10.0.0.2; repeatable, in their order"
    add("--address", action="append", default=[], metavar="ADDRESS", help=address)
