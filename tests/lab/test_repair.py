"""vme repair: what a killed tool left is finished or undone, whichever step it had come to; and what it lets be."""

import signal

import pytest

from tests.faults.stopped import begin
from tests.lab.vme import Vme, eventually

STORE = "/srv/vme/east/virt-store"


def kill_at(vme: Vme, point: str, *words: str) -> None:
    """Run a tool until it stops itself before the deed of that step, and kill it there as a lost server would."""
    tool = begin(vme, point, *words)
    tool.wait_until_stopped()
    tool.send(signal.SIGKILL)
    tool.go_on()  # for what entered the host for it, which stopped with it
    assert tool.end().status != 0


def own_files(vme: Vme) -> list[str]:
    """What is left of journal and locks on the store."""
    return vme.on("mgmt", "sh", "-c", f"cd {STORE}/.vme 2>/dev/null && find journal locks -type f; true").split()


def repaired(vme: Vme, guest: str = "web1") -> str:
    """Repair a guest, after a dry run that changes nothing; the journal is empty then."""
    before = own_files(vme)
    planned = vme.tool("vme", "repair", "--dry-run", guest).stdout
    assert own_files(vme) == [name for name in before if name.startswith("journal/")]
    assert f"{guest}: unfinished: " in planned
    said = vme.tool("vme", "repair", guest).stdout
    assert own_files(vme) == []
    assert vme.tool("vme", "repair").stdout.strip() == "nothing was left unfinished"
    return said


def targets(vme: Vme, guest: str = "web1") -> list[str]:
    return [line.split()[0] for line in vme.virsh("kvm01", "domblklist", guest).splitlines() if line.strip()]


def test_until_it_is_repaired_other_tools_refuse_and_say_why(vme: Vme) -> None:
    kill_at(vme, "defining it", "create_guest", "web1", "-s", "kvm01", "-d", "1")
    assert own_files(vme) == ["journal/web1", "locks/web1"]
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", status=3).stderr
    assert "vme repair web1" in said
    assert "it is not defined anywhere; done: remove " in repaired(vme)
    assert vme.store() == set()
    vme.create("web1", "kvm01")


@pytest.mark.parametrize(
    ("point", "stays"), [("making its images", False), ("starting it", True), ("saving its definition", True)]
)
def test_a_creation(vme: Vme, point: str, stays: bool) -> None:
    kill_at(vme, point, "create_guest", "web1", "-s", "kvm01", "-d", "1", "--start")
    said = repaired(vme)
    assert vme.guests_of("kvm01") == ({"web1"} if stays else set())
    assert vme.store() == ({"web1"} if stays else set())
    assert ("it was to be started: start_guest web1" in said) == (point == "starting it")
    if stays:
        assert "saved" not in vme.tool("save_guest", "web1").stdout  # it was, by the repair


@pytest.mark.parametrize("point", ["removing its definition", "putting its files away"])
def test_a_deletion(vme: Vme, point: str) -> None:
    vme.create("web1")
    kill_at(vme, point, "del_guest", "--yes", "web1")
    said = repaired(vme)
    if point == "removing its definition":
        assert "it is still defined (shut off on kvm01), and none of its files was touched" in said
        vme.tool("del_guest", "--yes", "web1")
    else:
        assert "its files are kept in" in said or "deleted; " in said
    assert vme.guests_of("kvm01") == set()
    assert vme.store() == set()
    assert vme.on("mgmt", "ls", f"{STORE}/.trash").startswith("web1.")


@pytest.mark.parametrize("point", ["making its image", "attaching it", "saving the definition"])
def test_a_disk_that_is_added(vme: Vme, point: str) -> None:
    vme.create("web1", start=True)
    kill_at(vme, point, "add_disk_guest", "web1", "-d", "1", "--bus", "scsi")
    repaired(vme)
    has = point == "saving the definition"
    assert targets(vme) == (["vda", "sda"] if has else ["vda"])
    assert ("web1-sda" in vme.on("mgmt", "ls", f"{STORE}/web1")) == has
    assert vme.tool("save_guest", "web1").stdout.startswith("web1 on kvm01: unchanged")
    assert "virtio-scsi" not in vme.virsh("kvm01", "dumpxml", "web1") or has


def test_disks_that_go_or_grow(vme: Vme) -> None:
    vme.create("web1")
    vme.tool("add_disk_guest", "web1", "-d", "1")
    kill_at(vme, "taking it off the guest", "remove_disk_guest", "--yes", "--purge", "web1", "vdb")
    assert "still has disk vdb" in repaired(vme)
    kill_at(vme, "removing its image", "remove_disk_guest", "--yes", "--purge", "web1", "vdb")
    assert "remove its image" in repaired(vme)
    assert vme.on("mgmt", "ls", f"{STORE}/web1").split() == ["web1-vda", "web1.xml"]
    kill_at(vme, "growing it", "resize_disk_guest", "web1", "vda", "2")
    assert "has that or its old size" in repaired(vme)
    vme.tool("resize_disk_guest", "web1", "vda", "2")


def test_definitions(vme: Vme) -> None:
    vme.create("web1")
    vme.virsh("kvm01", "snapshot-create-as", "web1", "one")
    kill_at(vme, "changing its definition", "edit_guest", "web1", "--set", "memory=300")
    assert "has a whole definition; done: save it" in repaired(vme)
    kill_at(vme, "changing its definition", "tag_guest", "web1", "--add", "prod")
    repaired(vme)
    kill_at(vme, "removing its definition", "undefine_guest", "--yes", "web1")
    assert "still defined" in repaired(vme)
    vme.tool("undefine_guest", "--yes", "web1")
    kill_at(vme, "bringing back what was kept", "define_guest", "web1", "-s", "kvm02")
    assert "bring back the descriptions of 1 snapshot(s)" in repaired(vme)
    assert vme.virsh("kvm02", "snapshot-list", "--name", "web1").split() == ["one"]
    assert vme.tool("save_guest", "web1").stdout.startswith("web1 on kvm02: unchanged")


def test_nothing_is_decided_while_a_node_is_silent_or_another_is_at_work(vme: Vme) -> None:
    kill_at(vme, "defining it", "create_guest", "web1", "-s", "kvm01", "-d", "1")
    vme.fault("freeze", "kvm02", "libvirtd")
    said = vme.tool("vme", "repair", "web1", status=5).stderr
    assert "kvm02" in said
    assert "nothing was changed" in said
    vme.fault("thaw", "kvm02", "libvirtd")
    vme.create("web2")
    tool = begin(vme, "changing its definition", "tag_guest", "web2", "--add", "prod")
    tool.wait_until_stopped()
    assert "has been working on it since" in vme.tool("vme", "repair", "web2", status=3).stderr
    said = vme.tool("vme", "repair").stdout
    assert "done: remove" in said
    assert "has been working on it since" in said
    assert vme.store() == {"web2"}
    waiting = vme.begin("tag_guest", "web2", "--add", "web", "--wait-turn", "60")
    line = waiting.stderr.readline() if waiting.stderr is not None else ""
    assert "web2: waiting: " in line
    tool.go_on()
    assert tool.end().status == 0
    eventually(lambda: waiting.poll() is not None, "the one who waited is done")
    assert waiting.returncode == 0
    xml = vme.virsh("kvm01", "dumpxml", "web2")
    assert all(f">{tag}<" in xml for tag in ("prod", "web"))


def give_up(vme: Vme, point: str, *words: str) -> None:
    """Run a tool that asks kvm01 over a link that is cut until it gives up: what it sent stays on its way."""
    tool = begin(vme, point, *words)
    tool.wait_until_stopped()
    vme.fault("cut", "mgmt", "kvm01")
    tool.go_on()
    said = tool.end()
    assert said.status == 5, said
    assert "no answer within 10 s; it may still be done, so nothing was undone" in said.text


def test_what_is_on_its_way_to_a_node_is_waited_for(vme: Vme) -> None:
    give_up(vme, "defining it", "create_guest", "web1", "-s", "kvm01", "-d", "1")
    vme.fault("heal", "mgmt", "kvm01")
    assert vme.guests_of("kvm01") == set()
    done = vme.tool("vme", "repair", "web1")
    assert "what was sent to kvm01 before is still on its way; waiting" in done.stderr
    assert "it is shut off on kvm01, and whole; done: save its definition" in done.stdout
    assert vme.guests_of("kvm01") == {"web1"}


def test_of_several_whose_node_gave_no_answer_each_stays_in_the_journal(vme: Vme) -> None:
    tool = begin(vme, "defining it", "create_guest", "web1", "web2", "-s", "kvm01", "-d", "1", "--jobs", "1", "--yes")
    tool.wait_until_stopped()
    vme.fault("freeze", "kvm01", "libvirtd")
    tool.go_on()
    tool.wait_until_stopped()  # the second one, when the first is given up
    tool.go_on()
    said = tool.end()
    vme.fault("thaw", "kvm01", "libvirtd")
    assert said.status == 6, said
    assert said.text.count("it may still be done, so nothing was undone") == 2
    assert "vme repair web1 web2 finishes or undoes what was begun" in said.text
    assert "left nothing behind" not in said.text
    assert sorted(own_files(vme)) == ["journal/web1", "journal/web2"]
    assert vme.tool("vme", "repair", "web1", "web2").stdout.count("done: save its definition") == 2
    assert own_files(vme) == []
    assert vme.guests_of("kvm01") == {"web1", "web2"} == vme.store()


@pytest.mark.long
def test_what_does_not_arrive_is_nothing_to_decide_on(vme: Vme) -> None:
    give_up(vme, "defining it", "create_guest", "web1", "-s", "kvm01", "-d", "1")
    said = vme.tool("vme", "repair", "web1", status=5).stderr
    assert "what was sent to kvm01 before has not arrived there, and may be done yet" in said
    assert "nothing was changed" in said
    assert own_files(vme) == ["journal/web1"]
    vme.fault("heal", "mgmt", "kvm01")
    assert "done: " in vme.tool("vme", "repair", "web1").stdout
    assert own_files(vme) == []


def test_a_migration_and_where_both_nodes_claim_the_guest(vme: Vme) -> None:
    address = vme.boot("web1")
    kill_at(vme, "moving it", "migrate_guest", "web1", "kvm02")
    assert "it is running on kvm01" in repaired(vme)
    kill_at(vme, "saving its definition", "migrate_guest", "web1", "kvm02")
    assert "it is running on kvm02" in repaired(vme)
    assert vme.count(address)
    kill_at(vme, "moving it", "migrate_guest", "web1", "kvm01")
    # A second one of the same UUID, behind the tools' back: a QEMU that runs nothing, but claims to.
    xml = vme.virsh("kvm02", "dumpxml", "--migratable", "--security-info", "web1")
    other = vme.on("mgmt", "sh", "-c", "cat /dev/null") + xml
    vme.write("kvm01", "/tmp/twin.xml", other.replace("/web1/web1-vda", "/twin"))
    vme.on("mgmt", "qemu-img", "create", "-q", "-f", "qcow2", f"{STORE}/twin", "1M")
    vme.on("mgmt", "chown", "64055", f"{STORE}/twin")
    vme.virsh("kvm01", "create", "/tmp/twin.xml")
    said = vme.tool("vme", "repair", "web1", status=3).stderr
    assert "look at both, and let it run on one only" in said
    assert sorted(vme.running("web1")) == ["kvm01", "kvm02"]
    vme.virsh("kvm01", "destroy", "web1")
    assert "it is running on kvm02" in repaired(vme)
