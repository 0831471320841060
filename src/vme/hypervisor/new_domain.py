"""Domain XML on its way to a new guest: disks and media put in, or another guest's made into a copy's."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vme.errors import Failed
from vme.hypervisor.domain_xml import Disk, DiskSpec, disks_of, parse
from vme.records import dataclass


@dataclass(frozen=True)
class Identity:
    """What no two guests may share. `macs` are for its interfaces in their order, as many as are known."""

    name: str
    uuid: str
    macs: tuple[str, ...]


def new_uuid() -> str:
    return str(uuid.uuid4())


def new_mac() -> str:
    """An address under QEMU's own prefix, as libvirt makes them up itself."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def with_cdrom(xml: str, iso: PurePosixPath) -> str:
    """The same domain with a cdrom that has this ISO in it, on SATA: there every installer finds it."""
    root = parse(xml)
    devices = _devices(root)
    place = max((index for index, element in enumerate(devices) if element.tag in ("emulator", "disk")), default=-1)
    cdrom = Element("disk", type="file", device="cdrom")
    SubElement(cdrom, "driver", name="qemu", type="raw")
    SubElement(cdrom, "source", file=str(iso))
    SubElement(cdrom, "target", dev="sda", bus="sata")
    SubElement(cdrom, "readonly")
    devices.insert(place + 1, cdrom)
    return _text(root)


def with_identity(xml: str, identity: Identity) -> str:
    """The same domain under another name and UUID, and with other MACs; nothing in it points to the first any more.

    libvirt writes a generation id and the SMBIOS UUID from the domain's own: those go, or are changed along.
    """
    root = parse(xml)
    _set(root, "name", identity.name)
    _set(root, "uuid", identity.uuid)
    for entry in root.iterfind("sysinfo/system/entry[@name='uuid']"):
        entry.text = identity.uuid
    for generation in root.iterfind("genid"):
        generation.text = None
    for interface, mac in zip(root.iterfind("devices/interface"), identity.macs, strict=False):
        _set_attribute(interface, "mac", "address", mac)
    return _text(root)


def with_uuid(xml: str, new: str) -> str:
    """The same domain with this UUID, where libvirt would make one up."""
    root = parse(xml)
    _set(root, "uuid", new)
    return _text(root)


def macs_in(xml: str) -> tuple[str | None, ...]:
    """The MACs of a domain's interfaces; None for one that has none yet."""
    return tuple(
        None if (mac := interface.find("mac")) is None else mac.get("address")
        for interface in parse(xml).iterfind("devices/interface")
    )


def with_vlans(xml: str, vlans: Sequence[int | None]) -> str:
    """The same domain with its interfaces, in their order, in these VLANs (formatdomain, Setting VLAN tag)."""
    root = parse(xml)
    for interface, vlan in zip(root.iterfind("devices/interface"), vlans, strict=False):
        if vlan is not None:
            SubElement(SubElement(interface, "vlan"), "tag", id=str(vlan))
    return _text(root)


def with_nvram(xml: str, path: PurePosixPath) -> str:
    """The same domain with its UEFI variables in this file; libvirt makes it at the first start."""
    root = parse(xml)
    system = root.find("os")
    if system is None:
        raise Failed("a domain without <os> can't be given UEFI variables")
    nvram = system.find("nvram")
    if nvram is None:
        # After the loader and before the boot devices, where the schema of older libvirt wants it.
        loader = system.find("loader")
        before = loader if loader is not None else system.find("type")
        nvram = Element("nvram")
        system.insert(0 if before is None else list(system).index(before) + 1, nvram)
    nvram.text = str(path)
    return _text(root)


def has_agent_channel(xml: str) -> bool:
    """Whether the guest's agent has a channel to speak through."""
    return parse(xml).find("devices/channel/target[@name='org.qemu.guest_agent.0']") is not None


def as_copy(xml: str, identity: Identity, images: Mapping[str, DiskSpec], dropped: Sequence[str]) -> str:
    """Another guest's persistent XML as a copy's: own identity, own images by target, the dropped disks gone.

    Fixed ports of displays become any free one: two guests on one node can't have the same.
    """
    root = parse(with_identity(xml, identity))
    devices = _devices(root)
    for element in devices.findall("disk"):
        target = _target(element)
        if target in dropped:
            devices.remove(element)
        elif target in images:
            _give_image(element, images[target])
    for graphics in devices.iterfind("graphics"):
        if graphics.get("autoport") == "no":
            graphics.set("autoport", "yes")
            for port in ("port", "tlsPort", "websocket"):
                graphics.attrib.pop(port, None)
    return _text(root)


def reasons_not_copied(xml: str, directory: PurePosixPath, known: Sequence[str]) -> list[str]:
    """What a guest has that a copy can't have too: host devices, shared disks, other files in the guest's directory.

    `known` are the paths that are dealt with.
    """
    root = parse(xml)
    reasons = [
        f"it has a device of its node ({element.tag} of type {element.get('type')}), which only one guest can have"
        for element in [*root.iterfind("devices/hostdev"), *root.iterfind("devices/interface[@type='hostdev']")]
    ]
    reasons += [f"its disk {disk.target} is shared with other guests" for disk in disks_of(root) if disk.shareable]
    reasons += [
        f"its {_where(disk)} is not a file on a virt-store"
        for disk in disks_of(root)
        if disk.device == "disk" and disk.source_kind != "file"
    ]
    return reasons + [
        f"it refers to {value} in its own directory ({element.tag})"
        for element in root.iter()
        for value in [*element.attrib.values(), (element.text or "").strip()]
        if value.startswith(f"{directory}/") and value not in known
    ]


def _where(disk: Disk) -> str:
    return f"disk {disk.target} ({disk.source_kind} {disk.source})"


def _give_image(element: Element, disk: DiskSpec) -> None:
    for below in element.findall("backingStore"):
        element.remove(below)
    _set_attribute(element, "source", "file", str(disk.image))
    _set_attribute(element, "driver", "type", disk.format)


def _target(element: Element) -> str:
    target = element.find("target")
    return "" if target is None else target.get("dev", "")


def _devices(root: Element) -> Element:
    devices = root.find("devices")
    if devices is None:
        raise Failed("there is a domain without devices")
    return devices


def _set(root: Element, path: str, text: str) -> None:
    element = root.find(path)
    if element is None:
        element = Element(path)
        root.insert(0, element)
    element.text = text


def _set_attribute(parent: Element, path: str, name: str, value: str) -> None:
    element = parent.find(path)
    if element is None:
        element = SubElement(parent, path)
    element.set(name, value)


def _text(root: Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
