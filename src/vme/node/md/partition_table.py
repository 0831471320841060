"""`sfdisk --dump`: a partition table as text, and the text that makes the same table on another disk.

sfdisk (util-linux 2.26 and later) knows MBR and GPT alike. `sgdisk --replicate` is not used: it takes source and target
in an order that one day is typed wrong, where sfdisk is given a text and one disk. See sfdisk(8), "Script format".
"""

import re

from vme.records import dataclass

# The EFI system partition's type, as GPT has it; as lsblk writes it of MBR, and sfdisk.
_ESP_TYPES = ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef", "ef")
_PARTITION = re.compile(r"/dev/(?P<name>\S+)\s*:\s*(?P<fields>.*)")
_FIELD = re.compile(r'(?P<key>[a-z-]+)(?:\s*=\s*(?P<value>"[^"]*"|[^,\s]+))?')
# What belongs to one disk and must not be had twice; the partitions' own uuid goes with these.
_OWN_OF_A_DISK = ("label-id", "device", "last-lba")


@dataclass(frozen=True)
class Partition:
    """A partition, in sectors of the table's size. `fields` are all others that sfdisk gave, in its order."""

    number: int
    start: int
    size: int
    type: str
    uuid: str | None
    name: str | None
    bootable: bool
    attrs: str | None

    @property
    def shape(self) -> tuple[object, ...]:
        """What is the same in a copy: all but the uuid."""
        return (self.number, self.start, self.size, self.type.upper(), self.name, self.bootable, self.attrs)


@dataclass(frozen=True)
class Table:
    """A partition table. `label` is `gpt` or `dos`."""

    label: str
    label_id: str | None
    sector_bytes: int | None
    partitions: tuple[Partition, ...]
    header: tuple[tuple[str, str], ...]

    @property
    def shape(self) -> tuple[object, ...]:
        """Equal for two disks whose tables are copies of one another."""
        return (self.label, tuple(sorted(partition.shape for partition in self.partitions)))

    def end_bytes(self, sector_bytes: int) -> int:
        """How large a disk must be: the last partition's end, and for GPT its second table behind that."""
        end = max((partition.start + partition.size for partition in self.partitions), default=0)
        return (end + (33 if self.label == "gpt" else 0)) * sector_bytes

    def partition(self, number: int) -> Partition | None:
        return next((partition for partition in self.partitions if partition.number == number), None)


def parse_dump(text: str) -> Table | None:
    """The output of `sfdisk --dump`, or None if the disk has no partition table."""
    header: list[tuple[str, str]] = []
    partitions = []
    for line in text.splitlines():
        if found := _PARTITION.fullmatch(line.strip()):
            partitions.append(_partition(found["name"], found["fields"]))
        elif ":" in line and not line.startswith("#"):
            key, _, value = line.partition(":")
            header.append((key.strip(), value.strip()))
    fields = dict(header)
    if "label" not in fields:
        return None
    sector = fields.get("sector-size", "")
    return Table(
        label=fields["label"],
        label_id=fields.get("label-id"),
        sector_bytes=int(sector) if sector.isdigit() else None,
        partitions=tuple(partitions),
        header=tuple(header),
    )


def _partition(name: str, text: str) -> Partition:
    fields = {found["key"]: (found["value"] or "").strip('"') for found in _FIELD.finditer(text)}
    return Partition(
        number=int(name[len(name.rstrip("0123456789")) :]),
        start=int(fields["start"]),
        size=int(fields["size"]),
        type=fields.get("type", fields.get("Id", "")),
        uuid=fields.get("uuid"),
        name=fields.get("name"),
        bootable="bootable" in fields,
        attrs=fields.get("attrs"),
    )


def script_for(table: Table) -> str:
    """The text that makes this table on another disk, which gets identifiers of its own."""
    lines = [f"{key}: {value}" for key, value in table.header if key not in _OWN_OF_A_DISK and key != "sector-size"]
    for partition in table.partitions:
        words = [f"start={partition.start}", f"size={partition.size}", f"type={partition.type}"]
        words += [f'name="{partition.name}"'] if partition.name else []
        words += [f'attrs="{partition.attrs}"'] if partition.attrs else []
        words += ["bootable"] if partition.bootable else []
        lines.append(f"{partition.number} : {', '.join(words)}")
    return "\n".join(lines) + "\n"


def is_esp(part_type: str | None) -> bool:
    """Whether this is an EFI system partition's type."""
    return (part_type or "").lower() in _ESP_TYPES


def has_esp(dump: str) -> bool:
    """Whether a dumped table has an EFI system partition."""
    table = parse_dump(dump)
    return table is not None and any(is_esp(partition.type) for partition in table.partitions)
