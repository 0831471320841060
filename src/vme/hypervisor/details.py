"""What a person asks of one guest beyond its XML: image sizes, addresses. Several calls, so not for listings."""

import libvirt

from vme.hypervisor.guest import Guest, snapshot_names
from vme.hypervisor.translation import translated
from vme.records import dataclass

# Told by the guest's agent, by libvirt's own DHCP server, or by the node's ARP table: in this order of trust.
_ADDRESS_SOURCES = (
    libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
    libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
    libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
)


@dataclass(frozen=True)
class ImageSize:
    """An image as QEMU has it: what the guest sees, and what it takes on the store, in bytes."""

    virtual_bytes: int
    allocated_bytes: int


@dataclass(frozen=True)
class Details:
    """The answers. `image_sizes` are by target; a disk whose image can't be read is missing there."""

    autostart: bool
    persistent: bool
    has_managed_save: bool
    max_memory_mib: int
    used_memory_mib: int
    vcpus: int
    cpu_time_s: float
    image_sizes: dict[str, ImageSize]
    addresses: dict[str, tuple[str, ...]]
    snapshots: tuple[str, ...]


def details_of(guest: Guest, targets: tuple[str, ...]) -> Details:
    """Ask for the details of a guest and of its disks with these targets."""
    domain = guest.domain
    with translated(str(guest)):
        _state, max_kib, used_kib, vcpus, cpu_ns = domain.info()
        return Details(
            autostart=bool(domain.autostart()),
            persistent=bool(domain.isPersistent()),
            has_managed_save=bool(domain.hasManagedSaveImage(0)),
            max_memory_mib=max_kib // 1024,
            used_memory_mib=used_kib // 1024,
            vcpus=vcpus,
            cpu_time_s=cpu_ns / 1e9,
            image_sizes={target: size for target in targets if (size := _image_size(domain, target)) is not None},
            addresses=addresses_of(guest) if guest.state == "running" else {},
            snapshots=snapshot_names(guest),
        )


def _image_size(domain: libvirt.virDomain, target: str) -> ImageSize | None:
    try:
        capacity, allocation, physical = domain.blockInfo(target)
    except libvirt.libvirtError:
        return None  # an empty drive, or an image that is not there; info_guest says so itself
    return ImageSize(capacity, allocation or physical)


def addresses_of(guest: Guest) -> dict[str, tuple[str, ...]]:
    """A running guest's MAC -> its addresses, from the first source that knows any of that interface."""
    found: dict[str, tuple[str, ...]] = {}
    for source in _ADDRESS_SOURCES:
        try:
            interfaces = guest.domain.interfaceAddresses(source, 0)
        except libvirt.libvirtError:
            continue  # no agent in the guest, or no network of libvirt's: the next source may know
        for interface in interfaces.values():
            addresses = tuple(f"{address['addr']}/{address['prefix']}" for address in interface["addrs"] or ())
            if addresses and interface["hwaddr"]:
                found.setdefault(interface["hwaddr"].lower(), addresses)
    return found
