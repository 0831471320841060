"""The disks of many machines at once: what disk_list shows."""

from collections.abc import Iterator

from vme.config import Config, Node
from vme.fleet.everywhere import Replies, ask_by_ssh
from vme.node.md.bays import bay_of
from vme.node.md.block_devices import Disk
from vme.node.md.machine import Machine, Session, ask_health, ask_machine
from vme.node.md.mdstat import MdArray
from vme.node.md.smart import UNKNOWN, Health
from vme.node.md.verbs import fits
from vme.records import dataclass, replace


@dataclass(frozen=True)
class MachineDisks:
    """A machine, and the health of its disks as far as it said it in time."""

    machine: Machine
    health: dict[str, Health]


def ask_disks(config: Config, machines: tuple[Node, ...], timeout_s: float) -> Replies[MachineDisks]:
    """The disks of each of these machines. Health comes last: smartctl waits for a disk that is ill."""

    def question(node: Node) -> Iterator[MachineDisks]:
        session = Session(node, config.ssh, timeout_s)
        known = MachineDisks(ask_machine(session), {})
        yield known
        yield replace(known, health=ask_health(session, known.machine.disks))

    return ask_by_ssh(config, machines, question, timeout_s)


@dataclass(frozen=True)
class Membership:
    """A partition (or a whole disk) in an array."""

    member: str
    faulty: bool
    array: MdArray

    def __str__(self) -> str:
        progress = self.array.progress
        doing = (
            ""
            if progress is None
            else f" {progress.kind}" + (f" {progress.percent:.0f}%" if progress.percent is not None else " waits")
        )
        state = "" if self.array.active else " inactive"
        return f"{self.array.name}[{self.array.map or '-'}]{'(F)' if self.faulty else ''}{state}{doing}"


def memberships(machine: Machine, disk: Disk) -> tuple[Membership, ...]:
    """What a disk serves."""
    names = {block.name for block in disk.block.all()}
    return tuple(
        Membership(member.name, member.faulty, array)
        for array in sorted(machine.arrays, key=lambda array: array.name)
        for member in array.members
        if member.name in names
    )


def vanished(machine: Machine) -> tuple[Membership, ...]:
    """Members that arrays still list though no disk has them: pulled or dead, and md has not missed them yet."""
    there = {block.name for disk in machine.disks for block in disk.block.all()}
    return tuple(
        Membership(member.name, member.faulty, array)
        for array in machine.arrays
        for member in array.members
        if member.name not in there and fits("member", member.name)
    )


def picture(config: Config, machine: Machine, health: dict[str, Health]) -> list[str]:
    """Which bay is which: a line for each bay of the machine's chassis, in its order; empty if no bay is known."""
    chassis = config.chassis_of(machine.node)
    in_bay = {bay: disk for disk in machine.disks if (bay := bay_of(chassis, machine, disk)) is not None}
    bays = list(chassis.bays.values()) if chassis else []
    bays += [bay for bay in in_bay if bay not in bays]
    width = max((len(bay) for bay in bays), default=0)
    return [f"  [{bay.ljust(width)}]  {_occupant(in_bay.get(bay), health)}".rstrip() for bay in bays]


def _occupant(disk: Disk | None, health: dict[str, Health]) -> str:
    if disk is None:
        return "- (empty, or its disk is not seen)"
    known = health.get(disk.name, UNKNOWN)
    words = [disk.name, disk.serial or "-", *([] if str(known) == "unknown" else [str(known)])]
    return "  ".join(words)
