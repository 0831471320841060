"""`lsblk --json`: a machine's disks and all that lies on them. util-linux 2.33 to 2.41."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from vme.records import dataclass

# Only columns that util-linux has had since 2.33 (Debian 10, RHEL 8).
COLUMNS = (
    *("NAME", "KNAME", "TYPE", "SIZE", "MODEL", "SERIAL", "WWN", "HCTL", "TRAN", "LOG-SEC", "PHY-SEC", "RO"),
    *("FSTYPE", "UUID", "LABEL", "PTTYPE", "PARTTYPE", "MOUNTPOINT"),
)
# What a machine may show beside its disks: nothing that can be pulled.
_NO_DISKS = ("loop", "ram", "zram", "sr", "fd", "md", "dm-", "nbd", "rbd", "drbd")


@dataclass(frozen=True)
class Block:
    """A disk, a partition of it, or what was built on one (`raid1`, `lvm`, `crypt`), by the kernel's name."""

    name: str
    kind: str
    size_bytes: int
    fstype: str | None
    uuid: str | None
    label: str | None
    table: str | None
    part_type: str | None
    mountpoint: str | None
    children: tuple["Block", ...]

    @property
    def number(self) -> int | None:
        """A partition's number: 3 for `sda3` and for `nvme0n1p3`."""
        digits = self.name[len(self.name.rstrip("0123456789")) :]
        return int(digits) if self.kind == "part" and digits else None

    def all(self) -> Iterator["Block"]:
        """This and everything on it."""
        yield self
        for child in self.children:
            yield from child.all()


@dataclass(frozen=True)
class Disk:
    """A disk. `serial` and `wwn` tell it from every other; `hctl` is host:channel:target:lun where it is SCSI."""

    block: Block
    model: str | None
    serial: str | None
    wwn: str | None
    hctl: str | None
    transport: str | None
    logical_bytes: int
    physical_bytes: int
    read_only: bool

    @property
    def name(self) -> str:
        return self.block.name

    @property
    def size_bytes(self) -> int:
        return self.block.size_bytes

    @property
    def partitions(self) -> tuple[Block, ...]:
        return tuple(child for child in self.block.children if child.kind == "part")

    @property
    def identity(self) -> str | None:
        """What names this very disk: its serial number, or else its WWN; None if it says neither."""
        return self.serial or self.wwn

    def part(self, number: int | None) -> str:
        """The kernel's name of a partition of this disk (None: the whole disk), whether it exists or not."""
        return partition_name(self.name, number)


def partition_name(disk: str, number: int | None) -> str:
    """`sda3`, `nvme0n1p3`; the disk itself for None."""
    if number is None:
        return disk
    return f"{disk}p{number}" if disk[-1].isdigit() else f"{disk}{number}"


def parse_lsblk(text: str) -> tuple[Disk, ...]:
    """The disks in the output of `lsblk --json --bytes --output COLUMNS`. Raises ValueError if it is not that."""
    data = json.loads(text)
    try:
        return tuple(_disk(entry) for entry in data["blockdevices"] if _is_disk(entry))
    except (KeyError, TypeError) as problem:
        raise ValueError(f"not the answer of lsblk: {problem!r}") from None


def _is_disk(entry: dict[str, Any]) -> bool:
    return entry["type"] == "disk" and not str(entry["kname"]).startswith(_NO_DISKS)


def _disk(entry: dict[str, Any]) -> Disk:
    return Disk(
        block=_block(entry),
        model=_text(entry, "model"),
        serial=_text(entry, "serial"),
        wwn=_text(entry, "wwn"),
        hctl=_text(entry, "hctl"),
        transport=_text(entry, "tran"),
        logical_bytes=int(entry["log-sec"]),
        physical_bytes=int(entry["phy-sec"]),
        read_only=entry["ro"] in (True, "1"),
    )


def _block(entry: dict[str, Any]) -> Block:
    return Block(
        name=str(entry["kname"]),
        kind=str(entry["type"]),
        size_bytes=int(entry["size"]),
        fstype=_text(entry, "fstype"),
        uuid=_text(entry, "uuid"),
        label=_text(entry, "label"),
        table=_text(entry, "pttype"),
        part_type=_text(entry, "parttype"),
        mountpoint=_text(entry, "mountpoint"),
        children=tuple(_block(child) for child in entry.get("children", [])),
    )


def _text(entry: dict[str, Any], key: str) -> str | None:
    """Sizes were texts and numbers, blanks were kept or not, from version to version."""
    value = entry[key]
    return None if value is None else str(value).strip() or None


def parse_swaps(text: str) -> tuple[str, ...]:
    """The kernel's names of the block devices in /proc/swaps (proc(5))."""
    paths = [line.split()[0] for line in text.splitlines()[1:] if line.split()]
    return tuple(path.removeprefix("/dev/") for path in paths if path.startswith("/dev/"))


def parse_by_path(text: str) -> dict[str, tuple[str, ...]]:
    """Disk -> its names in /dev/disk/by-path, which say where it is plugged in. Lines of `find -printf '%f %l\\n'`."""
    places: dict[str, list[str]] = {}
    for line in text.splitlines():
        link, _, target = line.rpartition(" ")
        if link and "-part" not in link:
            places.setdefault(target.rpartition("/")[2], []).append(link)
    return {name: tuple(sorted(links)) for name, links in places.items()}


def parse_enclosures(text: str) -> dict[str, str]:
    """Disk -> the slot of its enclosure. Lines of find(1): /sys/class/enclosure/0:0:8:0/Slot 01/device/block/sda."""
    slots = {}
    for line in text.splitlines():
        parts = line.split("/")
        if len(parts) == 9 and parts[3] == "enclosure":
            slots[parts[8]] = parts[5]
    return slots


def disk_by_identity(disks: Sequence[Disk], identity: str | None) -> Disk | None:
    """The disk with that serial number (or WWN)."""
    return next((disk for disk in disks if identity is not None and disk.identity == identity), None)
