"""Domain XML: what is read from libvirt's, and what is put into virt-install's."""

from pathlib import PurePosixPath
from xml.etree import ElementTree

import pytest

from tests.unit.golden import DATA, agrees
from vme.errors import Failed
from vme.hypervisor.domain_xml import Disk, DiskSpec, Graphics, describe, disks_of, parse, uuid_in, with_disks

CAPTURED = {name: (DATA / f"{name}-libvirt-9.0.xml").read_text() for name in ("running", "defined")}
BARE = (DATA / "virt-install-4.1.xml").read_text()
VDA = DiskSpec(PurePosixPath("/srv/vme/virt-store/web1/web1-vda"), "qcow2", "vda", "none")


def disk_of(xml: str) -> Disk:
    return disks_of(parse(f"<domain><devices>{xml}</devices></domain>"))[0]


@pytest.mark.parametrize("name", CAPTURED)
def test_what_libvirt_9_says_of_a_guest(name: str) -> None:
    found = describe(CAPTURED[name])
    assert (found.name, found.uuid) == ("cap1", "46fed7f0-ac8d-4455-a657-4d4ac7aeea34")
    assert (found.memory_mib, found.current_memory_mib, found.vcpus) == (128, 128, 1)
    assert (found.machine, found.virt_type, found.cpu, found.firmware) == ("pc-q35-7.2", "qemu", "qemu64", "bios")
    assert found.title is None
    (vda,) = found.disks
    assert (vda.target, vda.bus, vda.device, vda.format, vda.cache) == ("vda", "virtio", "disk", "qcow2", "none")
    assert (vda.source, vda.source_kind, vda.backing) == ("/srv/vme/virt-store/cap1/cap1-vda", "file", ())
    assert not vda.shareable
    assert not vda.read_only
    (nic,) = found.interfaces
    assert (nic.mac, nic.kind, nic.attached_to, nic.model) == ("52:54:00:73:6d:5d", "bridge", "br0", "virtio")


def test_only_a_running_guest_has_a_port_and_a_network_device() -> None:
    running, defined = describe(CAPTURED["running"]), describe(CAPTURED["defined"])
    assert running.graphics == (Graphics("vnc", "127.0.0.1", 5900),)
    assert defined.graphics == (Graphics("vnc", "127.0.0.1", None),)
    assert (running.interfaces[0].device, defined.interfaces[0].device) == ("vnet1", None)


def test_our_disk_in_what_virt_install_prints() -> None:
    second = DiskSpec(PurePosixPath("/srv/vme/virt-store/web1/web1-sda"), "raw", "sda", "writeback")
    made = with_disks(BARE, [VDA, second])
    agrees("domain-with-disks.xml", made)
    assert [disk.target for disk in describe(made).disks] == ["vda", "sda"]


def test_nothing_but_the_disk_is_changed() -> None:
    made, before = ElementTree.fromstring(with_disks(BARE, [VDA])), ElementTree.fromstring(BARE)
    devices = made.find("devices")
    assert devices is not None
    devices.remove(devices.findall("disk")[0])
    assert ElementTree.canonicalize(ElementTree.tostring(made), strip_text=True) == ElementTree.canonicalize(
        ElementTree.tostring(before), strip_text=True
    )


def test_a_path_is_never_markup() -> None:
    evil = DiskSpec(PurePosixPath("/srv/a'\"<&>/x"), "qcow2", "vda", "none")
    assert describe(with_disks(BARE, [evil])).disks[0].source == "/srv/a'\"<&>/x"


def test_a_disk_goes_first_where_there_is_no_emulator() -> None:
    made = with_disks("<domain><devices><video/></devices></domain>", [VDA])
    assert [element.tag for element in parse(made).find("devices") or ()] == ["disk", "video"]


def test_a_domain_without_devices() -> None:
    with pytest.raises(Failed, match="without devices"):
        with_disks("<domain/>", [VDA])
    bare = describe("<domain type='kvm'><name>x</name></domain>")
    assert (bare.disks, bare.interfaces, bare.graphics) == ((), (), ())
    assert (bare.memory_mib, bare.vcpus, bare.machine, bare.cpu, bare.uuid) == (0, 1, None, None, "")


def test_no_xml() -> None:
    with pytest.raises(Failed, match="not XML"):
        describe("ERROR    no such thing")


@pytest.mark.parametrize(
    ("element", "mib"),
    [
        ("<memory>1048576</memory>", 1024),
        ("<memory unit='KiB'>1048576</memory>", 1024),
        ("<memory unit='bytes'>1073741824</memory>", 1024),
        ("<memory unit='MiB'>1000</memory>", 1000),
        ("<memory unit='G'>2</memory>", 2048),
        ("<memory unit='GB'>1</memory>", 953),
        ("<memory unit='TiB'>1</memory>", 1024**2),
        ("<memory/>", 0),
    ],
)
def test_memory_in_every_unit(element: str, mib: int) -> None:
    found = describe(f"<domain>{element}</domain>")
    assert (found.memory_mib, found.current_memory_mib) == (mib, mib)


def test_a_balloon_makes_current_memory_less() -> None:
    found = describe("<domain><memory>2097152</memory><currentMemory>1048576</currentMemory></domain>")
    assert (found.memory_mib, found.current_memory_mib) == (2048, 1024)


def test_a_chain_as_a_running_guest_has_it() -> None:
    below = "<backingStore type='file'><format type='raw'/><source file='/b/base.raw'/><backingStore/></backingStore>"
    middle = f"<backingStore type='file'><source file='/b/middle'/>{below}</backingStore>"
    found = disk_of(f"<disk type='file'><source file='/b/top'/>{middle}<target dev='vda'/></disk>")
    assert (found.source, found.backing) == ("/b/top", ("/b/middle", "/b/base.raw"))


@pytest.mark.parametrize(
    ("xml", "source", "kind"),
    [
        ("<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>", None, "file"),
        ("<disk type='block'><source dev='/dev/vg/x'/><target dev='vda'/></disk>", "/dev/vg/x", "block"),
        ("<disk type='network'><source protocol='rbd' name='p/i'/><target dev='vda'/></disk>", "p/i", "network"),
        ("<disk type='volume'><source pool='p' volume='v'/><target dev='vda'/></disk>", "p/v", "volume"),
        ("<disk type='dir'><source dir='/d'/><target dev='fda'/></disk>", "/d", "dir"),
        ("<disk><source file='/x'/></disk>", "/x", "file"),
    ],
)
def test_every_kind_of_source(xml: str, source: str | None, kind: str) -> None:
    found = disk_of(xml)
    assert (found.source, found.source_kind) == (source, kind)
    assert found.target == ("?" if "target" not in xml else found.target)
    assert found.read_only == ("readonly" in xml)


def test_a_disk_shared_by_guests() -> None:
    assert disk_of("<disk><source file='/x'/><target dev='vda'/><shareable/></disk>").shareable


@pytest.mark.parametrize(
    ("os", "firmware"),
    [
        ("<os firmware='efi'/>", "uefi"),
        ("<os><loader type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader></os>", "uefi"),
        ("<os/>", "bios"),
    ],
)
def test_firmware(os: str, firmware: str) -> None:
    assert describe(f"<domain>{os}</domain>").firmware == firmware


def test_the_uuid_to_define() -> None:
    assert uuid_in(BARE) == "8b0c8541-9c59-4c34-ade1-9977256a95bb"
