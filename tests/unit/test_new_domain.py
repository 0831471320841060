"""Domain XML on its way to a new guest: real XML of libvirt 9.0 in, and what differs afterwards."""

from pathlib import Path, PurePosixPath

from vme.hypervisor.capabilities import read_capabilities
from vme.hypervisor.domain_xml import DiskSpec, describe, nvram_of, parse
from vme.hypervisor.new_domain import (
    Identity,
    as_copy,
    macs_in,
    reasons_not_copied,
    with_cdrom,
    with_identity,
    with_nvram,
    with_vlans,
)

DATA = Path(__file__).parent / "data"
GUEST = (DATA / "guest-uefi-tpm.xml").read_text()
NEW = Identity("copy1", "11111111-2222-3333-4444-555555555555", ("52:54:00:00:00:01", "52:54:00:00:00:02"))


def test_capabilities_of_a_node_with_ovmf_and_swtpm() -> None:
    able = read_capabilities((DATA / "domcapabilities-9.0.xml").read_text())
    assert (able.uefi, able.secure_boot, able.tpm_emulator) == (True, True, True)


def test_capabilities_of_a_node_with_neither() -> None:
    able = read_capabilities(
        "<domainCapabilities><os supported='yes'><enum name='firmware'/></os></domainCapabilities>"
    )
    assert (able.uefi, able.secure_boot, able.tpm_emulator) == (False, False, False)


def test_another_identity_and_nothing_else() -> None:
    xml = with_identity(GUEST, NEW)
    assert (describe(xml).name, describe(xml).uuid, macs_in(xml)) == (NEW.name, NEW.uuid, NEW.macs)
    before, after = describe(GUEST), describe(xml)
    assert (before.disks, before.memory_mib, before.graphics) == (after.disks, after.memory_mib, after.graphics)


def test_the_uuid_that_the_guest_sees_is_changed_along() -> None:
    system = "<sysinfo><system><entry name='uuid'>1</entry></system></sysinfo>"
    told = f"<domain><name>a</name><uuid>1</uuid><genid>1</genid>{system}</domain>"
    root = parse(with_identity(told, NEW))
    assert root.findtext("sysinfo/system/entry") == NEW.uuid
    assert not root.findtext("genid")


def test_nvram() -> None:
    path = PurePosixPath("/srv/vme/virt-store/a/a_VARS.fd")
    assert nvram_of(parse(with_nvram(GUEST, path))) == str(path)
    bare = "<domain><os firmware='efi'><type>hvm</type><boot dev='hd'/></os></domain>"
    assert [element.tag for element in parse(with_nvram(bare, path)).find("os") or ()] == ["type", "nvram", "boot"]


def test_vlans() -> None:
    root = parse(with_vlans(GUEST, (None, 12)))
    assert [tag.get("id") for tag in root.iterfind("devices/interface/vlan/tag")] == ["12"]
    assert root.findall("devices/interface")[0].find("vlan") is None


def test_a_cdrom() -> None:
    disks = describe(with_cdrom(GUEST, PurePosixPath("/iso/a.iso"))).disks
    cdrom = next(disk for disk in disks if disk.device == "cdrom")
    assert (cdrom.source, cdrom.bus, cdrom.read_only) == ("/iso/a.iso", "sata", True)


def test_a_copy_has_images_of_its_own() -> None:
    image = PurePosixPath("/srv/vme/virt-store/copy1/copy1-vda")
    xml = as_copy(GUEST, NEW, {"vda": DiskSpec(image, "qcow2", "vda", "")}, ())
    assert [disk.source for disk in describe(xml).disks] == [str(image)]
    assert "/s1/s1-vda" not in xml


def test_a_display_of_a_fixed_port_gets_any_free_one() -> None:
    fixed = GUEST.replace("autoport='yes'", "autoport='no'").replace("port='-1'", "port='5905'")
    graphics = parse(as_copy(fixed, NEW, {}, ())).find("devices/graphics")
    assert graphics is not None
    assert (graphics.get("autoport"), graphics.get("port")) == ("yes", None)


def test_what_can_not_be_copied() -> None:
    directory = PurePosixPath("/srv/vme/virt-store/s1")
    known = [f"{directory}/s1-vda", f"{directory}/s1_VARS.fd"]
    assert reasons_not_copied(GUEST, directory, known) == []
    assert "refers to" in reasons_not_copied(GUEST, directory, known[1:])[0]
    shared = GUEST.replace("<target dev='vda'", "<shareable/><target dev='vda'")
    assert "shared" in reasons_not_copied(shared, directory, known)[0]
    device = GUEST.replace("<devices>", "<devices><hostdev mode='subsystem' type='pci'/>")
    assert "device of its node" in reasons_not_copied(device, directory, known)[0]
