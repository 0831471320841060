"""`mdadm --detail`: one array and the state of each of its members. Format: Detail.c of mdadm 3.2 to 4.3."""

import re
from collections.abc import Collection, Sequence

from vme.records import dataclass

# `       0       8        3        0      active sync set-A   /dev/sda3`; a dash for a number that there is not.
_ROW = re.compile(
    r"\s+(?P<number>\d+|-)\s+(?P<major>\d+|-)\s+(?P<minor>\d+|-)\s+(?P<slot>\d+|-)\s+(?P<state>\S.*?)"
    r"(?:\s+/dev/(?P<name>\S+))?\s*"
)


@dataclass(frozen=True)
class Member:
    """A row of the table: the kernel's name of the device (None where it is missing), its slot, its state's words."""

    name: str | None
    slot: int | None
    state: frozenset[str]

    @property
    def in_sync(self) -> bool:
        """Whether it holds all its data now. A spare that is being rebuilt does not; nor does what `vanished`."""
        return self.name is not None and {"active", "sync"} <= self.state and "faulty" not in self.state

    @property
    def vanished(self) -> bool:
        """Whether md still lists a device that is gone: in an idle array it even counts as active until it is used."""
        return self.name is None and "removed" not in self.state

    @property
    def faulty(self) -> bool:
        return "faulty" in self.state

    @property
    def spare(self) -> bool:
        return "spare" in self.state and "rebuilding" not in self.state


@dataclass(frozen=True)
class Detail:
    """An array. `state` has the words of its State line: clean, active, degraded, recovering, resyncing, FAILED, ..."""

    name: str
    uuid: str
    level: str
    layout: str
    raid_devices: int
    used_bytes: int | None
    state: frozenset[str]
    members: tuple[Member, ...]

    def member(self, name: str) -> Member | None:
        """The row of a device by the kernel's name, if it is in this array."""
        return next((member for member in self.members if member.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members if member.name is not None)

    @property
    def whole(self) -> bool:
        """Whether every slot has a member that holds all its data."""
        return sum(member.in_sync for member in self.members) >= self.raid_devices > 0

    @property
    def spares(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members if member.spare and member.name and not member.faulty)


def parse_detail(text: str) -> Detail | None:
    """The output of `mdadm --detail /dev/mdX`, or None if it is not that."""
    fields: dict[str, str] = {}
    members: list[Member] = []
    lines = text.splitlines()
    heading = re.match(r"/dev/(?P<name>\S+):\s*$", lines[0]) if lines else None
    if heading is None:
        return None
    in_table = False
    for line in lines[1:]:
        if re.match(r"\s+Number\s+Major\s+Minor\s+", line):
            in_table = True
        elif in_table and (row := _ROW.fullmatch(line)):
            slot = row["slot"]
            members.append(
                Member(
                    row["name"], None if slot == "-" else int(slot), frozenset(row["state"].replace(",", " ").split())
                )
            )
        elif " : " in line and not in_table:
            key, _, value = line.partition(" : ")
            fields[key.strip()] = value.strip()
    return Detail(
        name=heading["name"],
        uuid=fields.get("UUID", ""),
        level=fields.get("Raid Level", ""),
        layout=fields.get("Layout", ""),
        raid_devices=int(fields.get("Raid Devices", "0").split()[0]),
        used_bytes=_kib(fields.get("Used Dev Size", fields.get("Used Device Size", ""))),
        state=frozenset(re.split(r"[,\s]+", fields.get("State", "").strip(" ,"))) - {""},
        members=tuple(members),
    )


def _kib(text: str) -> int | None:
    number = text.split(" ")[0]
    return int(number) * 1024 if number.isdigit() else None


def why_it_dies(array: Detail, leaving: Collection[str]) -> str | None:
    """Why an array does not live without these members, or None if it does. Counts only members that are in sync."""
    left = frozenset(
        member.slot
        for member in array.members
        if member.in_sync and member.slot is not None and member.name not in leaving
    )
    if "FAILED" in array.state or "inactive" in array.state or not array.state:
        return f"{array.name} is not working now ({', '.join(sorted(array.state)) or 'no state'})"
    need = _slots_needed(array)
    if need is None:
        return f"{array.name} is {array.level or 'of no known level'}, which lives with all its members only"
    if all(len(group & left) >= count for group, count in need):
        return None
    gone = ", ".join(sorted(leaving))
    others = array.raid_devices - len(left) - sum(1 for m in array.members if m.in_sync and m.name in leaving)
    already = f"; {others} of its {array.raid_devices} members missing or not in sync already" if others > 0 else ""
    return f"{array.name} ({array.level}) would not live without {gone}{already}"


def _slots_needed(array: Detail) -> Sequence[tuple[frozenset[int], int]] | None:
    """Groups of slots, and how many of each must be in sync; None for a level without redundancy."""
    every = frozenset(range(array.raid_devices))
    if array.level == "raid1":
        return [(every, 1)]
    if array.level in ("raid4", "raid5"):
        return [(every, array.raid_devices - 1)]
    if array.level == "raid6":
        return [(every, array.raid_devices - 2)]
    if array.level == "raid10":
        return _raid10_groups(array, every)
    return None


def _raid10_groups(array: Detail, every: frozenset[int]) -> Sequence[tuple[frozenset[int], int]]:
    """near=N over a multiple of N devices keeps each chunk on N neighbours; else any N - 1 may be missing."""
    found = re.search(r"(near|far|offset)=(\d+)", array.layout)
    kind, copies = (found[1], int(found[2])) if found else ("near", 1)
    if kind == "near" and copies > 1 and array.raid_devices % copies == 0:
        return [(frozenset(range(first, first + copies)), 1) for first in range(0, array.raid_devices, copies)]
    return [(every, array.raid_devices - copies + 1)]
