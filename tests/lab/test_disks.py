"""add_disk_guest, remove_disk_guest, resize_disk_guest: what the guest's own kernel sees, and every refusal."""

import signal

import pytest

from tests.lab.test_migrate import slow_migration
from tests.lab.vme import Vme, eventually

STORE = "/srv/vme/east/virt-store"
SEEN_BY_NODES = "/srv/vme/virt-store"
GIB_SECTORS = 1024**3 // 512


def targets(vme: Vme, guest: str = "web1", node: str = "kvm01", *, inactive: bool = False) -> list[str]:
    """The disks a guest has as it runs (or as it is defined), as virsh says."""
    lines = vme.virsh(node, "domblklist", guest, *(["--inactive"] if inactive else [])).splitlines()
    return sorted(line.split()[0] for line in lines if line.strip())


def both(vme: Vme, guest: str = "web1", node: str = "kvm01") -> tuple[list[str], list[str]]:
    return targets(vme, guest, node), targets(vme, guest, node, inactive=True)


def images(vme: Vme, guest: str = "web1") -> list[str]:
    return sorted(vme.on("mgmt", "ls", f"{STORE}/{guest}").split())


def image_for_qemu(vme: Vme, name: str, *words: str) -> None:
    """Make an image in web1's directory by qemu-img create, as QEMU on the nodes may write it."""
    vme.on("mgmt", "sh", "-c", f"cd {STORE}/web1 && qemu-img create -q {' '.join(words)} && chmod 666 {name}")


def refused(vme: Vme, *words: str, status: int = 3) -> str:
    """What a tool says that refuses; and it leaves the guest and its images as they were."""
    before = (both(vme), images(vme))
    said = vme.tool(*words, status=status).stderr
    assert (both(vme), images(vme)) == before
    return said


@pytest.mark.parametrize(("bus", "disk"), [("virtio", "vdb"), ("scsi", "sda")])
def test_a_running_guest_sees_its_disk_come_grow_and_go(vme: Vme, bus: str, disk: str) -> None:
    address = vme.boot("web1", "kvm01")
    count = vme.count(address) or 0
    assert vme.sectors(address, disk) is None
    said = vme.tool("add_disk_guest", "web1", "--bus", bus, "-d", "1").stdout
    assert said == f"web1 on kvm01: disk {disk} added ({STORE}/web1/web1-{disk} (qcow2, 1 GiB, new, empty))\n"
    eventually(lambda: vme.sectors(address, disk) == GIB_SECTORS, "the guest sees it")
    assert both(vme) == (sorted([disk, "vda"]), sorted([disk, "vda"]))
    owner = vme.on("mgmt", "stat", "-c", "%U %G %a", f"{STORE}/web1/web1-{disk}").strip()
    assert owner == "libvirt-qemu kvm 660"
    assert f"web1-{disk}" in vme.on("mgmt", "cat", f"{STORE}/web1/web1.xml")

    said = vme.tool("resize_disk_guest", "web1", disk, "2").stdout
    assert said == f"web1 on kvm01: disk {disk} grown from 1 GiB to 2 GiB\n"
    eventually(lambda: vme.sectors(address, disk) == 2 * GIB_SECTORS, "the guest sees it grow")
    assert "is 2 GiB already" in vme.tool("resize_disk_guest", "web1", disk, "2").stdout
    assert "is never made smaller" in refused(vme, "resize_disk_guest", "--force", "web1", disk, "1536M")

    assert "asks first" in refused(vme, "remove_disk_guest", "web1", disk, status=2)
    said = vme.tool("remove_disk_guest", "--yes", "web1", disk).stdout
    assert said == f"web1 on kvm01: disk {disk} removed; its image stays: {STORE}/web1/web1-{disk}\n"
    assert vme.sectors(address, disk) is None
    assert both(vme) == (["vda"], ["vda"])
    assert f"web1-{disk}" not in vme.on("mgmt", "cat", f"{STORE}/web1/web1.xml")

    # Back again, from the image that stayed, by the path a node would use.
    vme.tool("add_disk_guest", "web1", "--bus", bus, "--image", f"/srv/vme/virt-store/web1/web1-{disk}", "-t", "qcow2")
    eventually(lambda: vme.sectors(address, disk) == 2 * GIB_SECTORS, "the guest sees it again")
    assert "and its image for good" in vme.tool("remove_disk_guest", "-y", "--purge", "web1", disk).stdout
    assert vme.sectors(address, disk) is None
    assert images(vme) == ["web1-vda", "web1.xml"]
    assert (vme.count(address) or 0) > count, "it ran all the while, and kept its memory"


def test_a_stopped_guest_starts_with_what_it_was_given(vme: Vme) -> None:
    vme.create("web1", "kvm01", image=True)
    for words in (("-d", "1", "-t", "raw"), ("-d", "300M"), ("--bus", "scsi", "-d", "1"), ("--bus", "scsi", "-d", "2")):
        vme.tool("add_disk_guest", *words, "web1")
    assert both(vme)[1] == ["sda", "sdb", "vda", "vdb", "vdc"]
    assert "grown from 1 GiB to 3 GiB" in vme.tool("resize_disk_guest", "web1", "vdb", "3G").stdout
    assert "is never made smaller" in refused(vme, "resize_disk_guest", "web1", "vdb", "2")
    vme.tool("remove_disk_guest", "--yes", "web1", "vdc", "--purge")
    vme.tool("remove_disk_guest", "--yes", "web1", "sda")
    assert images(vme) == ["web1-sda", "web1-sdb", "web1-vda", "web1-vdb", "web1.xml"]
    # The name of an image that stayed is not given to another one.
    assert "disk sdc added" in vme.tool("add_disk_guest", "--bus", "scsi", "-d", "1", "web1").stdout
    vme.tool("start_guest", "web1")
    address = vme.address("web1")
    sizes = [vme.sectors(address, disk) for disk in ("vda", "vdb", "vdc", "sda", "sdb", "sdc")]
    assert sizes[1:3] == [3 * GIB_SECTORS, None]
    # The guest's kernel gives its own letters: two SCSI disks, of 2 GiB and 1 GiB.
    assert sorted(size for size in sizes[3:] if size) == [GIB_SECTORS, 2 * GIB_SECTORS]


def test_many_at_once_and_dry_runs(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm02")
    for words in (("add_disk_guest", "-d", "1"), ("resize_disk_guest",), ("remove_disk_guest",)):
        more = {"resize_disk_guest": ("vda", "5"), "remove_disk_guest": ("vda",)}.get(words[0], ())
        plan = vme.tool(*words, "--dry-run", "--force", "web1", "web2", *more).stdout
        assert "web1 on kvm01" in plan
        assert "web2 on kvm02" in plan
    assert images(vme) == ["web1-vda", "web1.xml"]
    assert both(vme) == (["vda"], ["vda"])
    done = vme.tool("add_disk_guest", "web[1-2]", "-d", "1").stdout
    assert sorted(line.split(" (")[0] for line in done.splitlines()) == [
        "web1 on kvm01: disk vdb added",
        "web2 on kvm02: disk vdb added",
    ]


def test_a_guest_that_does_not_let_go(vme: Vme) -> None:
    """Its disk is empty: no system runs in it that could answer."""
    vme.create("web1", "kvm01", start=True)
    vme.tool("add_disk_guest", "web1", "-d", "1")
    for _ in range(2):
        said = vme.tool("remove_disk_guest", "--yes", "--purge", "web1", "vdb", "--timeout", "1", status=1).stderr
        assert "disk vdb is still attached: the guest's system was asked and has not let go within 1 s" in said
        assert "its definition has it no more, and its image was not touched" in said
        assert both(vme) == (["vda", "vdb"], ["vda"])
        assert "web1-vdb" in images(vme)
    vme.tool("stop_guest", "--yes", "web1")
    assert both(vme) == (["vda"], ["vda"])


def test_ctrl_c_while_a_guest_does_not_let_go(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.tool("add_disk_guest", "web1", "-d", "1")
    process = vme.begin("remove_disk_guest", "--yes", "--purge", "web1", "vdb", "--timeout", "60")
    eventually(lambda: targets(vme, inactive=True) == ["vda"], "its definition has it no more")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the running guest still has it, its definition has it no more; its image was not touched" in said
    assert "web1-vdb" in images(vme)
    assert "web1-vdb" not in vme.on("mgmt", "cat", f"{STORE}/web1/web1.xml")


def test_a_disk_is_purged_from_a_full_store(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.tool("add_disk_guest", "web1", "-d", "1", "-t", "raw")
    vme.on("mgmt", "sh", "-c", f"dd if=/dev/urandom of={STORE}/web1/web1-vdb bs=1M count=90 conv=notrunc status=none")
    vme.fault("fill", "east")
    assert " is full: " in refused(vme, "remove_disk_guest", "--yes", "web1", "vdb")
    vme.tool("remove_disk_guest", "--yes", "--purge", "web1", "vdb")
    assert images(vme) == ["web1-vda", "web1.xml"]
    assert "web1-vdb" not in vme.on("mgmt", "cat", f"{STORE}/web1/web1.xml")


def test_a_full_bus(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.tool("add_disk_guest", "web1", "-d", "1", "--bus", "scsi")
    for _ in range(20):
        done = vme.tool("add_disk_guest", "web1", "-d", "1", "--dry-run", status=None)
        if done.status:
            break
        vme.tool("add_disk_guest", "web1", "-d", "1")
    said = refused(vme, "add_disk_guest", "web1", "-d", "1")
    assert "its PCI bus is full: no slot is free for a virtio disk while it runs" in said
    assert "or --bus scsi" in said
    assert "disk sdb added" in vme.tool("add_disk_guest", "web1", "-d", "1", "--bus", "scsi").stdout
    vme.tool("stop_guest", "--yes", "web1")
    vme.tool("add_disk_guest", "web1", "-d", "1")
    vme.tool("start_guest", "web1")


def test_a_running_job(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.tool("add_disk_guest", "web1", "-d", "1", "-t", "raw")
    vme.on("mgmt", "sh", "-c", f"dd if=/dev/urandom of={STORE}/web1/web1-vdb bs=1M count=64 conv=notrunc status=none")
    image_for_qemu(vme, "copy", "-f", "raw", "copy", "1G")
    slowly = ("--format", "raw", "--transient-job", "--reuse-external", "--bandwidth", "1")
    vme.virsh("kvm01", "blockcopy", "web1", "vdb", f"{SEEN_BY_NODES}/web1/copy", *slowly)
    for words in (
        ("add_disk_guest", "web1"),
        ("remove_disk_guest", "--yes", "web1", "vdb"),
        ("resize_disk_guest", "web1", "vdb", "2"),
    ):
        assert "a block copy of vdb is going on: wait until it is done" in refused(vme, *words)
    vme.virsh("kvm01", "blockjob", "web1", "vdb", "--abort")
    vme.tool("remove_disk_guest", "--yes", "web1", "vdb", "--timeout", "1", status=1)


def test_a_guest_that_moves(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    migration = slow_migration(vme)
    done = vme.tool("add_disk_guest", "web1", "-d", "1", status=None)
    assert done.status in (3, 4), done
    assert "migration" in done.stderr or "more than one node" in done.stderr
    assert images(vme) == ["web1-vda", "web1.xml"]
    vme.virsh("kvm01", "domjobabort", "web1")
    migration.communicate(timeout=60)


def test_an_image_that_is_gone_from_the_store(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.tool("add_disk_guest", "web1", "-d", "1")
    vme.on("mgmt", "mv", f"{STORE}/web1/web1-vdb", f"{STORE}/web1/lost")
    vme.gone_from("kvm01", f"{SEEN_BY_NODES}/web1/web1-vdb")
    reason = "its image /srv/vme/virt-store/web1/web1-vdb (vdb) is not there on kvm01"
    assert reason in refused(vme, "add_disk_guest", "web1", "-d", "1")
    assert reason in refused(vme, "resize_disk_guest", "web1", "vdb", "2")
    vme.tool("remove_disk_guest", "--yes", "web1", "vdb")
    vme.tool("add_disk_guest", "web1", "--image", f"{STORE}/web1/lost", "-t", "qcow2")
    vme.tool("start_guest", "web1")
    vme.on("mgmt", "rm", f"{STORE}/web1/lost")
    vme.gone_from("kvm01", f"{SEEN_BY_NODES}/web1/lost")
    said = refused(vme, "remove_disk_guest", "--yes", "web1", "vdb")
    assert "is gone from the store, and what the guest has open is all that is left" in said


def test_the_store_is_full_or_away(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.fault("fill", "east")
    assert "is full: " in refused(vme, "add_disk_guest", "web1", "-d", "1")
    vme.fault("free", "east")
    vme.fault("unmount", "kvm01")
    said = refused(vme, "add_disk_guest", "web1", "-d", "1")
    assert "web1-vda (vda) is not there on kvm01" in said
    assert "kvm01 has no /srv/vme/virt-store: is the virt-store mounted there?" in said
    vme.fault("mount", "kvm01")
    vme.fault("unmount", "mgmt", "east")
    for words in (
        ("add_disk_guest", "web1"),
        ("remove_disk_guest", "-y", "web1", "vda"),
        ("resize_disk_guest", "web1", "vda", "9"),
    ):
        assert "is it mounted?" in vme.tool(*words, status=3).stderr
    vme.fault("mount", "mgmt", "east")
    assert both(vme)[1] == ["vda"]


def test_the_boot_disk_a_name_that_is_none_and_all_reasons_at_once(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    assert "has no disk 'vdq': it has vda" in refused(vme, "remove_disk_guest", "--yes", "web1", "vdq")
    assert "has no disk 'vdq': it has vda" in refused(vme, "resize_disk_guest", "web1", "vdq", "9")
    vme.tool("suspend_guest", "web1")
    said = refused(vme, "remove_disk_guest", "--yes", "web1", "vda")
    assert "it boots from that disk; --force removes it all the same" in said
    assert "is paused: its system can't let go of a disk" in said
    vme.tool("stop_guest", "--yes", "web1")
    vme.tool("remove_disk_guest", "--yes", "--force", "web1", "vda")
    assert both(vme)[1] == []
    assert images(vme) == ["web1-vda", "web1.xml"]


def test_words_that_can_not_be_meant(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    for words in (
        ("-d", "0"),
        ("-d", "1X"),
        ("-d", "-1"),
        ("--shareable", "-t", "qcow2"),
        ("--shareable", "-a", "writeback"),
        ("--image", "/tmp/x.raw", "-d", "1"),
    ):
        refused(vme, "add_disk_guest", "web1", *words, status=2)


def test_images_that_must_not_be_added(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.create("web2", "kvm02", "-t", "qcow2")
    make = f"""
        cd {STORE}/web1
        qemu-img create -q -f qcow2 plain 1G
        qemu-img create -q -f qcow2 plain.raw 1G
        qemu-img create -q -f qcow2 -b /etc/passwd -F raw outside.qcow2 1M
        qemu-img create -q -f qcow2 -b ../web2/web2-vda -F qcow2 inside.qcow2
        qemu-img create -q -f qcow2 -o data_file=/tmp/data.raw,data_file_raw=on data.qcow2 1M
        ln {STORE}/web2/web2-vda other-name
        ln -s /etc/passwd link.raw
        cp plain /tmp/away.qcow2
    """
    vme.on("mgmt", "sh", "-c", make)
    for words, reason in {
        ("/tmp/away.qcow2",): "is not on a virt-store of the guest's zone",
        (f"{STORE}/web1/link.raw",): "is not on a virt-store of the guest's zone",
        (f"{STORE}/../../../../etc/passwd", "-t", "raw"): "is not on a virt-store of the guest's zone",
        (f"{STORE}/web1/nothing.raw",): "there is no image",
        (f"{STORE}/web1/plain",): "the format of /srv/vme/east/virt-store/web1/plain is not known: say it with -t",
        (f"{STORE}/web1/plain.raw", "-t", "qcow2"): "is raw by its name, not qcow2",
        (f"{STORE}/web1/outside.qcow2", "--force"): "has a backing file outside the virt-stores ('/etc/passwd')",
        (f"{STORE}/web1/inside.qcow2",): "has a backing file ('../web2/web2-vda'): --force adds it",
        (f"{STORE}/web1/data.qcow2",): "keeps its data in another file",
        (f"{STORE}/.images/tiny.qcow2",): "is an image of the library",
        (f"{STORE}/web2/web2-vda", "-t", "qcow2"): "is a disk (vda) of guest web2 on kvm02; to share it",
        (f"{STORE}/web1/other-name", "-t", "qcow2"): "is a disk (vda) of guest web2 on kvm02; to share it",
    }.items():
        assert reason in refused(vme, "add_disk_guest", "web1", "--image", *words)
    vme.tool("add_disk_guest", "web1", "--force", "--image", f"{STORE}/web1/inside.qcow2")
    # web2's own image is below another guest's disk now.
    said = refused(vme, "add_disk_guest", "web1", "--image", f"{STORE}/web2/web2-vda", "-t", "qcow2")
    assert "is below a disk (vdb) of guest web1 on kvm01" in said
    assert "below a disk (vdb) of guest web1" in vme.tool("resize_disk_guest", "web2", "vda", "9", status=3).stderr
    said = vme.tool("remove_disk_guest", "-y", "--force", "--purge", "web2", "vda", status=3).stderr
    assert "below a disk (vdb) of guest web1 on kvm01: remove it without --purge" in said


def test_a_disk_that_two_guests_share(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm02", start=True)
    vme.tool("add_disk_guest", "web1", "--shareable", "-d", "1")
    image = f"{STORE}/web1/web1-vdb"
    said = vme.tool("add_disk_guest", "web2", "--image", image, "-t", "raw", status=3).stderr
    assert "is a disk (vdb) of guest web1 on kvm01; to share it, add it --shareable to both" in said
    vme.tool("add_disk_guest", "web2", "--shareable", "--image", image, "-t", "raw")
    for guest, node in (("web1", "kvm01"), ("web2", "kvm02")):
        xml = vme.virsh(node, "dumpxml", guest)
        assert "<shareable/>" in xml
        assert both(vme, guest, node) == (["vda", "vdb"], ["vda", "vdb"])
    assert "that one would not learn of its new size" in refused(vme, "resize_disk_guest", "web1", "vdb", "2")
    said = refused(vme, "remove_disk_guest", "--yes", "--purge", "web1", "vdb")
    assert "is a disk (vdb) of guest web2 on kvm02: remove it without --purge" in said
    # What is not shared by its first guest is not shared by another one.
    words = ("add_disk_guest", "web2", "--shareable", "--image", f"{STORE}/web1/web1-vda", "-t", "raw")
    assert "of guest web1 on kvm01; which does not share it" in vme.tool(*words, status=3).stderr


def test_snapshots(vme: Vme) -> None:
    vme.create("web1", "kvm01", "-t", "qcow2")
    vme.tool("add_disk_guest", "web1", "-d", "1", "-t", "qcow2")
    vme.virsh("kvm01", "snapshot-create-as", "web1", "before")
    said = refused(vme, "remove_disk_guest", "--yes", "--purge", "web1", "vdb")
    assert "is needed by a snapshot of guest web1 on kvm01: remove it without --purge" in said
    said = refused(vme, "resize_disk_guest", "web1", "vdb", "2")
    assert "its image has snapshots (before): going back to one makes the disk small again; --force" in said
    assert "to 2 GiB" in vme.tool("resize_disk_guest", "--force", "web1", "vdb", "2").stdout
    vme.virsh("kvm01", "snapshot-delete", "web1", "before")
    # An external one: the image is below an overlay, which grows; the image stays as it is.
    vme.tool("start_guest", "web1")
    image_for_qemu(vme, "live", "-f", "qcow2", "-b", "web1-vdb", "-F", "qcow2", "live")
    spec = ("--diskspec", "vda,snapshot=no", "--diskspec", f"vdb,file={SEEN_BY_NODES}/web1/live")
    vme.virsh("kvm01", "snapshot-create-as", "web1", "after", "--disk-only", "--reuse-external", *spec)
    assert "from 2 GiB to 3 GiB" in vme.tool("resize_disk_guest", "web1", "vdb", "3").stdout
    info = vme.on("mgmt", "qemu-img", "info", "-U", "-f", "qcow2", f"{STORE}/web1/web1-vdb")
    assert "2 GiB" in info
    said = vme.tool("remove_disk_guest", "--yes", "--purge", "web1", "vdb", status=3).stderr
    assert "needed by a snapshot of guest web1 on kvm01" in said


def test_a_silent_node_hides_who_else_uses_an_image(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.tool("add_disk_guest", "web1", "-d", "1")
    vme.fault("freeze", "kvm02", "libvirtd")
    vme.tool("add_disk_guest", "web1", "-d", "1")  # nobody can use what was not there
    for words in (
        ("remove_disk_guest", "--yes", "--purge", "web1", "vdb"),
        ("resize_disk_guest", "web1", "vdb", "2"),
    ):
        assert "a guest of a silent node may " in refused(vme, *words)
    vme.tool("remove_disk_guest", "--yes", "web1", "vdb")
    again = ("add_disk_guest", "web1", "--image", f"{STORE}/web1/web1-vdb", "-t", "qcow2")
    assert "a guest of a silent node may use" in refused(vme, *again)
    vme.tool(*again, "--force")
    vme.tool("remove_disk_guest", "--yes", "--purge", "--force", "web1", "vdb")
    assert images(vme) == ["web1-vda", "web1-vdc", "web1.xml"]


def test_a_hung_qemu_is_not_waited_for_and_nothing_is_done(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.fault("freeze", "kvm01", "qemu:web1")
    vme.tool("add_disk_guest", "web1", "-d", "1", status=5)
    vme.fault("thaw", "kvm01", "qemu:web1")
    assert both(vme) == (["vda"], ["vda"])
    assert images(vme) == ["web1-vda", "web1.xml"]


def test_what_fails_half_way_is_undone(vme: Vme) -> None:
    address = vme.boot("web1", "kvm01")
    # The saved XML can't be replaced: the last step fails, when the guest has seen the disk.
    vme.on("mgmt", "sh", "-c", f"cd {STORE}/web1 && mv web1.xml kept && mkdir web1.xml && touch web1.xml/x")
    said = vme.tool("add_disk_guest", "web1", "-d", "1", "--bus", "scsi", status=1).stderr
    assert "everything was undone" in said
    assert both(vme) == (["vda"], ["vda"])
    assert images(vme) == ["kept", "web1-vda", "web1.xml"]
    assert vme.sectors(address, "sda") is None
    assert "virtio-scsi" not in vme.virsh("kvm01", "dumpxml", "web1")
    assert "virtio-scsi" not in vme.virsh("kvm01", "dumpxml", "--inactive", "web1")
    vme.on("mgmt", "sh", "-c", f"cd {STORE}/web1 && rm -r web1.xml && mv kept web1.xml")
    # QEMU can't open it: libvirt fails in the middle.
    vme.on("mgmt", "chown", "root:root", f"{STORE}/web1")
    vme.on("mgmt", "chmod", "700", f"{STORE}/web1")
    said = refused(vme, "add_disk_guest", "web1", "-d", "1", status=1)
    assert "Permission denied" in said


def test_of_two_at_the_same_moment_each_gets_its_own_disk_or_none(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    several = [vme.begin("add_disk_guest", "web1", "-d", "1") for _ in range(3)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in several]
    added = sum(status == 0 for _, status in ends)
    assert added >= 1, ends
    assert all(status in (0, 3) for _, status in ends), ends
    assert both(vme) == (targets(vme), targets(vme))
    assert len(targets(vme)) == 1 + added
    assert len(images(vme)) == 2 + added
