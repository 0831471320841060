"""The XML of new guests: what virt-install prints for their shape, made each guest's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vme.actions.create.clone import Original
from vme.actions.create.ground import Ground
from vme.actions.create.plan import targets
from vme.actions.create.site import Site
from vme.actions.create.taken import reasons_of_definition
from vme.actions.create.wish import Request
from vme.actions.new_image import ImagePlan
from vme.config import Config, Node, Store
from vme.errors import Refused
from vme.hypervisor.domain_xml import DiskSpec, nvram_of, parse, uuid_in, with_disks
from vme.hypervisor.guest import Guest
from vme.hypervisor.new_domain import (
    Identity,
    as_copy,
    macs_in,
    new_mac,
    new_uuid,
    with_identity,
    with_nvram,
    with_vlans,
)
from vme.hypervisor.virt_install import Shape, print_xml
from vme.store.layout import seen_by_nodes

_VIRT_INSTALL_TIMEOUT_S = 60.0
# The last letter: disks that are added later get the free ones before it. virtio, for kernels made for clouds (Debian's
# cloud kernel) have no driver for SATA and would not see a cdrom there.
SEED_TARGET = "vdz"


def shape_of(config: Config, request: Request) -> Shape:
    """What virt-install is asked for. The disk comes first: an empty one can't boot, so the first boot goes further."""
    machine = request.machine
    further = (("cdrom",) if machine.iso else ()) + (("network",) if machine.pxe else ())
    return Shape(
        config.defaults.virt_type,
        request.vcpus,
        request.memory_mib,
        tuple(bridge.bridge for bridge in request.bridges),
        ("hd", *further) if further else (),
        machine.uefi,
        machine.secure_boot,
        machine.tpm,
        request.os_name,
        request.extra,
    )


def bare_domains(
    config: Config, sites: Sequence[Site], grounds: Mapping[Node, Ground], everyone: Sequence[Guest]
) -> dict[str, str]:
    """Guest's name -> its XML without disks. Raises Refused with virt-install's reasons, or ours against its answer.

    virt-install (0.2 to 0.8 s) runs once for all guests of one shape on nodes of equal capabilities: it decides by
    these alone, and beside the name only the UUID and the MACs are a guest's own. All three are given anew to each.
    """
    groups: dict[tuple[str, Shape], list[Site]] = {}
    for site in sites:
        if site.original is None:
            key = (grounds[site.report.node].capabilities.text, shape_of(config, site.request))
            groups.setdefault(key, []).append(site)
    domains = {}
    for (_, shape), alike in groups.items():
        first = alike[0]
        printed = print_xml(first.report.hypervisor, first.request.name, shape, timeout_s=_VIRT_INSTALL_TIMEOUT_S)
        strange = reasons_of_definition(first.request.name, printed, everyone)
        if strange:
            raise Refused(first.request.name, strange)
        for site in alike:
            domains[site.request.name] = _own(printed, site.request, keep=site is first)
    return domains


def _own(printed: str, request: Request, *, keep: bool) -> str:
    """The printed XML for one guest; with `keep` under the UUID and MACs that were printed, otherwise new ones."""
    wished = [bridge.mac for bridge in request.bridges]
    printed_macs = macs_in(printed)
    macs = tuple(
        (wished[number] if number < len(wished) else None) or (keep and mac) or new_mac()
        for number, mac in enumerate(printed_macs)
    )
    uuid = (keep and uuid_in(printed)) or new_uuid()
    xml = with_identity(printed, Identity(request.name, uuid, macs))
    vlans = [bridge.vlan for bridge in request.bridges]
    return with_vlans(xml, vlans) if any(vlans) else xml


def copied_domain(request: Request, original: Original, images: Sequence[ImagePlan], store: Store) -> str:
    """The XML of a copy. A VLAN, a model, everything that makes no identity stays as it is in the original's."""
    macs = tuple(new_mac() for _ in macs_in(original.xml))
    specs = {
        disk.target: DiskSpec(seen_by_nodes(store, image.path), image.format, disk.target, disk.cache or "")
        for disk, image in zip(original.disks, images, strict=False)
    }
    dropped = () if original.seed is None else (original.seed,)
    return as_copy(original.xml, Identity(request.name, new_uuid(), macs), specs, dropped)


def with_storage(xml: str, request: Request, images: Sequence[ImagePlan], seed: Path | None, store: Store) -> str:
    """The XML with the guest's new disks (a copy has its disks already) and its seed."""
    specs = []
    if request.source is None:
        specs = [
            DiskSpec(seen_by_nodes(store, image.path), image.format, target, disk.cache)
            for image, target, disk in zip(images, targets(len(images)), request.disks, strict=True)
        ]
    if seed is not None:
        specs.append(DiskSpec(seen_by_nodes(store, seed), "raw", SEED_TARGET, request.disks[0].cache, read_only=True))
    return with_disks(xml, specs)


def with_own_nvram(xml: str, nvram: Path, store: Store, *, copied: bool) -> tuple[str, Path | None]:
    """The XML of a UEFI guest with its variables beside its images, and their file; None where it has no such file.

    On the store, because a node's own /var/lib/libvirt is left behind at a cold migration, and is lost with the node.
    """
    root = parse(xml)
    said_by_hand = not copied and root.find("os/nvram") is not None
    if nvram_of(root) is None or said_by_hand:
        return xml, None
    return with_nvram(xml, seen_by_nodes(store, nvram)), nvram
