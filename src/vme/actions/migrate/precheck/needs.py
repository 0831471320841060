"""What a guest needs of the node it moves to, read from its XML; pure."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from vme.actions.migrate.travel import Baggage
from vme.hypervisor.domain_xml import Disk, describe, has_own_tpm, parse
from vme.hypervisor.guest import Guest
from vme.hypervisor.host import Wanted
from vme.hypervisor.movable import Movable
from vme.records import dataclass


@dataclass(frozen=True)
class NeededFile:
    """A file that the guest's QEMU opens, and what for: `disk vda`. `cache` is that of the disk it is the image of.

    `relabelled`: the dac driver of a libvirt with dynamic_ownership gives it away, and takes it back (its owner).
    """

    path: PurePosixPath
    what: str
    writes: bool
    cache: str | None = None
    shareable: bool = False
    relabelled: bool = False


@dataclass(frozen=True)
class Needs:
    """One guest's needs. `live`: it runs, and moves while it runs. Page sizes are in KiB, 0 for the usual huge page.

    `owner` is the user that its QEMU runs as, where that is not the node's usual one.
    """

    guest: Guest
    live: bool
    movable: Movable
    baggage: Baggage
    memory_mib: int
    huge_pages_kib: tuple[int, ...]
    wanted: Wanted
    cpu_of_host: bool
    tpm: bool
    files: tuple[NeededFile, ...]
    other_disks: tuple[Disk, ...]
    bridges: frozenset[str]
    links: frozenset[str]
    networks: frozenset[str]
    owner: str | None

    @property
    def root(self) -> Element:
        """Its XML, as it runs."""
        return parse(self.movable.xml)


def needs_of(guest: Guest, movable: Movable, baggage: Baggage) -> Needs:
    """Read what a guest needs."""
    root = parse(movable.xml)
    description = describe(movable.xml)
    # As it runs: a node that is moved to is given this one, not the one of the definition (libvirt's migration cookie).
    cpu = root.find("cpu")
    of_host = cpu is not None and cpu.get("mode") in ("host-passthrough", "maximum")
    told = cpu is not None and not of_host and guest.active
    kind = root.find("os/type")
    bridges, links, networks = _attached(root)
    return Needs(
        guest=guest,
        live=guest.active,
        movable=movable,
        baggage=baggage,
        memory_mib=description.memory_mib,
        huge_pages_kib=tuple(_huge_pages(root)),
        wanted=Wanted(
            root.findtext("devices/emulator"),
            None if kind is None else kind.get("arch"),
            description.machine,
            description.virt_type,
            ElementTree.tostring(cpu, encoding="unicode") if cpu is not None and told else None,
        ),
        cpu_of_host=of_host,
        tpm=has_own_tpm(root),
        files=tuple(_files(root, description.disks)),
        other_disks=tuple(disk for disk in description.disks if disk.source and disk.source_kind != "file"),
        bridges=bridges,
        links=links,
        networks=networks,
        owner=_own_owner(root),
    )


def files_of(xml: str) -> tuple[NeededFile, ...]:
    """The files that a guest of this XML opens."""
    return tuple(_files(parse(xml), describe(xml).disks))


def _files(root: Element, disks: tuple[Disk, ...]) -> Iterator[NeededFile]:
    whole = _relabels(root)
    for disk, element in zip(disks, root.iterfind("devices/disk"), strict=True):
        if not disk.source or disk.source_kind != "file":
            continue
        what = f"{disk.device} {disk.target}"
        writes = not disk.read_only and disk.device not in ("cdrom", "floppy")
        source = element.find("source")
        # libvirt leaves alone what several may have open (virSecurityDACRestoreImageLabelInt).
        relabelled = whole and writes and not disk.shareable and (source is None or _relabels(source))
        yield NeededFile(PurePosixPath(disk.source), what, writes, disk.cache, disk.shareable, relabelled)
        for path in disk.backing:
            if path.startswith("/"):
                yield NeededFile(PurePosixPath(path), f"below {what}", writes=False)
    for place, what in (("os/loader", "its firmware"), ("os/kernel", "its kernel"), ("os/initrd", "its initrd")):
        path = (root.findtext(place) or "").strip()
        if path.startswith("/"):
            yield NeededFile(PurePosixPath(path), what, writes=False)


def _relabels(element: Element) -> bool:
    """Whether the dac driver may change owners here: no seclabel of its own says no."""
    labels = [label for label in element.findall("seclabel") if label.get("model", "dac") == "dac"]
    return all(label.get("relabel", "yes") != "no" and label.get("type") != "none" for label in labels)


def _own_owner(root: Element) -> str | None:
    for label in root.iterfind("seclabel[@model='dac']"):
        if label.get("type") == "static":
            return label.findtext("label")
    return None


def _attached(root: Element) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Linux bridges, other interfaces of the node (macvtap's, Open vSwitch's bridges), and libvirt's networks."""
    bridges: set[str] = set()
    links: set[str] = set()
    networks: set[str] = set()
    for interface in root.iterfind("devices/interface"):
        source, port = interface.find("source"), interface.find("virtualport")
        if source is None:
            continue
        bridge, network, device = source.get("bridge"), source.get("network"), source.get("dev")
        kind = interface.get("type")
        if kind == "network" and network:
            networks.add(network)
        elif kind == "bridge" and bridge:
            (links if port is not None and port.get("type") == "openvswitch" else bridges).add(bridge)
        elif kind == "direct" and device:
            links.add(device)
    return frozenset(bridges), frozenset(links), frozenset(networks)


_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "K": 1, "KiB": 1, "M": 1024, "MiB": 1024, "G": 1024**2, "GiB": 1024**2}


def _huge_pages(root: Element) -> Iterator[int]:
    """The sizes of huge pages asked for in KiB, 0 where only that there are some."""
    element = root.find("memoryBacking/hugepages")
    if element is None:
        return
    pages = element.findall("page")
    if not pages:
        yield 0
    for page in pages:
        yield int(int(page.get("size", "0")) * _KIB.get(page.get("unit", "KiB"), 1))
