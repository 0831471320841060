"""Where a new disk fits, in a guest as libvirt 9.0 tells of it and in made-up ones."""

import string
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

import pytest

from tests.unit.golden import DATA
from vme.hypervisor.disk_place import free_pci_slots, free_target, has_scsi_controller, scsi_controller_xml, scsi_place
from vme.hypervisor.domain_xml import DiskSpec, ScsiPlace, boot_disk, disk_xml, disks_of, image_paths, parse

RUNNING = parse((DATA / "running-libvirt-9.0.xml").read_text())
DEFINED = parse((DATA / "defined-libvirt-9.0.xml").read_text())


def domain(*devices: str) -> Element:
    return parse(f"<domain><os><boot dev='hd'/></os><devices>{''.join(devices)}</devices></domain>")


def disk(target: str, more: str = "", device: str = "disk") -> str:
    return f"<disk type='file' device='{device}'><source file='/x/{target}'/><target dev='{target}'/>{more}</disk>"


def controller(kind: str, index: int, model: str, more: str = "") -> str:
    return f"<controller type='{kind}' index='{index}' model='{model}'>{more}</controller>"


def on_pci(bus: int, slot: int) -> str:
    return f"<interface><address type='pci' bus='{bus:#04x}' slot='{slot:#04x}' function='0x0'/></interface>"


def on_scsi(unit: int) -> str:
    return f"<address type='drive' controller='0' bus='0' target='0' unit='{unit}'/>"


def test_the_next_target_is_free_in_both_forms_and_accepted() -> None:
    assert free_target([RUNNING, DEFINED], "virtio", lambda _: True) == "vdb"
    assert free_target([RUNNING, DEFINED], "scsi", lambda _: True) == "sda"
    assert free_target([domain(disk("vda")), domain(disk("vda"), disk("vdb"))], "virtio", lambda _: True) == "vdc"
    assert free_target([RUNNING], "virtio", lambda name: name > "vdf") == "vdg"
    # A CD-ROM's name is taken too.
    assert free_target([domain(disk("sda", device="cdrom"))], "scsi", lambda _: True) == "sdb"
    full = domain(*(disk(f"vd{letter}") for letter in string.ascii_lowercase))
    assert free_target([full], "virtio", lambda _: True) is None


def test_a_guest_without_a_virtio_scsi_controller_gets_a_new_one() -> None:
    assert scsi_place([RUNNING, DEFINED]) == ScsiPlace(0, 0, is_new=True)
    assert scsi_place([domain(controller("scsi", 0, "lsilogic"))]) == ScsiPlace(1, 0, is_new=True)
    # One that only the definition has is no place in the running guest, and its index is taken.
    assert scsi_place([domain(), domain(controller("scsi", 0, "virtio-scsi"))]) == ScsiPlace(1, 0, is_new=True)


def test_a_unit_that_is_free_in_both_forms() -> None:
    one = domain(controller("scsi", 0, "virtio-scsi"), disk("sda", on_scsi(0)))
    two = domain(controller("scsi", 0, "virtio-scsi"), disk("sda", on_scsi(0)), disk("sdb", on_scsi(1)))
    assert scsi_place([one, two]) == ScsiPlace(0, 2, is_new=False)
    assert has_scsi_controller(one, 0)
    assert not has_scsi_controller(one, 1)


def test_a_new_controller_is_virtio_scsi() -> None:
    assert scsi_controller_xml(1) == '<controller type="scsi" index="1" model="virtio-scsi" />'


def test_free_slots_of_a_q35_machine_are_its_empty_ports() -> None:
    free = free_pci_slots(RUNNING)
    assert free is not None
    ports = len(RUNNING.findall("devices/controller[@model='pcie-root-port']"))
    assert 0 < free < ports
    port = controller("pci", 1, "pcie-root-port")
    root = controller("pci", 0, "pcie-root")
    assert free_pci_slots(domain(root, port)) == 1
    assert free_pci_slots(domain(root, port, on_pci(1, 0))) == 0
    assert free_pci_slots(domain(root, controller("pci", 1, "pcie-root-port", "<target hotplug='off'/>"))) == 0


def test_free_slots_of_an_i440fx_machine_and_of_one_without_pci() -> None:
    root = controller("pci", 0, "pci-root")
    assert free_pci_slots(domain(root, on_pci(0, 1), on_pci(0, 2))) == 29
    assert free_pci_slots(domain(root, *(on_pci(0, slot) for slot in range(32)))) == 0
    assert free_pci_slots(domain()) is None


@pytest.mark.parametrize(
    ("disks", "boots"),
    [
        ((disk("vda"), disk("vdb")), "vda"),
        ((disk("sda", device="cdrom"), disk("vda")), "vda"),
        ((disk("vda"), disk("vdb", "<boot order='1'/>")), "vdb"),
        ((disk("vda", "<boot order='10'/>"), disk("vdb", "<boot order='2'/>")), "vdb"),
        ((), None),
    ],
)
def test_the_disk_it_boots_from(disks: tuple[str, ...], boots: str | None) -> None:
    assert boot_disk(domain(*disks)) == boots


def test_a_disk_to_attach() -> None:
    image = PurePosixPath("/srv/vme/virt-store/web1/web1-sda")
    xml = disk_xml(DiskSpec(image, "raw", "sda", "none", shareable=True, scsi=ScsiPlace(2, 3, is_new=True)))
    (found,) = disks_of(domain(xml))
    assert (found.target, found.bus, found.source, found.format) == ("sda", "scsi", str(image), "raw")
    assert found.shareable
    address = parse(xml).find("address")
    assert address is not None
    assert (address.get("type"), address.get("controller"), address.get("unit")) == ("drive", "2", "3")
    assert "address" not in disk_xml(DiskSpec(image, "raw", "vdb", "none"))


def test_every_image_a_snapshot_names() -> None:
    xml = """<domainsnapshot><name>s</name>
        <disks><disk name='vda' snapshot='external'><source file='/x/top'/></disk></disks>
        <domain><devices><disk type='file'><source file='/x/../x/base'/><backingStore type='file'>
          <source file='/y/deep'/></backingStore><target dev='vda'/></disk></devices></domain></domainsnapshot>"""
    assert image_paths(xml) == {"/x/top", "/x/base", "/y/deep"}
