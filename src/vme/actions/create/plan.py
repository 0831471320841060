"""All that is needed to create guests, decided: data that can be shown, and tested without a node."""

from collections.abc import Sequence
from pathlib import Path

from vme.actions.create.wish import Request
from vme.actions.new_image import ImagePlan
from vme.actions.ownership import Owner
from vme.config import Config, Node, Store
from vme.fleet.report import NodeReport
from vme.hypervisor.guest import Guest
from vme.records import dataclass
from vme.store.layout import guest_directory, saved_xml_file
from vme.units import size_text


@dataclass(frozen=True)
class NewFile:
    """A small file to put beside the images: `what` it is, for a person."""

    path: Path
    what: str
    content: bytes


@dataclass(frozen=True)
class GuestPlan:
    """One guest. `claims` are the stores on which its name is claimed; `source` is the guest it is a copy of.

    `nvram` is the file of its UEFI variables, which libvirt makes at the first start if we do not.
    """

    request: Request
    report: NodeReport
    placement: str
    store: Store
    claims: tuple[Store, ...]
    images: tuple[ImagePlan, ...]
    files: tuple[NewFile, ...]
    nvram: Path | None
    owner: Owner
    xml: str
    source: Guest | None = None
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def node(self) -> Node:
        return self.report.node

    @property
    def directory(self) -> Path:
        return guest_directory(self.store, self.name)

    def lines(self) -> list[str]:
        """The plan for a person."""
        wish = self.request
        return [
            f"create guest {wish.name} on {self.node.name} ({self.placement})",
            f"  a copy of {self.source}" if self.source else _size_line(wish),
            *(f"  image {image}" for image in self.images),
            *(f"  {file.what} {file.path}" for file in self.files),
            *([f"  UEFI variables {self.nvram}"] if self.nvram else []),
            *([f"  cdrom {wish.machine.iso}"] if wish.machine.iso else []),
            f"  owner {self.owner}",
            f"  saved XML {saved_xml_file(self.store, wish.name)}",
            *(f"  note: {remark}" for remark in self.remarks),
            *(["  start it"] if wish.start else []),
        ]


@dataclass(frozen=True)
class Plan:
    """Guests that are created together; each of them whole, or not at all. `stores` are all that answer."""

    config: Config
    guests: tuple[GuestPlan, ...]
    stores: tuple[Store, ...]
    force: bool

    def lines(self) -> list[str]:
        """The plan for a person: all of it for one guest, a line a guest and a sum for several."""
        if len(self.guests) == 1:
            return self.guests[0].lines()
        size_bytes = sum(image.needed_bytes for guest in self.guests for image in guest.images)
        memory_mib = sum(guest.request.memory_mib for guest in self.guests)
        return [
            *(_row(guest) for guest in self.guests),
            f"{len(self.guests)} guests with {size_text(memory_mib << 20)} of memory; {_spread(self.guests)}; "
            f"their images take {size_text(size_bytes)} at first",
        ]


def nvram_path(directory: Path, name: str) -> Path:
    """Where a guest's UEFI variables lie: beside its images, on the store, so that every node has them."""
    return directory / f"{name}_VARS.fd"


def targets(count: int = 25) -> tuple[str, ...]:
    """vda, vdb and so on, as far as vdy: the last letter is the seed's."""
    return tuple(f"vd{chr(ord('a') + number)}" for number in range(min(count, 25)))


def _size_line(wish: Request) -> str:
    extras = [
        word
        for word, wanted in (
            ("UEFI", wish.machine.uefi),
            ("Secure Boot", wish.machine.secure_boot),
            ("TPM", wish.machine.tpm),
            ("boots from the network if its disk does not", wish.machine.pxe),
        )
        if wanted
    ]
    bridges = ", ".join(str(bridge) for bridge in wish.bridges) or "none"
    return ", ".join([f"  {wish.vcpus} vCPU", f"{wish.memory_mib} MiB", *extras, f"bridges {bridges}"])


def _row(guest: GuestPlan) -> str:
    wish = guest.request
    disks = ", ".join(f"{size_text(image.size_bytes)}{' overlay' if image.base else ''}" for image in guest.images)
    what = f"copy of {guest.source.name}" if guest.source else f"{wish.vcpus} vCPU, {wish.memory_mib} MiB"
    notes = "".join(f"; {remark}" for remark in guest.remarks)
    return f"{wish.name}  on {guest.node.name}: {what}, disks {disks}{', start it' if wish.start else ''}{notes}"


def _spread(guests: Sequence[GuestPlan]) -> str:
    names = [guest.node.name for guest in guests]
    return ", ".join(f"{names.count(name)} on {name}" for name in sorted(set(names)))
