"""Which guests of a zone need an image: as a disk, below a disk, or for a snapshot."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import PurePosixPath

from vme.config import Node, Store
from vme.fleet.definitions import Definition
from vme.hypervisor.domain_xml import Disk, disks_of, image_paths, parse
from vme.names import shown
from vme.records import dataclass
from vme.store.chain import images_below
from vme.store.layout import seen_here


class Kind(StrEnum):
    """How a guest needs an image; the words a person reads."""

    DISK = "a disk"
    NEXT_START = "a disk from the next start on"
    BELOW = "below a disk"
    SNAPSHOT = "needed by a snapshot"

    @property
    def writes(self) -> bool:
        """Whether it is a disk's own image."""
        return self in (Kind.DISK, Kind.NEXT_START)


@dataclass(frozen=True)
class Use:
    """One guest's need of an image. `disk` is the disk it is the image of, or below; None for a snapshot."""

    guest: str
    uuid: str
    node: Node
    kind: Kind
    disk: Disk | None

    def __str__(self) -> str:
        name = "" if self.disk is None else f" ({self.disk.target})"
        return f"{self.kind}{name} of guest {shown(self.guest)} on {self.node.name}"


def uses_of(image: PurePosixPath, definitions: Iterable[Definition], stores: Sequence[Store]) -> list[Use]:
    """Everything that needs an image (as the nodes see it), under whatever name of the same file."""
    wanted = _identity(image, stores)
    return [use for definition in definitions for use in _uses_in(definition, wanted, stores)]


def chain(disk: Disk, stores: Sequence[Store]) -> tuple[PurePosixPath, ...]:
    """A disk's image and all below it, as libvirt tells of a running guest and as the headers say."""
    image = PurePosixPath(disk.source or "/")
    return (image, *(PurePosixPath(path) for path in disk.backing), *images_below(image, stores))


def file_disks(xml: str) -> list[Disk]:
    """The disks of a domain that are files."""
    return [disk for disk in disks_of(parse(xml)) if disk.source_kind == "file" and disk.source]


def _uses_in(definition: Definition, wanted: object, stores: Sequence[Store]) -> Iterator[Use]:
    def use(kind: Kind, disk: Disk | None) -> Use:
        return Use(definition.name, definition.uuid, definition.node, kind, disk)

    for xml in (definition.xml, *definition.more):
        if parse(xml).tag == "domainsnapshot":
            named = [PurePosixPath(path) for path in image_paths(xml)]
            everything = {path for one in named for path in (one, *images_below(one, stores))}
            if wanted in {_identity(path, stores) for path in everything}:
                yield use(Kind.SNAPSHOT, None)
            continue
        for disk in file_disks(xml):
            own, *below = (_identity(path, stores) for path in chain(disk, stores))
            if own == wanted:
                yield use(Kind.DISK if xml is definition.xml else Kind.NEXT_START, disk)
            elif wanted in below:
                yield use(Kind.BELOW, disk)


def _identity(path: PurePosixPath, stores: Sequence[Store]) -> object:
    """What tells a file from others: its number on its store, so that another name of it is the same; else its path."""
    for store in stores:
        here = seen_here(store, path)
        if here is not None and here.exists():
            state = here.stat()
            return (state.st_dev, state.st_ino)
    return path
