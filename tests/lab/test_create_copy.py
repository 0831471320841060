"""create_guest --from: a copy that is another guest, or why there can be none."""

from xml.etree import ElementTree

from tests.lab.test_create import STORE
from tests.lab.vme import Vme


def xml_of(vme: Vme, guest: str, node: str) -> ElementTree.Element:
    return ElementTree.fromstring(vme.virsh(node, "dumpxml", "--inactive", guest))


def test_a_whole_copy_is_another_guest(vme: Vme) -> None:
    vme.create("web1", "kvm01", "--uefi", "-m", "192", "-d", "1,format=raw", "-b", "br0", "-b", "br0")
    vme.on("mgmt", "sh", "-c", f"printf marker | dd of={STORE}/web1/web1-vdb conv=notrunc status=none")
    vme.on("mgmt", "sh", "-c", f"printf firmware >{STORE}/web1/web1_VARS.fd")
    vme.tool("create_guest", "web2", "--from", "web1", "-s", "kvm02")
    first, copy = xml_of(vme, "web1", "kvm01"), xml_of(vme, "web2", "kvm02")
    for path in ("name", "uuid"):
        assert first.findtext(path) != copy.findtext(path)
    macs = [mac.get("address") for root in (first, copy) for mac in root.iterfind("devices/interface/mac")]
    assert len(macs) == len(set(macs)) == 4
    assert "web1" not in ElementTree.tostring(copy, "unicode")
    assert copy.findtext("os/nvram") == "/srv/vme/virt-store/web2/web2_VARS.fd"
    assert vme.on("mgmt", "cat", f"{STORE}/web2/web2_VARS.fd") == "firmware"
    assert vme.on("mgmt", "head", "-c", "6", f"{STORE}/web2/web2-vdb") == "marker"
    assert first.findtext("memory") == copy.findtext("memory")


def test_a_copy_of_a_guest_that_boots(vme: Vme) -> None:
    vme.create("web1", "kvm01", image=True)
    vme.tool("create_guest", "web2", "web3", "--from", "web1", "--zone", "east", "--start", "--yes")
    for name in ("web2", "web3"):
        assert vme.count(vme.address(name)) == 2


def test_a_running_guest_is_not_copied(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    said = vme.tool("create_guest", "web2", "--from", "web1", status=3).stderr
    assert "web1 on kvm01 can't be copied: it is running, and a copy of disks in use is not whole" in said
    assert vme.store() == {"web1"}
    said = vme.tool("create_guest", "web2", "--from", "web9", status=4).stderr
    assert "web9: no such guest" in said


def test_what_qemus_user_put_in_an_images_place_is_not_copied(vme: Vme) -> None:
    """A guest's directory is its QEMU's: a link there, or an image over a file of this server's, is not followed."""
    vme.create("web1", "kvm01", "--uefi", "-m", "192", "-d", "1", "-d", "1,format=raw")
    vme.on("mgmt", "sh", "-c", "head -c 1048576 /dev/urandom >/root/secret")
    vda, vdb, variables = (f"{STORE}/web1/web1{ending}" for ending in ("-vda", "-vdb", "_VARS.fd"))
    for spoil, said in (
        (f"ln -sf /root/secret {vdb}", f"its disk vdb: {vdb} is no plain file"),
        (
            f"qemu-img create -q -f qcow2 -F raw -b /root/secret {vda}",
            f"its disk vda: /root/secret (below {vda}) is on no virt-store of its zone",
        ),
        (f"ln -sf /root/secret {variables}", f"its UEFI variables ({variables.replace('/east', '')}) can't be read"),
    ):
        vme.on("mgmt", "sh", "-c", spoil)
        assert said in vme.tool("create_guest", "web2", "--from", "web1", status=3).stderr
    said = vme.tool("migrate_guest", "web1", "kvm04", "--with-storage", status=3).stderr
    assert f"/root/secret (below {vda}) is on no virt-store of its zone" in said
    assert f"{vdb} is no plain file" in said
    assert f"{vdb} is no plain file" in vme.tool("resize_disk_guest", "web1", "vdb", "3", status=3).stderr
    assert vme.on("mgmt", "stat", "--format", "%s %U %a", "/root/secret").split() == ["1048576", "root", "644"]
    vme.on("mgmt", "rm", "/root/secret")


def test_a_saved_guest_is_not_copied(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.virsh("kvm01", "managedsave", "web1")
    said = vme.tool("create_guest", "web2", "--from", "web1", status=3).stderr
    assert "its memory is saved" in said


def test_a_linked_copy_needs_a_template_which_then_can_not_start(vme: Vme) -> None:
    vme.create("web1", "kvm01", image=True)
    said = vme.tool("create_guest", "web2", "--from", "web1", "--linked", status=3).stderr
    assert f"chmod a-w {STORE}/web1/web1-vda" in said
    vme.on("mgmt", "chmod", "a-w", f"{STORE}/web1/web1-vda")
    vme.tool("create_guest", "web2", "--from", "web1", "--linked", "-s", "kvm02", "--start")
    assert vme.json("info_guest", "web2")[0]["disks"][0]["backing_chain"] == ["/srv/vme/virt-store/web1/web1-vda"]
    assert vme.count(vme.address("web2")) == 2
    said = vme.tool("start_guest", "web1", status=1).stderr
    assert "ermission denied" in said
    said = vme.tool("del_guest", "--yes", "web1", status=3).stderr
    assert "is in use by guest 'web2'" in said


def test_a_seed_is_not_copied_but_made_anew(vme: Vme) -> None:
    vme.on("mgmt", "sh", "-c", "rm -f /tmp/k /tmp/k.pub; ssh-keygen -q -t ed25519 -N '' -f /tmp/k")
    vme.create("web1", "kvm01", "--ssh-key", "/tmp/k.pub")
    plan = vme.tool("create_guest", "web2", "--from", "web1", "--dry-run").stdout
    assert "note: the cloud-init seed is not copied" in plan
    vme.tool("create_guest", "web2", "--from", "web1")
    vme.tool("create_guest", "web3", "--from", "web1", "--ssh-key", "/tmp/k.pub")
    assert vme.on("mgmt", "ls", f"{STORE}/web2").split() == ["web2-vda", "web2.xml"]
    assert vme.on("mgmt", "ls", f"{STORE}/web3").split() == ["web3-seed.iso", "web3-vda", "web3.xml"]
    assert [disk["target"] for disk in vme.json("info_guest", "web3")[0]["disks"]] == ["vda", "vdz"]
