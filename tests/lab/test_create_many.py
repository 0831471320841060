"""create_guest for many at once: one plan, one question a node, each guest whole or nothing."""

import signal

from tests.lab.test_create import STORE, nothing_written
from tests.lab.vme import Vme, eventually

EAST = ("kvm01", "kvm02", "kvm03")


def east(vme: Vme) -> set[str]:
    return {guest for node in EAST for guest in vme.guests_of(node)}


def test_twenty_from_an_image(vme: Vme) -> None:
    names = {f"web{number:02}" for number in range(1, 21)}
    plan = vme.tool("create_guest", "web[01-20]", "--zone", "east", "--image", "tiny", "--dry-run").stdout
    assert "20 guests with 2.5 GiB of memory; 7 on kvm01, 7 on kvm02, 6 on kvm03" in plan
    nothing_written(vme)
    asks = vme.tool("create_guest", "web[01-20]", "--zone", "east", "--image", "tiny", status=2).stderr
    assert "this asks first" in asks
    nothing_written(vme)
    vme.tool("create_guest", "web[01-20]", "--zone", "east", "--image", "tiny", "--yes")
    assert east(vme) == names == vme.store()
    assert sorted(len(vme.guests_of(node)) for node in EAST) == [6, 7, 7]
    definitions = "".join(vme.virsh(node, "dumpxml", name) for node in EAST for name in vme.guests_of(node))
    for unique in ("<uuid>", "<mac address="):
        values = [line.strip() for line in definitions.splitlines() if unique in line]
        assert len(values) == len(set(values)) == 20, unique


def test_a_batch_file(vme: Vme) -> None:
    vme.write(
        "mgmt",
        "/tmp/batch.yaml",
        "defaults: {zone: east, image: tiny}\n"
        "guests:\n"
        "- {name: 'web[1-2]', linked: true}\n"
        "- {name: db1, node: kvm03, memory: 96, disk: [1, '2,format=raw'], bridge: [br0, br0]}\n"
        "- {name: west1, zone: west}\n",
    )
    vme.tool("create_guest", "--batch", "/tmp/batch.yaml", "--yes")
    assert east(vme) == {"web1", "web2", "db1"}
    assert "db1" in vme.guests_of("kvm03")
    assert vme.store("west") == {"west1"}
    assert len(vme.json("info_guest", "db1")[0]["disks"]) == 2
    vme.write("mgmt", "/tmp/batch.yaml", "guests:\n- {name: web9, memory: 0}\n")
    said = vme.tool("create_guest", "--batch", "/tmp/batch.yaml", "--yes", status=2).stderr
    assert "/tmp/batch.yaml: guest 1 ('web9'): memory: must be a whole number above 0" in said


def test_one_that_is_in_the_way_refuses_all(vme: Vme) -> None:
    vme.create("web2", "kvm04")
    said = vme.tool(*("create_guest", "web[1-3]", "--zone", "east", "-d", "1", "-b", "br7", "--yes"), status=3).stderr
    assert "web2: a guest of that name is shut off on kvm04" in said
    assert "has no bridge br7" in said
    assert "3 guests, of which none is created" in said
    assert east(vme) == set()
    assert vme.store() == set()


def test_memory_that_is_promised_in_the_plan_counts(vme: Vme) -> None:
    available = {node["node"]: node["available_mib"] for node in vme.json("node_list")}
    half = available["kvm01"] * 2 // 3
    said = vme.tool("create_guest", "web[1-2]", "-s", "kvm01", "-d", "1", "-m", str(half), "--yes", status=3).stderr
    assert f"web2: kvm01 has {available['kvm01']} MiB available" in said
    assert f"and {half} MiB of it are for guests before this one" in said
    nothing_written(vme)


def test_what_fails_for_one_node_leaves_the_others(vme: Vme) -> None:
    """Half of the guests go to a node whose store is another one: they are undone, the others are whole."""
    vme.fault("unmount", "kvm02")
    vme.on("kvm02", "mkdir", "-p", "/srv/vme/virt-store")
    vme.write("mgmt", "/tmp/batch.yaml", "guests:\n- {name: 'a[1-2]', node: kvm01}\n- {name: 'b[1-2]', node: kvm02}\n")
    done = vme.tool("create_guest", "--batch", "/tmp/batch.yaml", "-d", "1", "--yes", status=1)
    vme.on("kvm02", "rmdir", "/srv/vme/virt-store")
    assert "b1: " in done.stderr
    assert "are not the same directory" in done.stderr
    assert "2 of 4 guests not created" in done.stderr
    assert east(vme) == {"a1", "a2"} == vme.store()


def test_ctrl_c_leaves_whole_guests_only(vme: Vme) -> None:
    vme.on("mgmt", "dd", "if=/dev/urandom", "of=/tmp/large.raw", "bs=1M", "count=150", "status=none")
    create = vme.begin(
        *("create_guest", "web[1-8]", "--zone", "east", "--image", "/tmp/large.raw", "--jobs", "1", "--yes")
    )
    eventually(lambda: vme.store(), "the first copies have begun", timeout_s=30)
    create.send_signal(signal.SIGTERM)
    _, said = create.communicate(timeout=90)
    assert create.returncode == 130, said
    assert "interrupted; what was being created was undone" in said
    vme.on("mgmt", "rm", "/tmp/large.raw")
    assert east(vme) == vme.store()
    assert len(vme.store()) < 8
    for name in vme.store():
        assert vme.on("mgmt", "ls", f"{STORE}/{name}").split() == [f"{name}-vda", f"{name}.xml"]


def test_a_name_twice_is_refused(vme: Vme) -> None:
    said = vme.tool("create_guest", "web1", "web[1-2]", "--zone", "east", "-d", "1", "--yes", status=2).stderr
    assert "named more than once: web1" in said
