"""What speaks against a move, made so for real: the tool sees each, says what to do, and nothing moves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.vme import Vme, eventually

CONF = "/etc/libvirt/qemu.conf"
PORTS = "table inet closed { chain in { type filter hook input priority 0; tcp dport 49152-49215 drop; }; }"


def against(vme: Vme, guest: str, node: str) -> list[str]:
    """The codes of what speaks against this move, and in brackets of what only warns."""
    (row,) = json.loads(vme.tool("migrate_guest", guest, node, "--check", "-o", "json", status=None).stdout)
    return [*row["against"], *(f"({code})" for code in row["warnings"])]


@contextmanager
def edited(vme: Vme, node: str, path: str, old: str, new: str) -> Iterator[None]:
    """A file of a node with one text for another while the block runs."""
    vme.on(node, "sed", "-i", f"s#{old}#{new}#", path)
    assert new in vme.on(node, "cat", path)
    try:
        yield
    finally:
        vme.on(node, "sed", "-i", f"s#{new}#{old}#", path)


@contextmanager
def restarted(vme: Vme, node: str) -> Iterator[None]:
    """A node whose libvirtd has read its configuration anew, and does so once more at the end."""
    try:
        vme.fault("kill", node, "libvirtd")
        vme.fault("start", node, "libvirtd")
        yield
    finally:
        vme.fault("kill", node, "libvirtd")


def test_guests_by_nodes(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm02")
    vme.on("kvm03", "ip", "link", "set", "br0", "name", "br9")
    try:
        said = vme.tool("migrate_guest", "web*", "--check").stdout
        plan = vme.tool("migrate_guest", "web1", "--dry-run").stdout
        assert against(vme, "web1", "kvm03") == ["bridge"]
        vme.tool("migrate_guest", "web1", "kvm03", "--check", status=3)
    finally:
        vme.on("kvm03", "ip", "link", "set", "br9", "name", "br0")
    table, _, reasons = said.partition("web1 to kvm03:\n")
    assert table.splitlines()[:3] == [
        "GUEST  ON     kvm01  kvm02  kvm03",
        "web1   kvm01  here   yes    no",
        "web2   kvm02  yes    here   no",
    ]
    assert reasons.startswith("  - kvm03 has no bridge br0: make it there as on the other nodes\n")
    assert reasons.endswith("web2 to kvm03:\n  - kvm03 has no bridge br0: make it there as on the other nodes\n")
    assert "to kvm02 (most memory available: " in plan
    assert "not to kvm03: kvm03 has no bridge br0" in plan
    vme.tool("migrate_guest", "web1", "--check", status=0)
    assert vme.tool("migrate_guest", "web1", "--check", "-o", "csv").stdout == (
        "guest,from,to,verdict,against,warnings\nweb1,kvm01,kvm02,yes,,\nweb1,kvm01,kvm03,yes,,\n"
    )
    assert vme.on("mgmt", "ls", "/srv/vme/east/virt-store/.vme/nonce") == "", "no nonce is left"
    assert vme.running("web1") == ["kvm01"]


def test_another_store_at_the_same_path_with_a_copy_of_the_image(vme: Vme) -> None:
    """Path, type of file system, owner and size are right: only the nonce tells."""
    vme.create("web1", "kvm01", start=True)
    image = "virt-store/web1/web1-vda"
    vme.on(
        "mgmt", "sh", "-c", f"mkdir -p /srv/vme/west/virt-store/web1; cp -p /srv/vme/east/{image} /srv/vme/west/{image}"
    )
    vme.on("kvm02", "umount", "/srv/vme")
    try:
        vme.on("kvm02", "mount", "-t", "glusterfs", "st1:/west", "/srv/vme")
        eventually(lambda: vme.status_on("kvm02", "stat", f"/srv/vme/{image}") == 0, "the copy is there")
        assert against(vme, "web1", "kvm02") == ["store-differs"]
        said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    finally:
        vme.on("kvm02", "umount", "/srv/vme")
        vme.fault("mount", "kvm02")
    assert "/srv/vme/virt-store on kvm02 is not the virt-store virt-store that this server has" in said
    assert "(there is fuse.glusterfs from st1:/west): mount the same store on kvm02" in said
    assert vme.running("web1") == ["kvm01"]


def test_a_store_that_is_gone_or_only_read(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.on("kvm02", "mount", "-i", "-o", "remount,ro", "/srv/vme")
    assert against(vme, "web1", "kvm02") == ["store-read-only"]
    vme.on("kvm02", "mount", "-i", "-o", "remount,rw", "/srv/vme")
    assert against(vme, "web1", "kvm02") == []
    vme.fault("unmount", "kvm02")
    assert against(vme, "web1", "kvm02") == ["store-differs", "missing"]


def test_a_stale_definition_is_named_with_its_mend(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    stale = vme.virsh("kvm01", "dumpxml", "--inactive", "web1").replace("<name>web1</name>", "<name>was-web1</name>")
    vme.write("kvm02", "/tmp/stale.xml", stale)
    vme.virsh("kvm02", "define", "/tmp/stale.xml")
    said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    assert "kvm02 has a guest 'was-web1' (shut off) of the same UUID already" in said
    mend = said.strip().rpartition("if nothing needs it, ")[2].split("\n")[0]
    assert mend == "undefine_guest was-web1 --node kvm02"
    assert "to kvm03 (" in vme.tool("migrate_guest", "web1", "--dry-run").stdout
    vme.tool(*mend.split(), "--yes")
    assert against(vme, "web1", "kvm02") == []


def test_a_port_that_is_closed_and_names_that_mean_nothing(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.write("kvm02", "/tmp/closed.nft", PORTS)
    vme.on("kvm02", "nft", "-f", "/tmp/closed.nft")
    try:
        assert against(vme, "web1", "kvm02") == ["port"]
        assert "let kvm01 connect to kvm02 on the TCP ports 49152 to 49215" in (
            vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
        )
        vme.tool("migrate_guest", "web1", "--check", status=0)  # to kvm03
    finally:
        vme.on("kvm02", "nft", "delete", "table", "inet", "closed")
    for address in ("10.77.0.77 kvm22", "127.0.0.1 kvm02"):
        with edited(vme, "kvm01", "/etc/hosts", "10.77.0.12 kvm02", address):
            assert against(vme, "web1", "kvm02") == ["name"]
    assert against(vme, "web1", "kvm02") == []


def test_no_room(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    free_mib = next(row["available_mib"] for row in vme.json("node_list") if row["node"] == "kvm02")
    vme.create("heavy", "kvm02", "-m", str(free_mib - 50), start=True)
    assert against(vme, "web1", "kvm02") == ["memory"]
    assert "not to kvm02: kvm02 has " in vme.tool("migrate_guest", "web1", "--dry-run").stdout


def test_what_ties_a_guest_to_its_node(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    shared = "<filesystem type='mount'><source dir='/tmp'/><target dir='x'/></filesystem></devices>"
    vme.write("kvm01", "/tmp/tied.xml", vme.virsh("kvm01", "dumpxml", "web1").replace("</devices>", shared))
    vme.virsh("kvm01", "define", "/tmp/tied.xml")
    vme.on("kvm01", "truncate", "-s", "1M", "/var/lib/libvirt/images/a.iso")
    cdrom = ("--type", "cdrom", "--mode", "readonly", "--targetbus", "sata", "--config")
    vme.virsh("kvm01", "attach-disk", "web1", "/var/lib/libvirt/images/a.iso", "sdc", *cdrom)
    vme.tool("start_guest", "web1")
    assert against(vme, "web1", "kvm02") == ["device", "missing"]
    vme.on("kvm02", "truncate", "-s", "2M", "/var/lib/libvirt/images/a.iso")
    assert against(vme, "web1", "kvm02") == ["device", "file-differs"]
    vme.on("kvm02", "truncate", "-s", "1M", "/var/lib/libvirt/images/a.iso")
    assert against(vme, "web1", "kvm02") == ["device"]
    said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    assert "a directory of the node is shared into it by 9p: detach the file system first" in said


def test_a_block_job(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    copy = "/srv/vme/virt-store/web1/copy"
    vme.on("kvm01", "qemu-img", "create", "-q", "-f", "qcow2", copy, "1G")
    vme.on("kvm01", "chown", "libvirt-qemu:kvm", copy)
    options = ("--dest", copy, "--format", "qcow2", "--reuse-external", "--transient-job")
    vme.virsh("kvm01", "blockcopy", "web1", "vda", *options)
    assert "block-job" in against(vme, "web1", "kvm02")
    vme.virsh("kvm01", "blockjob", "web1", "vda", "--abort")
    assert against(vme, "web1", "kvm02") == []


def test_a_silent_candidate_is_passed_by(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.fault("freeze", "kvm02", "libvirtd")
    done = vme.tool("migrate_guest", "web1", "--check", "--timeout", "3")
    assert done.stdout.splitlines()[1] == "web1   kvm01  here   silent  yes"
    assert "kvm02 gives no answer" in done.stdout
    vme.tool("migrate_guest", "web1", "--timeout", "3")
    assert vme.running("web1") == ["kvm03"]


def test_numbers_that_differ(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    with edited(vme, "kvm02", CONF, 'user = "libvirt-qemu"', 'user = "+107"'), restarted(vme, "kvm02"):
        assert against(vme, "web1", "kvm02") == ["ids"]
        said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    assert "QEMU is 64055:" in said
    assert "on kvm01 and 107:" in said


def test_an_image_that_changed_hands_is_given_back_before_the_move(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    image = "/srv/vme/east/virt-store/web1/web1-vda"
    before = vme.on("mgmt", "stat", "-c", "%u:%g %a", image)
    vme.on("mgmt", "chown", "0:0", image)
    for node in ("kvm01", "kvm02"):
        seen = ("stat", "-c", "%u", image.replace("/east", ""))
        eventually(lambda node=node, seen=seen: vme.on(node, *seen) == "0\n", f"{node} knows it")  # type: ignore[misc]
    assert against(vme, "web1", "kvm02") == ["(owner)"]
    assert f"give {image} " in vme.tool("migrate_guest", "web1", "kvm02", "--dry-run").stdout
    assert vme.on("mgmt", "stat", "-c", "%u:%g", image) == "0:0\n", "--dry-run changes nothing"
    vme.tool("migrate_guest", "web1", "kvm02")
    assert vme.running("web1") == ["kvm02"]
    assert vme.on("mgmt", "stat", "-c", "%u:%g %a", image) == before


@contextmanager
def fuse_over_the_store(vme: Vme, node: str) -> Iterator[None]:
    """The node's store, seen through one more FUSE file system, whose type libvirt does not know as shared."""
    vme.on(node, "umount", "/srv/vme")
    vme.on(node, "mkdir", "-p", "/run/store")
    vme.on(node, "mount", "-t", "glusterfs", "st1:/east", "/run/store")
    vme.on(node, "bindfs", "/run/store", "/srv/vme")
    try:
        yield
    finally:
        vme.on(node, "umount", "--lazy", "/srv/vme")
        vme.on(node, "umount", "--lazy", "/run/store")
        vme.fault("mount", node)


# What another tool would do: move it although libvirt takes that for unsafe.
UNSAFE = """\
import glob, libvirt
here, there = (libvirt.open("qemu+unix:///system?socket=" + glob.glob(f"/run/user/0/vme/{node}-*.libvirtd")[0])
               for node in ("kvm01", "kvm02"))
flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
here.lookupByName("web1").migrate3(there, {}, flags | libvirt.VIR_MIGRATE_UNSAFE)
"""


@pytest.mark.not_under("operate", reason="what would have happened is shown over the forwarded sockets of libvirt")
def test_dynamic_ownership_on_a_file_system_that_libvirt_does_not_know(vme: Vme) -> None:
    """It is refused with the mend; and what would have happened is what the message says."""
    with fuse_over_the_store(vme, "kvm01"):
        vme.create("web1", "kvm01", start=True)
        assert against(vme, "web1", "kvm02") == ["file-system"]
        with edited(vme, "kvm01", CONF, "dynamic_ownership = 0", "dynamic_ownership = 1"), restarted(vme, "kvm01"):
            assert against(vme, "web1", "kvm02") == ["file-system", "dynamic-ownership"]
            said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
            assert "set dynamic_ownership = 0 (not 1) in /etc/libvirt/qemu.conf and restart libvirtd" in said
            assert vme.running("web1") == ["kvm01"]
            vme.tool("list_guests")  # so that there are ssh connections
            vme.on("mgmt", "python3", "-c", UNSAFE)
    assert vme.running("web1") == ["kvm02"]
    image = "/srv/vme/east/virt-store/web1/web1-vda"
    eventually(lambda: vme.on("mgmt", "stat", "-c", "%u:%g", image) == "0:0\n", "the running guest's image is root's")
    assert against(vme, "web1", "kvm03") == ["(owner)"]


@pytest.mark.long
def test_moves_leave_owners_as_they_are(vme: Vme) -> None:
    vme.create("web1", "kvm01", "-d", "1", start=True)
    folder = "/srv/vme/east/virt-store/web1"
    before = vme.on("mgmt", "stat", "-c", "%n %u:%g %a", f"{folder}/web1-vda", f"{folder}/web1-vdb")
    for node in ("kvm02", "kvm03", "kvm01"):
        vme.tool("migrate_guest", "web1", node)
    assert vme.on("mgmt", "stat", "-c", "%n %u:%g %a", f"{folder}/web1-vda", f"{folder}/web1-vdb") == before
