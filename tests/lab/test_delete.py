"""del_guest: the definition goes, the images wait in the trash; what another guest needs stays."""

from tests.lab.vme import Vme

STORE = "/srv/vme/east/virt-store"


def trash(vme: Vme) -> list[str]:
    return vme.on("mgmt", "sh", "-c", f"ls {STORE}/.trash 2>/dev/null || :").split()


def test_a_stopped_guest_goes_to_the_trash_and_can_be_taken_back(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    assert "asks first" in vme.tool("del_guest", "web1", status=2).stderr
    vme.tool("del_guest", "--yes", "web1")
    assert vme.guests_of("kvm01") == set()
    assert vme.store() == set()
    (place,) = trash(vme)
    assert place.startswith("web1.2")
    assert vme.on("mgmt", "ls", f"{STORE}/.trash/{place}").split() == ["history", "web1-vda", "web1.xml"]
    # Taken back by hand, with nothing but what lies there.
    vme.on("mgmt", "mv", f"{STORE}/.trash/{place}", f"{STORE}/web1")
    vme.write("kvm02", "/tmp/web1.xml", vme.on("mgmt", "cat", f"{STORE}/web1/web1.xml"))
    vme.virsh("kvm02", "define", "/tmp/web1.xml")
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm02"]


def test_a_running_guest_is_deleted_only_by_force(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    assert "web1 on kvm01: is running" in vme.tool("del_guest", "--yes", "web1", status=3).stderr
    assert vme.running("web1") == ["kvm01"]
    plan = vme.tool("del_guest", "--force", "--purge", "web1", "--dry-run").stdout
    assert "pull its plug" in plan
    assert f"remove for good: {STORE}/web1" in plan
    assert vme.store() == {"web1"}
    vme.tool("del_guest", "--yes", "--force", "--purge", "web1")
    assert vme.running("web1") == []
    assert vme.store() == set()
    assert trash(vme) == []


def test_what_another_guest_needs_is_not_deleted(vme: Vme) -> None:
    vme.create("base", "kvm01")
    vme.on("mgmt", "ln", f"{STORE}/base/base-vda", f"{STORE}/base/base-vda.qcow2")
    vme.tool("create_guest", "web1", "-s", "kvm02", "--image", f"{STORE}/base/base-vda.qcow2", "--linked")
    said = vme.tool("del_guest", "--yes", "base", status=3).stderr
    assert "base-vda.qcow2 is in use by guest 'web1' on kvm02" in said
    assert "base" in vme.guests_of("kvm01")
    vme.tool("del_guest", "--yes", "web1")
    vme.tool("del_guest", "--yes", "base")


def test_images_elsewhere_are_left_alone(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.on("mgmt", "qemu-img", "create", "-q", "-f", "raw", f"{STORE}/data.img", "1M")
    vme.virsh("kvm01", "attach-disk", "web1", "/srv/vme/virt-store/data.img", "vdb", "--config")
    assert "left alone: /srv/vme/virt-store/data.img" in vme.tool("del_guest", "web1", "--dry-run").stdout
    vme.tool("del_guest", "--yes", "web1")
    assert vme.store() == {"data.img"}


def test_a_store_that_is_not_there_stops_it_before_anything_is_done(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.fault("unmount", "mgmt", "east")
    assert "is it mounted?" in vme.tool("del_guest", "--yes", "web1", status=3).stderr
    assert vme.guests_of("kvm01") == {"web1"}


def test_a_full_store_does_not_keep_one_from_deleting(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.fault("fill", "east")
    assert "--purge frees space" in vme.tool("del_guest", "--yes", "web1", status=3).stderr
    assert vme.guests_of("kvm01") == {"web1"}
    vme.tool("del_guest", "--yes", "--purge", "web1")
    assert vme.store() == set()
