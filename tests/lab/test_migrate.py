"""migrate_guest: the guest runs there, or here, and the tool says which; whatever happens on the way."""

import signal

import pytest

from lab.run import Process
from tests.lab.vme import Vme, eventually, heard_by


def slow_migration(vme: Vme, name: str = "web1") -> Process:
    """Begin to move a running guest from kvm01 to kvm02 so slowly that something can happen on the way."""
    vme.virsh("kvm01", "migrate-setspeed", name, "1")
    process = vme.begin("migrate_guest", name, "kvm02")
    eventually(lambda: len(vme.running(name)) == 2, "the copy of the memory has begun")
    eventually(lambda: "processed" in vme.virsh("kvm01", "domjobinfo", name), "something was sent")
    return process


def move_fast(vme: Vme, name: str = "web1") -> None:
    """Move it again, without the limit, which libvirt keeps as long as the QEMU lives."""
    vme.virsh("kvm01", "migrate-setspeed", name, "10000")
    vme.tool("migrate_guest", name, "kvm02")
    assert vme.running(name) == ["kvm02"]


def test_to_the_best_node_when_none_is_named(vme: Vme) -> None:
    vme.create("heavy", "kvm02", "-m", "512", start=True)
    vme.create("web1", "kvm01", start=True)
    plan = vme.tool("migrate_guest", "web1", "--dry-run").stdout
    assert plan.startswith("migrate guest web1 on kvm01 to kvm03 (most memory available: ")
    assert vme.running("web1") == ["kvm01"]
    vme.tool("migrate_guest", "web1")
    assert vme.running("web1") == ["kvm03"]
    saved = vme.on("mgmt", "cat", "/srv/vme/east/virt-store/web1/web1.xml")
    assert "<name>web1</name>" in saved


def test_a_moved_guest_moves_again_and_again(vme: Vme) -> None:
    address = vme.boot("web1", "kvm01")
    client = vme.talk(address)
    for node in ("kvm02", "kvm03", "kvm01"):
        vme.tool("migrate_guest", "web1", node)
        assert vme.running("web1") == [node]
    heard = heard_by(client)
    assert heard["unbroken"], heard


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (("kvm04",), 3, "kvm04 is in zone west, not in east"),
        (("kvm01",), 3, "is on kvm01 already"),
        (("kvm99",), 2, "there is no node 'kvm99'"),
    ],
)
def test_nodes_it_does_not_go_to(vme: Vme, words: tuple[str, ...], status: int, reason: str) -> None:
    vme.create("web1", "kvm01", start=True)
    assert reason in vme.tool("migrate_guest", "web1", *words, status=status).stderr
    assert vme.running("web1") == ["kvm01"]


def test_every_reason_against_it_is_said_at_once(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.tool("suspend_guest", "web1")
    # A definition of the same name waits at the destination, which lacks the bridge and the store.
    other = vme.virsh("kvm01", "dumpxml", "web1").replace(vme.virsh("kvm01", "domuuid", "web1").strip(), _OTHER_UUID)
    vme.write("kvm02", "/tmp/other.xml", other)
    vme.virsh("kvm02", "define", "/tmp/other.xml")
    said = vme.tool("migrate_guest", "web1", "kvm02", status=4).stderr
    assert "on more than one node: web1 (paused on kvm01, shut off on kvm02)" in said
    vme.virsh("kvm02", "undefine", "web1")
    vme.fault("unmount", "kvm02")
    vme.on("kvm02", "ip", "link", "set", "br0", "name", "br9")
    said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    vme.on("kvm02", "ip", "link", "set", "br9", "name", "br0")
    for reason in (
        "is paused (user): resume_guest first",
        "kvm02 has no bridge br0",
        "kvm02 does not see /srv/vme/virt-store/web1/web1-vda",
    ):
        assert reason in said
    assert vme.running("web1") == ["kvm01"]


_OTHER_UUID = "0b7c5f0e-7c46-4a3e-9d4b-000000000001"


def test_a_disk_elsewhere_is_refused(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.on("kvm01", "qemu-img", "create", "-q", "-f", "raw", "/var/lib/libvirt/images/data.img", "1M")
    vme.on("kvm01", "chown", "libvirt-qemu:kvm", "/var/lib/libvirt/images/data.img")
    vme.virsh("kvm01", "attach-disk", "web1", "/var/lib/libvirt/images/data.img", "vdb", "--config")
    vme.tool("start_guest", "web1")
    said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    assert "/var/lib/libvirt/images/data.img is not on a virt-store of zone east, so kvm02 would not have it" in said


def test_a_silent_destination(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.fault("freeze", "kvm02", "libvirtd")
    said = vme.tool("migrate_guest", "web1", "kvm02", "--timeout", "2", status=5).stderr
    assert "no answer from kvm02" in said
    assert vme.running("web1") == ["kvm01"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_cancels_and_says_where_the_guest_is(vme: Vme, number: signal.Signals) -> None:
    address = vme.boot("web1", "kvm01")
    client = vme.talk(address)
    migration = slow_migration(vme)
    migration.send_signal(number)
    _, said = migration.communicate(timeout=60)
    assert migration.returncode == 130, said
    assert "interrupted; it is running on kvm01, and nothing of it on kvm02" in said
    assert vme.running("web1") == ["kvm01"]
    assert vme.guests_of("kvm02") == set()
    heard = heard_by(client)
    assert heard["unbroken"], heard
    move_fast(vme)
    assert vme.count(address)


def test_the_tool_killed_on_the_way_loses_nothing(vme: Vme) -> None:
    address = vme.boot("web1", "kvm01")
    migration = slow_migration(vme)
    vme.fault("kill", "mgmt", "migrate_guest")
    migration.communicate(timeout=30)
    eventually(lambda: vme.running("web1") == ["kvm01"], "libvirt has taken the copy back")
    assert vme.count(address)
    assert "vme repair web1" in vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    assert "it is running on kvm01" in vme.tool("vme", "repair", "web1").stdout
    move_fast(vme)


def test_the_destinations_qemu_dies_on_the_way(vme: Vme) -> None:
    vme.boot("web1", "kvm01")
    migration = slow_migration(vme)
    vme.fault("kill-qemu", "kvm02", "web1")
    _, said = migration.communicate(timeout=60)
    assert migration.returncode == 1, said
    assert "it is running on kvm01, and nothing of it on kvm02" in said
    assert vme.running("web1") == ["kvm01"]


def test_the_sources_qemu_dies_on_the_way(vme: Vme) -> None:
    vme.boot("web1", "kvm01")
    migration = slow_migration(vme)
    vme.fault("kill-qemu", "kvm01", "web1")
    _, said = migration.communicate(timeout=60)
    assert migration.returncode == 1, said
    assert "it is shut off on kvm01, and nothing of it on kvm02" in said
    eventually(lambda: vme.running("web1") == [], "nothing runs")
    vme.tool("start_guest", "web1")


def test_a_libvirtd_that_dies_on_the_way_and_is_started_anew_is_asked_again(vme: Vme) -> None:
    vme.boot("web1", "kvm01")
    migration = slow_migration(vme)
    vme.on("kvm01", "pkill", "-SEGV", "libvirtd")
    _, said = migration.communicate(timeout=60)
    assert migration.returncode == 1, said
    assert "it is running on kvm01, and nothing of it on kvm02" in said
    assert vme.running("web1") == ["kvm01"]
    move_fast(vme)


def test_a_second_migration_of_the_same_guest_is_told_who_moves_it(vme: Vme) -> None:
    vme.boot("web1", "kvm01")
    migration = slow_migration(vme)
    said = vme.tool("migrate_guest", "web1", "kvm03", status=3).stderr
    assert "has been working on it since" in said
    assert "migrate_guest web1" in said
    assert vme.json("info_guest", "web1")[0]["node"] == "kvm01"
    assert "is in use by guest 'web1' on kvm02" in vme.tool("del_guest", "--yes", "--force", "web1", status=3).stderr
    migration.send_signal(signal.SIGINT)
    migration.communicate(timeout=60)
    assert vme.running("web1") == ["kvm01"]
