"""disk_list: every disk of every machine, where it is plugged in, how it is, and which arrays it serves."""

import argparse
from typing import Any

from vme.actions.replace_disk.job import open_jobs
from vme.commands.context import Context, add_format, add_timeout, silence_error, timeout_of
from vme.commands.registry import Command
from vme.config import Config
from vme.fleet.disks import MachineDisks, ask_disks, memberships, picture, vanished
from vme.fleet.inventory import machines_named
from vme.names import shown
from vme.node.md.bays import bay_of
from vme.node.md.block_devices import Block, Disk
from vme.node.md.mdstat import MdArray
from vme.node.md.smart import UNKNOWN
from vme.report import Column, write_data, write_rows
from vme.units import size_text

COLUMNS = (
    Column("node", "NODE"),
    Column("disk", "DISK"),
    Column("bay", "BAY", shown),
    Column("hctl", "HCTL"),
    Column("model", "MODEL", shown),
    Column("serial", "SERIAL", shown),
    Column("size_bytes", "SIZE", size_text, right=True),
    Column("health", "HEALTH"),
    Column("arrays", "ARRAYS"),
)
# For a program that reads csv there is more, still one value a cell.
_MORE = (Column("wwn", "WWN"), Column("transport", "TRAN"), Column("places", "BY-PATH"))


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument(
        "machines",
        nargs="*",
        metavar="NODES",
        help="only these: kvm03, st[1-2], @zone, @storage (default: all machines)",
    )
    add_format(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    config = context.config
    asked = tuple(dict.fromkeys(node for text in arguments.machines for node in machines_named(config, text)))
    replies = ask_disks(config, asked or config.machines, timeout_of(arguments, context))
    found = [answer.value for answer in replies.answers]
    if arguments.output in ("json", "yaml"):
        write_data([_as_data(config, one) for one in found], arguments.output)
    else:
        rows = [_row(config, one, disk) for one in found for disk in one.machine.disks]
        write_rows(rows, COLUMNS if arguments.output == "text" else (*COLUMNS, *_MORE), arguments.output)
    if arguments.output == "text":
        _print_more(config, found)
    for answer in replies.answers:
        if not answer.complete:
            context.warn(f"{answer.node.name}: the health of all its disks is not known in time")
    problem = silence_error(replies.silences)
    if problem is not None:
        raise problem
    return 0


def _row(config: Config, one: MachineDisks, disk: Disk) -> dict[str, Any]:
    machine = one.machine
    return {
        "node": machine.node.name,
        "disk": disk.name,
        "bay": bay_of(config.chassis_of(machine.node), machine, disk),
        "hctl": disk.hctl,
        "model": disk.model,
        "serial": disk.serial,
        "size_bytes": disk.size_bytes,
        "health": str(one.health.get(disk.name, UNKNOWN)),
        "arrays": " ".join(str(one) for one in memberships(machine, disk)) or None,
        "wwn": disk.wwn,
        "transport": disk.transport,
        "places": " ".join(machine.places.get(disk.name, ())) or None,
    }


def _print_more(config: Config, found: list[MachineDisks]) -> None:
    """Under the table: the bays of machines whose chassis is known, members that are gone, unfinished replacements."""
    for one in found:
        lines = picture(config, one.machine, one.health)
        if lines:
            print("\n".join(["", f"{one.machine.node.name}:", *lines]))
        for gone in vanished(one.machine):
            print(f"\n{gone.array.name} on {one.machine.node.name} lists {gone.member}, which is not there any more")
            print(f"  put a new disk in, and: replace_disk {one.machine.node.name} NEW-DISK")
        for job in open_jobs(one.machine.node.name):
            print(f"\nreplacement of {job.device} on {job.machine}, begun {job.started}, is not finished:")
            print(f"  replace_disk {job.machine} {job.device}")


def _as_data(config: Config, one: MachineDisks) -> dict[str, Any]:
    machine = one.machine
    return {
        "node": machine.node.name,
        "zone": machine.node.zone or None,
        "disks": [_disk_data(config, one, disk) for disk in machine.disks],
        "arrays": [_array_data(array) for array in machine.arrays],
    }


def _disk_data(config: Config, one: MachineDisks, disk: Disk) -> dict[str, Any]:
    health = one.health.get(disk.name, UNKNOWN)
    row = _row(config, one, disk)
    return {key: row[key] for key in ("disk", "bay", "hctl", "model", "serial", "wwn", "transport", "size_bytes")} | {
        "places": list(one.machine.places.get(disk.name, ())),
        "logical_sector_bytes": disk.logical_bytes,
        "physical_sector_bytes": disk.physical_bytes,
        "health": {
            "passed": health.passed,
            "signs": list(health.signs),
            "temperature_c": health.temperature_c,
            "power_on_hours": health.hours,
        },
        "partitions": [_block_data(block) for block in disk.partitions],
        "arrays": [
            {"array": serves.array.name, "member": serves.member, "faulty": serves.faulty}
            for serves in memberships(one.machine, disk)
        ],
    }


def _block_data(block: Block) -> dict[str, Any]:
    return {
        "name": block.name,
        "size_bytes": block.size_bytes,
        "filesystem": block.fstype,
        "type": block.part_type,
        "mountpoint": block.mountpoint,
    }


def _array_data(array: MdArray) -> dict[str, Any]:
    progress = array.progress
    return {
        "array": array.name,
        "level": array.level or None,
        "active": array.active,
        "map": array.map or None,
        "degraded": array.degraded,
        "bitmap": array.bitmap,
        "members": [{"name": member.name, "flags": member.flags or None} for member in array.members],
        "progress": None
        if progress is None
        else {
            "kind": progress.kind,
            "percent": progress.percent,
            "remaining_s": progress.remaining_s,
            "rate_kib_s": progress.rate_kib_s,
        },
    }
