"""Snapshots and checkpoints as libvirt describes them: read before the descriptions go, put back afterwards.

What they are made of lies in the images: libvirt only has descriptions, on the node, and moves none of them.
"""

from collections.abc import Sequence

from vme.hypervisor.guest import Guest
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.records import dataclass


@dataclass(frozen=True)
class Snapshots:
    """The XML of all snapshots of a guest, each after the one it was taken upon; and which of them is the current."""

    xmls: tuple[str, ...]
    current: int | None


def snapshots_of(guest: Guest) -> Snapshots:
    """Read the descriptions with their secrets, parents first (virDomainListAllSnapshots, TOPOLOGICAL)."""
    with translated(str(guest)):
        found = guest.domain.listAllSnapshots(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL)
        xmls = tuple(snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE) for snapshot in found)
        current = next((number for number, snapshot in enumerate(found) if snapshot.isCurrent()), None)
    return Snapshots(xmls, current)


def forget_snapshots(guest: Guest) -> None:
    """Let libvirt forget the guest's snapshots, last ones first; in the images they stay (METADATA_ONLY)."""
    with translated(str(guest)):
        for snapshot in reversed(guest.domain.listAllSnapshots(libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL)):
            snapshot.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)


def checkpoints_of(guest: Guest) -> tuple[str, ...]:
    """The XML of the guest's checkpoints with their secrets, parents first (virDomainListAllCheckpoints)."""
    with translated(str(guest)):
        found = guest.domain.listAllCheckpoints(libvirt.VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL)
        return tuple(one.getXMLDesc(libvirt.VIR_DOMAIN_CHECKPOINT_XML_SECURE) for one in found)


def describe_checkpoints_again(guest: Guest, xmls: Sequence[str]) -> None:
    """Tell libvirt of checkpoints whose bitmaps are in the images; of a running guest it looks whether they are."""
    flags = libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE
    if guest.active:
        flags |= libvirt.VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE
    with translated(str(guest)):
        for xml in xmls:
            guest.domain.checkpointCreateXML(xml, flags)


def describe_again(guest: Guest, snapshots: Snapshots) -> None:
    """Tell libvirt of snapshots that exist in the images already (virDomainSnapshotCreateXML, REDEFINE).

    One that it knows is described anew, so this may be done twice.
    """
    with translated(str(guest)):
        for number, xml in enumerate(snapshots.xmls):
            flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
            if number == snapshots.current:
                flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
            guest.domain.snapshotCreateXML(xml, flags)
