"""create_guest: firmware, TPM, install media, several disks and interfaces, and waiting; or why not."""

from xml.etree import ElementTree

from tests.lab.test_create import STORE, nothing_written
from tests.lab.vme import Vme, eventually


def xml_of(vme: Vme, guest: str, node: str) -> ElementTree.Element:
    return ElementTree.fromstring(vme.virsh(node, "dumpxml", "--inactive", guest))


def test_secure_boot_and_tpm_move_along(vme: Vme) -> None:
    vme.create("web1", "kvm01", "--secure-boot", "--tpm", "-m", "256", start=True)
    xml = xml_of(vme, "web1", "kvm01")
    assert xml.findtext("os/nvram") == "/srv/vme/virt-store/web1/web1_VARS.fd"
    assert xml.find("devices/tpm/backend[@type='emulator']") is not None
    assert vme.on("mgmt", "stat", "-c", "%U %a", f"{STORE}/web1/web1_VARS.fd").split() == ["libvirt-qemu", "600"]
    vme.tool("migrate_guest", "web1", "kvm02")
    assert vme.running("web1") == ["kvm02"]
    assert vme.on("kvm02", "ls", "/var/lib/libvirt/swtpm").split() == [xml.findtext("uuid")]
    # Deleted to the trash, it keeps what its firmware knows; for good, nothing stays.
    said = vme.tool("del_guest", "--yes", "--force", "web1").stdout
    assert "web1_VARS.fd" in vme.on("mgmt", "ls", said.split()[-1])


def test_a_uefi_guest_is_undone_whole(vme: Vme) -> None:
    """A start that fails after libvirt has made the guest's NVRAM."""
    said = vme.tool(
        *("create_guest", "web1", "-s", "kvm01", "-d", "1", "--uefi", "--start", "-m", "256"),
        *("--", "--qemu-commandline=-nonsense"),
        status=1,
    ).stderr
    assert "web1 on kvm01" in said
    nothing_written(vme)


def test_what_the_node_has_not_is_refused(vme: Vme) -> None:
    """A node without swtpm, and a VLAN on a bridge with libvirt 9: both said at once."""
    hide = "mount --bind /dev/null /usr/bin/swtpm"
    vme.on("kvm01", "sh", "-c", hide)
    said = vme.tool(
        "create_guest", "web1", "-s", "kvm01", "-d", "1", "--tpm", "-b", "br0,vlan=12", "-b", "br7", status=3
    ).stderr
    vme.on("kvm01", "umount", "/usr/bin/swtpm")
    assert "kvm01 can't emulate a TPM: install swtpm" in said
    assert "which sets no VLAN on a Linux bridge (11.0 does)" in said
    assert "kvm01 has no bridge br7" in said
    nothing_written(vme)


def test_several_disks_and_a_fixed_mac(vme: Vme) -> None:
    vme.tool(
        *("create_guest", "web1", "-s", "kvm01", "--image", "tiny", "-d", "1,cache=writeback", "-d", "2,format=raw"),
        *("-b", "br0,mac=52:54:00:AA:bb:01", "-b", "br0"),
    )
    assert vme.store() == {"web1"}
    assert vme.on("mgmt", "ls", f"{STORE}/web1").split() == ["web1-vda", "web1-vdb", "web1.xml"]
    disks = vme.json("info_guest", "web1")[0]["disks"]
    assert [(disk["target"], disk["format"], disk["cache"]) for disk in disks] == [
        ("vda", "qcow2", "writeback"),
        ("vdb", "raw", "none"),
    ]
    macs = [mac.get("address") for mac in xml_of(vme, "web1", "kvm01").iterfind("devices/interface/mac")]
    assert macs[0] == "52:54:00:aa:bb:01"
    assert macs[1] not in (None, macs[0])


def test_an_iso_comes_after_the_disk(vme: Vme) -> None:
    vme.on("mgmt", "sh", "-c", f"echo x >{STORE}/.images/install.iso; echo x >/tmp/elsewhere.iso")
    vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", "--iso", "install")
    xml = xml_of(vme, "web1", "kvm01")
    assert [boot.get("dev") for boot in xml.iterfind("os/boot")] == ["hd", "cdrom"]
    source = xml.find("devices/disk[@device='cdrom']/source")
    assert source is not None
    assert source.get("file") == "/srv/vme/virt-store/.images/install.iso"
    said = vme.tool("create_guest", "web2", "-s", "kvm01", "-d", "1", "--iso", "/tmp/elsewhere.iso", status=3).stderr
    assert "so the nodes don't see it: cp /tmp/elsewhere.iso" in said
    vme.on("mgmt", "chmod", "600", f"{STORE}/.images/install.iso")
    said = vme.tool("create_guest", "web2", "-s", "kvm01", "-d", "1", "--iso", "install", status=3).stderr
    assert "is closed to libvirt-qemu" in said
    assert "there is no ISO" in vme.tool("create_guest", "web2", "-s", "kvm01", "--iso", "none", status=3).stderr
    vme.on("mgmt", "rm", f"{STORE}/.images/install.iso")


def test_from_the_network_while_the_disk_is_empty(vme: Vme) -> None:
    """The firmware asks for an address: the switch's DHCP server hears the new guest's MAC."""
    vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", "--pxe", "-b", "br0,mac=52:54:00:aa:bb:02", "--start")
    log = vme.lab.log_of(vme.lab.topology.switch) / "dnsmasq.log"
    eventually(lambda: "52:54:00:aa:bb:02" in log.read_text(), "the firmware asks for an address", timeout_s=60)


def test_waiting(vme: Vme) -> None:
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "--image", "tiny", "--wait", "boot").stdout
    assert "web1 on kvm01: the guest's kernel runs" in said
    said = vme.tool(
        *("create_guest", "web2", "-s", "kvm01", "--image", "tiny", "--wait", "agent", "--wait-timeout", "3"), status=1
    ).stderr
    assert "web2 on kvm01: not within 3 s: the guest's agent is connected" in said
    assert vme.running("web2") == ["kvm01"]


def test_waiting_in_vain_is_refused(vme: Vme) -> None:
    said = vme.tool(
        *("create_guest", "web1", "-s", "kvm01", "-d", "1", "--wait", "agent"), *("--", "--channel", "none"), status=3
    ).stderr
    assert "has no channel for a guest agent" in said
    nothing_written(vme)


def test_waiting_until_it_is_off_again(vme: Vme) -> None:
    """As an installer ends: here somebody presses the button."""
    create = vme.begin("create_guest", "web1", "-s", "kvm01", "--image", "tiny", "--wait", "shutdown")
    eventually(lambda: "web1" in vme.guests_of("kvm01") and vme.running("web1"), "it runs", timeout_s=60)
    vme.address("web1")
    vme.virsh("kvm01", "shutdown", "web1")
    said, problem = create.communicate(timeout=60)
    assert create.returncode == 0, problem
    assert "has shut itself down" in said
    assert vme.running("web1") == []
