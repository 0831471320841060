"""Everything about one guest that a person asks for, gathered from its node and from the virt-store."""

from contextlib import suppress
from pathlib import PurePosixPath

from vme.config import Config, Store
from vme.errors import VmeError
from vme.fleet.deadline import within
from vme.hypervisor.details import Details, details_of
from vme.hypervisor.domain_xml import Description, Disk, describe
from vme.hypervisor.guest import Guest, live_form
from vme.names import is_allowed
from vme.node.neighbours import addresses_heard_of
from vme.records import dataclass, replace
from vme.store.chain import images_below
from vme.store.layout import saved_xml_file


@dataclass(frozen=True)
class Inspection:
    """A guest, its XML as data, its details, the images below each of its disks, and where its XML is saved."""

    guest: Guest
    description: Description
    details: Details
    chains: dict[str, tuple[str, ...]]
    saved_xml: str | None


def inspect(config: Config, guest: Guest, timeout_s: float) -> Inspection:
    """Ask the guest's node, and read headers of images on the store; changes nothing. Raises Late at the deadline."""
    stores = config.zone(guest.node.zone).stores

    def ask() -> Inspection:
        description = describe(live_form(guest))
        details = details_of(guest, tuple(disk.target for disk in description.disks if disk.source))
        if guest.state == "running":
            details = _with_addresses_heard_of(config, guest, description, details, timeout_s)
        chains = {disk.target: chain_of(disk, stores) for disk in description.disks}
        return Inspection(guest, description, details, chains, _saved_xml(guest, stores))

    return within(timeout_s, str(guest), ask)


def _with_addresses_heard_of(
    config: Config, guest: Guest, description: Description, details: Details, timeout_s: float
) -> Details:
    """Fill in, from the node's own table of neighbours, the addresses that libvirt knows nothing of."""
    macs = {interface.mac.lower() for interface in description.interfaces if interface.mac}
    if macs <= set(details.addresses):
        return details
    with suppress(VmeError):  # an address is nice to have; all else counts without it
        heard = addresses_heard_of(guest.node, config.ssh, timeout_s=timeout_s)
        return replace(details, addresses={mac: heard[mac] for mac in macs if mac in heard} | details.addresses)
    return details


def chain_of(disk: Disk, stores: tuple[Store, ...]) -> tuple[str, ...]:
    """The images below a disk's own, nearest first: as libvirt tells of a running guest, else as the headers say."""
    if disk.backing or disk.source is None or disk.source_kind != "file":
        return disk.backing
    with suppress(PermissionError):  # who may use libvirt need not be allowed to read images
        return tuple(str(path) for path in images_below(PurePosixPath(disk.source), stores))
    return ()


def _saved_xml(guest: Guest, stores: tuple[Store, ...]) -> str | None:
    if not is_allowed(guest.name):
        return None  # a foreign name must not become a path
    with suppress(PermissionError):
        return next((str(file) for store in stores if (file := saved_xml_file(store, guest.name)).is_file()), None)
    return None
