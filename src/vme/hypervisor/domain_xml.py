"""Reading and changing domain XML (libvirt's formatdomain), by a library, never by text."""

import posixpath
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vme.errors import Failed
from vme.records import dataclass


@dataclass(frozen=True)
class ScsiPlace:
    """Where a disk hangs on a virtio-scsi controller; `is_new` says that the controller is yet to be added."""

    controller: int
    unit: int
    is_new: bool


@dataclass(frozen=True)
class DiskSpec:
    """A disk to put into a guest: its image as the nodes see it, and the target its name ends with.

    `scsi` is None for a virtio disk, and where libvirt is to choose the place.
    """

    image: PurePosixPath
    format: str
    target: str
    cache: str
    shareable: bool = False
    scsi: ScsiPlace | None = None
    read_only: bool = False


@dataclass(frozen=True)
class Disk:
    """A disk of a guest. `source` is None for an empty drive; `backing`, if told: the images below, nearest first."""

    target: str
    bus: str | None
    device: str
    source: str | None
    source_kind: str
    format: str | None
    cache: str | None
    shareable: bool
    read_only: bool
    backing: tuple[str, ...]


@dataclass(frozen=True)
class Interface:
    """A network interface of a guest. `attached_to` is its bridge or network."""

    mac: str | None
    kind: str
    attached_to: str | None
    model: str | None
    device: str | None


@dataclass(frozen=True)
class Graphics:
    """A display of a guest; `port` is None while it is not running, and where it listens on a UNIX socket."""

    kind: str
    listen: str | None
    port: int | None
    socket: str | None = None


@dataclass(frozen=True)
class Description:
    """What a domain's XML says that people ask about."""

    name: str
    uuid: str
    title: str | None
    memory_mib: int
    current_memory_mib: int
    vcpus: int
    machine: str | None
    virt_type: str | None
    cpu: str | None
    firmware: str
    disks: tuple[Disk, ...]
    interfaces: tuple[Interface, ...]
    graphics: tuple[Graphics, ...]


def parse(xml: str) -> Element:
    """The root of a domain's XML. Raises Failed where it is no XML."""
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as problem:
        raise Failed(f"this is not XML: {problem}") from None


def describe(xml: str) -> Description:
    """What a domain's XML says, as data."""
    root = parse(xml)
    return Description(
        name=root.findtext("name", ""),
        uuid=root.findtext("uuid", ""),
        title=root.findtext("title"),
        memory_mib=_mib(root.find("memory")),
        current_memory_mib=_mib(root.find("currentMemory")) or _mib(root.find("memory")),
        vcpus=int(root.findtext("vcpu", "1")),
        machine=_attribute(root, "os/type", "machine"),
        virt_type=root.get("type"),
        cpu=root.findtext("cpu/model") or _attribute(root, "cpu", "mode"),
        firmware="uefi"
        if root.find("os/loader") is not None or _attribute(root, "os", "firmware") == "efi"
        else "bios",
        disks=disks_of(root),
        interfaces=tuple(_interface(element) for element in root.iterfind("devices/interface")),
        graphics=tuple(_graphics(element) for element in root.iterfind("devices/graphics")),
    )


def disks_of(root: Element) -> tuple[Disk, ...]:
    """The disks, cdroms and floppies of a domain."""
    return tuple(_disk(element) for element in root.iterfind("devices/disk"))


def with_disks(xml: str, disks: Sequence[DiskSpec]) -> str:
    """The same domain with these disks before its other devices of the kind; nothing else is touched."""
    root = parse(xml)
    devices = root.find("devices")
    if devices is None:
        raise Failed("virt-install printed a domain without devices")
    emulator = devices.find("emulator")
    place = 0 if emulator is None else list(devices).index(emulator) + 1
    for offset, disk in enumerate(disks):
        devices.insert(place + offset, _new_disk(disk))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def disk_xml(disk: DiskSpec) -> str:
    """The XML of one disk, for attaching it."""
    return ElementTree.tostring(_new_disk(disk), encoding="unicode")


def image_paths(xml: str) -> frozenset[str]:
    """Every file that a domain's or a snapshot's XML names as the image of a disk, or below one."""
    sources = (source.get("file") for disk in parse(xml).iter("disk") for source in disk.iter("source"))
    return frozenset(posixpath.normpath(file) for file in sources if file is not None)


def boot_disk(root: Element) -> str | None:
    """The target of the disk that the guest boots from: the first in its boot order, or else its first disk."""
    disks = [disk for disk in root.iterfind("devices/disk") if disk.get("device", "disk") in ("disk", "lun")]
    ordered = [disk for disk in disks if disk.find("boot") is not None]
    first = min(ordered, key=lambda disk: int(_attribute(disk, "boot", "order") or 0)) if ordered else None
    chosen = first if first is not None else next(iter(disks), None)
    return None if chosen is None else _attribute(chosen, "target", "dev")


def wanted_uuid(root: Element) -> str:
    """The UUID a domain is to have, canonical; libvirt takes it from the SMBIOS where it is only there. Empty: none."""
    return canonical_uuid(root.findtext("uuid", "") or root.findtext("sysinfo/system/entry[@name='uuid']", ""))


def canonical_uuid(text: str) -> str:
    """A UUID as libvirt writes it, who also reads it without hyphens and in capitals; what is none stays as it is."""
    if not is_uuid(text):
        return text.strip()
    digits = _digits(text)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_uuid(text: str) -> bool:
    """Whether libvirt reads it as a UUID."""
    return re.fullmatch("[0-9a-f]{32}", _digits(text)) is not None


def _digits(text: str) -> str:
    return text.strip().replace("-", "").lower()


def uuid_in(xml: str) -> str:
    """The UUID a domain's XML carries."""
    return parse(xml).findtext("uuid", "")


def nvram_of(root: Element) -> str | None:
    """The file on the node in which UEFI keeps the guest's variables; None for BIOS, or where it is no file.

    With firmware='efi' libvirt before 9.2 does not tell its path in the persistent XML, and uses this one.
    """
    nvram = root.find("os/nvram")
    if nvram is not None:
        return (nvram.text or "").strip() or _attribute(nvram, "source", "file")
    if _attribute(root, "os", "firmware") == "efi":
        return f"/var/lib/libvirt/qemu/nvram/{root.findtext('name', '')}_VARS.fd"
    return None


def has_own_tpm(root: Element) -> bool:
    """Whether a TPM is emulated for the guest, whose state its node keeps."""
    return root.find("devices/tpm/backend[@type='emulator']") is not None


def _new_disk(disk: DiskSpec) -> Element:
    element = Element("disk", type="file", device="disk")
    SubElement(element, "driver", name="qemu", type=disk.format, cache=disk.cache, discard="unmap")
    SubElement(element, "source", file=str(disk.image))
    SubElement(element, "target", dev=disk.target, bus="virtio" if disk.target.startswith("vd") else "scsi")
    if disk.shareable:
        SubElement(element, "shareable")
    if disk.scsi is not None:
        place = {"controller": str(disk.scsi.controller), "bus": "0", "target": "0", "unit": str(disk.scsi.unit)}
        SubElement(element, "address", {"type": "drive", **place})
    if disk.read_only:
        SubElement(element, "readonly")
    return element


def _disk(element: Element) -> Disk:
    source, driver, target = element.find("source"), element.find("driver"), element.find("target")
    kind = element.get("type", "file")
    return Disk(
        target=target.get("dev", "?") if target is not None else "?",
        bus=None if target is None else target.get("bus"),
        device=element.get("device", "disk"),
        source=_source_of(source),
        source_kind=kind,
        format=None if driver is None else driver.get("type"),
        cache=None if driver is None else driver.get("cache"),
        shareable=element.find("shareable") is not None,
        read_only=element.find("readonly") is not None,
        backing=tuple(_backing_chain(element)),
    )


def _source_of(source: Element | None) -> str | None:
    if source is None:
        return None
    pool, volume = source.get("pool"), source.get("volume")
    if pool and volume:
        return f"{pool}/{volume}"
    return source.get("file") or source.get("dev") or source.get("dir") or source.get("name")


def _backing_chain(element: Element) -> list[str]:
    """The images below; one that its overlay names by ../ is told without it, so that paths can be compared."""
    chain = []
    below = element.find("backingStore")
    while below is not None and (source := _source_of(below.find("source"))) is not None:
        chain.append(posixpath.normpath(source) if source.startswith("/") else source)
        below = below.find("backingStore")
    return chain


def _interface(element: Element) -> Interface:
    source = element.find("source")
    attached = None if source is None else (source.get("bridge") or source.get("network") or source.get("dev"))
    return Interface(
        mac=_attribute(element, "mac", "address"),
        kind=element.get("type", "?"),
        attached_to=attached,
        model=_attribute(element, "model", "type"),
        device=_attribute(element, "target", "dev"),
    )


def _graphics(element: Element) -> Graphics:
    port = element.get("port", "")
    number = int(port) if port.lstrip("-").isdigit() else -1
    socket = element.get("socket") or _attribute(element, "listen[@type='socket']", "socket")
    return Graphics(element.get("type", "?"), element.get("listen"), number if number > 0 else None, socket)


def _attribute(element: Element, path: str, name: str) -> str | None:
    found = element.find(path)
    return None if found is None else found.get(name)


_KIB_IN = {
    "b": 1 / 1024,
    "bytes": 1 / 1024,
    "KB": 1000 / 1024,
    "k": 1,
    "KiB": 1,
    "MB": 1e6 / 1024,
    "M": 1024,
    "MiB": 1024,
}
_KIB_IN |= {"GB": 1e9 / 1024, "G": 1024**2, "GiB": 1024**2, "TB": 1e12 / 1024, "T": 1024**3, "TiB": 1024**3}


def _mib(element: Element | None) -> int:
    """A memory element in MiB; libvirt's unit is KiB where none is given (formatdomain, Memory allocation)."""
    if element is None or not (element.text or "").strip():
        return 0
    return int(int((element.text or "0").strip()) * _KIB_IN.get(element.get("unit", "KiB"), 1) / 1024)
