"""create_guest: everything it was asked for, or a clear refusal and nothing written anywhere."""

import signal
from xml.etree import ElementTree

import pytest

from lab.place import CHECKOUT
from lab.topology import DEFAULT
from tests.lab.vme import Vme, eventually

STORE = "/srv/vme/east/virt-store"
NODES = [node.name for node in DEFAULT.nodes]


def nothing_written(vme: Vme) -> None:
    """No guest on any node, nothing in any store, no lock left."""
    assert {node: vme.guests_of(node) for node in NODES} == {node: set() for node in NODES}
    assert vme.store("east") == set()
    assert vme.store("west") == set()
    assert (
        vme.on("mgmt", "sh", "-c", "ls -A /srv/vme/*/virt-store/.vme/locks 2>/dev/null | grep -v : || :").strip() == ""
    )


def test_images_definition_and_saved_xml_are_as_configured(vme: Vme) -> None:
    vme.tool(
        *("create_guest", "web1", "-s", "kvm02", "-c", "2", "-m", "96", "-d", "3", "-t", "raw", "-a", "writeback"),
        *("-b", "br0", "-b", "br0", "--os", "debian11"),
    )
    assert vme.on("mgmt", "stat", "-c", "%U %G %a", f"{STORE}/web1", f"{STORE}/web1/web1-vda").splitlines() == [
        "libvirt-qemu kvm 750",
        "libvirt-qemu kvm 660",
    ]
    assert vme.on("mgmt", "stat", "-c", "%a %s", f"{STORE}/web1/web1.xml", f"{STORE}/web1/web1-vda").split()[::3] == [
        "600",
        str(3 << 30),
    ]
    saved = ElementTree.fromstring(vme.on("mgmt", "cat", f"{STORE}/web1/web1.xml"))
    defined = ElementTree.fromstring(vme.virsh("kvm02", "dumpxml", "--inactive", "--security-info", "web1"))
    assert ElementTree.canonicalize(
        ElementTree.tostring(saved, "unicode"), strip_text=True
    ) == ElementTree.canonicalize(ElementTree.tostring(defined, "unicode"), strip_text=True)
    assert (saved.findtext("vcpu"), saved.findtext("memory"), saved.get("type")) == ("2", str(96 * 1024), "qemu")
    assert len(saved.findall("devices/interface")) == 2
    driver = saved.find("devices/disk/driver")
    assert driver is not None
    assert (driver.get("type"), driver.get("cache")) == ("raw", "writeback")
    graphics = saved.find("devices/graphics")
    assert graphics is not None
    assert (graphics.get("type"), graphics.get("listen")) == ("vnc", "127.0.0.1")


def test_what_follows_two_dashes_is_virt_installs(vme: Vme) -> None:
    vme.tool(
        "create_guest", "web1", "-s", "kvm01", "-d", "1", "--", "--description", "made -- by hand", "--boot", "menu=on"
    )
    xml = ElementTree.fromstring(vme.virsh("kvm01", "dumpxml", "web1"))
    assert xml.findtext("description") == "made -- by hand"
    assert xml.find("os/bootmenu") is not None


def test_without_a_node_it_goes_where_most_memory_is_available(vme: Vme) -> None:
    for name in ("web1", "web2", "web3"):
        vme.tool("create_guest", name, "--zone", "east", "-d", "1", "--start")
    assert sorted(vme.running(name)[0] for name in ("web1", "web2", "web3")) == ["kvm01", "kvm02", "kvm03"]


def test_a_zone_is_never_guessed(vme: Vme) -> None:
    said = vme.tool("create_guest", "web1", "-d", "1", status=2).stderr
    assert "--zone (east, west)" in said
    nothing_written(vme)


def test_a_dry_run_shows_the_plan_and_changes_nothing(vme: Vme) -> None:
    plan = vme.tool("create_guest", "web1", "-s", "kvm01", "--image", "tiny", "--start", "--dry-run").stdout
    assert "create guest web1 on kvm01" in plan
    assert f"copy of {STORE}/.images/tiny.qcow2" in plan
    assert "owner libvirt-qemu:kvm (64055:" in plan
    nothing_written(vme)


def test_a_linked_guest_reads_through_to_the_image_of_the_library(vme: Vme) -> None:
    address = vme.boot("web1", "kvm01", "--linked")
    disk = vme.json("info_guest", "web1")[0]["disks"][0]
    assert disk["backing_chain"] == ["/srv/vme/virt-store/.images/tiny.qcow2"]
    vme.tool("migrate_guest", "web1", "kvm02")
    assert vme.count(address) == 2
    vme.tool("stop_guest", "--yes", "web1")
    assert vme.json("info_guest", "web1")[0]["disks"][0]["backing_chain"] == disk["backing_chain"]


@pytest.mark.parametrize("nodes", [("kvm01", "kvm02"), ("kvm01", "kvm04")], ids=["one zone", "two zones"])
def test_of_two_at_the_same_moment_one_wins(vme: Vme, nodes: tuple[str, str]) -> None:
    both = [vme.begin("create_guest", "web1", "-s", node, "-d", "1") for node in nodes]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in both]
    assert sorted(status for _, status in ends) == [0, 3], ends
    loser = next(said for said, status in ends if status == 3)
    assert "web1" in loser
    assert "Traceback" not in loser
    assert sum("web1" in vme.guests_of(node) for node in NODES) == 1
    assert sorted(vme.store("east") | vme.store("west")) == ["web1"]
    assert len(vme.store("east")) + len(vme.store("west")) == 1


@pytest.mark.parametrize(
    "name", ["../x", "-h", "--all", "a b", "$(id)", "a" * 64, "ünï", "", ".", "..", "a/b", "a\nb", "7", "a;b"]
)
def test_a_bad_name_is_refused_before_any_node_is_asked(vme: Vme, name: str) -> None:
    said = vme.tool("create_guest", "-s", "kvm01", "-d", "1", name, status=0 if name == "-h" else 2)
    assert "can't be the name of a guest" in said.stderr or "GUEST" in said.stderr or "usage" in said.stdout
    nothing_written(vme)


def test_the_store_of_the_management_server_is_not_mounted(vme: Vme) -> None:
    vme.fault("unmount", "mgmt", "east")
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", status=3).stderr
    assert "is not there: No such file or directory; is it mounted?" in said
    assert vme.on("mgmt", "ls", "-A", "/srv/vme/east") == ""
    # Even a directory left under the mountpoint must not be taken for the store.
    vme.on("mgmt", "mkdir", "/srv/vme/east/virt-store")
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", status=3).stderr
    assert "are not the same directory: what is written here is not seen there" in said
    assert "web1" not in vme.on("mgmt", "find", "/srv/vme/east")
    vme.on("mgmt", "rm", "-r", "/srv/vme/east/virt-store")
    vme.fault("mount", "mgmt", "east")
    nothing_written(vme)


def test_the_store_of_the_node_is_not_mounted(vme: Vme) -> None:
    vme.fault("unmount", "kvm01")
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", status=3).stderr
    assert "kvm01 has no /srv/vme/virt-store: is the virt-store mounted there?" in said
    nothing_written(vme)


def test_a_node_that_has_another_store_there_is_found_out(vme: Vme) -> None:
    """The path is there, and is a store; but not the one that this server sees."""
    vme.fault("unmount", "kvm01")
    vme.on("kvm01", "mkdir", "-p", "/srv/vme/virt-store")
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", status=3).stderr
    assert "are not the same directory: what is written here is not seen there" in said
    vme.on("kvm01", "rmdir", "/srv/vme/virt-store")
    nothing_written(vme)


def test_the_store_is_full(vme: Vme) -> None:
    vme.fault("fill", "east")
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "--image", "tiny", status=3).stderr
    assert "is full: " in said
    nothing_written(vme)


def test_the_store_is_closed_to_qemus_user(vme: Vme) -> None:
    vme.on("mgmt", "chmod", "0700", STORE)
    # The node's client of the store remembers modes for a while.
    eventually(lambda: vme.on("kvm01", "stat", "-c", "%a", "/srv/vme/virt-store").strip() == "700", "closed on kvm01")
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", status=3).stderr
    vme.on("mgmt", "chmod", "0755", STORE)
    assert "/srv/vme/virt-store on kvm01 is closed to libvirt-qemu (owner 0, group 0, mode 0700): chmod o+x" in said
    nothing_written(vme)


def test_an_owner_that_the_node_does_not_have(vme: Vme) -> None:
    config = vme.on("mgmt", "sh", "-c", "cat $HOME/../vme.toml")
    vme.write("mgmt", "/tmp/other.toml", config.replace('"libvirt-qemu"', '"qemu-nobody"'))
    said = vme.tool(
        "env", "VME_CONFIG=/tmp/other.toml", "create_guest", "web1", "-s", "kvm01", "-d", "1", status=3
    ).stderr
    assert "kvm01 has no user qemu-nobody: set defaults.owner" in said
    nothing_written(vme)


def test_all_reasons_are_said_at_once(vme: Vme) -> None:
    vme.on("mgmt", "mkdir", f"{STORE}/web1")
    said = vme.tool(
        *("create_guest", "web1", "-s", "kvm01", "-b", "br7", "-b", "br8", "-m", "99999999", "--image", "nothing"),
        status=3,
    ).stderr
    for reason in (
        "virt-store/web1 is there already",
        "no bridge br7",
        "no bridge br8",
        "not 99999999 MiB",
        "no image",
    ):
        assert reason in said
    vme.on("mgmt", "rmdir", f"{STORE}/web1")
    nothing_written(vme)


def test_a_node_zone_or_store_that_does_not_exist(vme: Vme) -> None:
    assert "there is no node 'kvm99'" in vme.tool("create_guest", "web1", "-s", "kvm99", status=2).stderr
    assert "there is no zone 'north'" in vme.tool("create_guest", "web1", "--zone", "north", status=2).stderr
    assert "no virt-store 'fast'" in vme.tool("create_guest", "web1", "-s", "kvm01", "-r", "fast", status=2).stderr
    assert (
        "in zone east, not in west"
        in vme.tool("create_guest", "web1", "-s", "kvm01", "--zone", "west", status=2).stderr
    )
    nothing_written(vme)


def test_images_that_are_not_what_they_should_be(vme: Vme) -> None:
    make = """
        cd /tmp
        qemu-img create -q -f qcow2 plain.qcow2 2G
        qemu-img create -q -f qcow2 -b /etc/passwd -F raw overlay.qcow2 1M
        qemu-img create -q -f qcow2 -o data_file=/tmp/data.raw,data_file_raw=on data.qcow2 1M
        cp plain.qcow2 disguised.raw; cp plain.qcow2 unnamed
        echo no image >broken.qcow2
    """
    vme.on("mgmt", "sh", "-c", make)
    for words, reason in {
        ("/tmp/nothing.qcow2",): "there is no image /tmp/nothing.qcow2",
        ("nothing",): "there is no image /srv/vme/east/virt-store/.images/nothing.qcow2",
        ("/tmp/overlay.qcow2",): "has a backing file ('/etc/passwd')",
        ("/tmp/data.qcow2",): "keeps its data in another file",
        ("/tmp/unnamed",): "does not say its format by its name",
        ("/tmp/broken.qcow2",): "can't be read as qcow2",
        ("/tmp/plain.qcow2", "-d", "1"): "a disk of 1 GiB is smaller than",
        ("/tmp/plain.qcow2", "--linked"): "is not on virt-store virt-store",
    }.items():
        assert reason in vme.tool("create_guest", "web1", "-s", "kvm01", "--image", *words, status=3).stderr
    nothing_written(vme)


def test_a_name_that_is_in_use_anywhere_is_refused(vme: Vme) -> None:
    vme.create("web1", "kvm04")
    said = vme.tool("create_guest", "web1", "-s", "kvm01", "-d", "1", status=3).stderr
    assert "a guest of that name is shut off on kvm04" in said
    assert "/srv/vme/west/virt-store/web1 is there already" in said
    assert vme.store("east") == set()


def test_what_libvirt_refuses_half_way_leaves_nothing(vme: Vme) -> None:
    said = vme.tool(
        "create_guest", "web1", "-s", "kvm01", "-d", "1", "--", "--xml", "./devices/nonsense/@x=1", status=3
    ).stderr
    assert "web1 on kvm01" in said
    assert "nonsense" in said or "schema" in said
    nothing_written(vme)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_the_middle_of_the_copy_leaves_nothing(vme: Vme, number: signal.Signals) -> None:
    vme.on("mgmt", "dd", "if=/dev/urandom", "of=/tmp/large.raw", "bs=1M", "count=700", "status=none")
    create = vme.begin("create_guest", "web1", "-s", "kvm01", "--image", "/tmp/large.raw")
    eventually(lambda: vme.status_on("mgmt", "test", "-e", f"{STORE}/web1/web1-vda") == 0, "the copy has begun")
    create.send_signal(number)
    _, said = create.communicate(timeout=60)
    assert create.returncode == 130, said
    assert "web1: interrupted; everything was undone" in said
    vme.on("mgmt", "rm", "/tmp/large.raw")
    nothing_written(vme)


def test_with_no_configuration_at_all_this_machines_libvirt_is_managed(vme: Vme) -> None:
    """On a node, as its administrator: zone `local`, images in libvirt's own directory."""
    bin_ = CHECKOUT / "bin"
    vme.tool(f"{bin_}/create_guest", "home1", "-d", "1", "--", "--virt-type", "qemu", host="kvm03")
    assert "home1" in vme.guests_of("kvm03")
    assert vme.on("kvm03", "ls", "/var/lib/libvirt/images/home1").split() == ["home1-vda", "home1.xml"]
    assert "home1  shut off  localhost  local" in vme.tool(f"{bin_}/list_guests", host="kvm03").stdout
    vme.tool(f"{bin_}/start_guest", "home1", host="kvm03")
    assert vme.running("home1") == ["kvm03"]
    assert "running" in vme.tool(f"{bin_}/info_guest", "home1", host="kvm03").stdout
    assert "localhost  local" in vme.tool(f"{bin_}/node_list", host="kvm03").stdout
    vme.tool(f"{bin_}/stop_guest", "--yes", "home1", host="kvm03")
    vme.tool(f"{bin_}/del_guest", "--yes", "--purge", "home1", host="kvm03")
    assert vme.guests_of("kvm03") == set()
    assert vme.on("kvm03", "ls", "/var/lib/libvirt/images").split() == []
