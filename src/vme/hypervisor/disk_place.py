"""Where a new disk fits into a guest: a free target, a place on a virtio-scsi controller, a free PCI slot.

A running guest has two forms, as it runs and as it is defined; a place must be free in both. Pure functions over XML.
"""

import string
from collections.abc import Callable, Iterable, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from vme.hypervisor.domain_xml import ScsiPlace

BUSES = ("virtio", "scsi")
_PREFIX = {"virtio": "vd", "scsi": "sd"}
_VIRTIO_SCSI = ("virtio-scsi", "virtio-transitional", "virtio-non-transitional")
# QEMU's default number of LUNs on a virtio-scsi target is far higher; there are only 26 letters.
_UNITS = range(26)
# Slot 0 is the host's or the bridge's own.
_PCI_SLOTS = range(1, 32)


def free_target(forms: Iterable[Element], bus: str, is_usable: Callable[[str], bool]) -> str | None:
    """The first of vda..vdz or sda..sdz that no form has and that `is_usable` accepts; None if there is none."""
    taken = {target.get("dev") for form in forms for target in form.iterfind("devices/disk/target")}
    targets = (_PREFIX[bus] + letter for letter in string.ascii_lowercase)
    return next((target for target in targets if target not in taken and is_usable(target)), None)


def scsi_place(forms: Sequence[Element]) -> ScsiPlace:
    """A free unit on a virtio-scsi controller that all forms have, or on a new one."""
    common = set.intersection(*(_virtio_scsi_controllers(form) for form in forms))
    for controller in sorted(common):
        taken = {unit for form in forms for unit in _units_taken(form, controller)}
        unit = next((unit for unit in _UNITS if unit not in taken), None)
        if unit is not None:
            return ScsiPlace(controller, unit, is_new=False)
    known = {int(one.get("index", "0")) for form in forms for one in _controllers(form, "scsi")}
    return ScsiPlace(max(known, default=-1) + 1, 0, is_new=True)


def scsi_controller_xml(index: int) -> str:
    """The XML of a virtio-scsi controller, for attaching it."""
    controller = Element("controller", type="scsi", index=str(index), model="virtio-scsi")
    return ElementTree.tostring(controller, encoding="unicode")


def has_scsi_controller(form: Element, index: int) -> bool:
    """Whether a guest has a SCSI controller of this index."""
    return any(one.get("index") == str(index) for one in _controllers(form, "scsi"))


def has_disks_on_controller(form: Element, index: int) -> bool:
    """Whether anything is on a guest's SCSI controller of this index."""
    return bool(_units_taken(form, index))


def free_pci_slots(running: Element) -> int | None:
    """How many PCI devices can still be plugged into a guest that runs; None for a machine without PCI.

    Only for a running guest: libvirt gives one that is shut off another pcie-root-port when it needs one.
    """
    free = 0
    models = [(int(one.get("index", "0")), one) for one in _controllers(running, "pci")]
    if not models:
        return None
    used = _pci_slots_used(running)
    for index, controller in models:
        model = controller.get("model")
        if model == "pcie-root-port":
            target = controller.find("target")
            pluggable = target is None or target.get("hotplug") != "off"
            free += pluggable and not any(bus == index for bus, _ in used)
        elif model in ("pci-root", "pci-bridge"):
            free += sum((index, slot) not in used for slot in _PCI_SLOTS)
    return free


def _controllers(form: Element, kind: str) -> list[Element]:
    return [one for one in form.iterfind("devices/controller") if one.get("type") == kind]


def _virtio_scsi_controllers(form: Element) -> set[int]:
    return {int(one.get("index", "0")) for one in _controllers(form, "scsi") if one.get("model") in _VIRTIO_SCSI}


def _units_taken(form: Element, controller: int) -> set[int]:
    """The units of target 0 that disks (and passed-through devices) have on a controller."""
    addresses = form.iterfind("devices/*/address[@type='drive']")
    return {int(one.get("unit", "0")) for one in addresses if one.get("controller") == str(controller)}


def _pci_slots_used(form: Element) -> set[tuple[int, int]]:
    addresses = form.iterfind("devices/*/address[@type='pci']")
    return {(int(one.get("bus", "0"), 0), int(one.get("slot", "0"), 0)) for one in addresses}
