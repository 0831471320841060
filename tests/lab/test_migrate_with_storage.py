"""migrate_guest --with-storage: a guest goes to a node of another zone with its images, or stays with them."""

import signal

import pytest

from lab.run import Process
from tests.faults.at_step import HOLDING
from tests.faults.stopped import begin
from tests.lab.test_migrate_travel import contents, has, uefi_and_tpm, with_uefi_on_the_node
from tests.lab.test_repair import kill_at
from tests.lab.vme import Vme, eventually, heard_by

EAST, WEST = "/srv/vme/east/virt-store", "/srv/vme/west/virt-store"


def moved(vme: Vme, name: str = "web1", node: str = "kvm04", *words: str) -> str:
    """Move it with its images, and return what was said."""
    return vme.tool("migrate_guest", name, node, "--with-storage", *words).stdout


def own_files(vme: Vme) -> list[str]:
    """What is left of journals, locks and what was kept, on both stores."""
    script = (
        "for store in east west; do cd /srv/vme/$store/virt-store/.vme 2>/dev/null && find $PWD -type f; done; true"
    )
    return [name for name in vme.on("mgmt", "sh", "-c", script).split() if "/history/" not in name]


def files(vme: Vme, store: str, name: str = "web1") -> list[str]:
    """Names, sizes, owners, modes and contents of a guest's files, but for its saved XML."""
    script = (
        f'cd {store}/{name} && stat -c "%F %u:%g %a" . && for file in *; do [ "$file" = {name}.xml ] || '
        'echo "$file $(stat -c "%s %u:%g %a" "$file") $(sha256sum <"$file")"; done'
    )
    return vme.on("mgmt", "sh", "-c", script).splitlines()


def assert_moved(vme: Vme, node: str = "kvm04", name: str = "web1") -> None:
    """It is on that node of zone west only, with its files in that store, and nothing is left in the other."""
    for other in ("kvm01", "kvm02", "kvm03", "kvm04", "kvm05"):
        assert vme.guests_of(other) == ({name} if other == node else set())
    assert vme.store("east") == set()
    assert vme.store("west") == {name}
    assert f"<name>{name}</name>" in vme.on("mgmt", "cat", f"{WEST}/{name}/{name}.xml")
    assert vme.on("mgmt", "ls", f"{EAST}/.trash").startswith(f"{name}.")
    assert own_files(vme) == []
    assert vme.tool("save_guest", name).stdout.startswith(f"{name} on {node}: unchanged")


def assert_stayed(vme: Vme, before: list[str] | None = None, node: str = "kvm01", name: str = "web1") -> None:
    """It is where it was, with all its files, and nothing of it is in the other zone."""
    for other in ("kvm01", "kvm02", "kvm03", "kvm04", "kvm05"):
        assert vme.guests_of(other) == ({name} if other == node else set())
    assert vme.store("west") == set()
    assert vme.store("east") == {name}
    assert before is None or files(vme, EAST) == before
    assert own_files(vme) == []
    assert vme.status_on("mgmt", "test", "-e", f"{WEST}/.vme/history/{name}") != 0


def with_data(vme: Vme, *words: str) -> None:
    """A guest that is shut off, in whose image there is something, with tags, snapshots and autostart."""
    vme.create("web1", "kvm01", *words)
    vme.on("mgmt", "qemu-io", "-f", "qcow2", "-c", "write -P 7 5M 3M", f"{EAST}/web1/web1-vda")
    for name in ("first", "second"):
        vme.virsh("kvm01", "snapshot-create-as", "web1", name)
    vme.virsh("kvm01", "autostart", "web1")
    vme.tool("tag_guest", "web1", "--add", "prod")


def test_a_guest_that_is_shut_off(vme: Vme) -> None:
    with_data(vme)
    before = files(vme, EAST)
    versions = len(vme.json("history_guest", "web1"))
    uuid = vme.virsh("kvm01", "domuuid", "web1")
    planned = vme.tool("migrate_guest", "web1", "kvm04", "--with-storage", "--dry-run").stdout
    assert "its definition and images move" in planned
    assert "copy: web1-vda (" in planned
    assert_stayed(vme, before)
    assert f"what it had in zone east is kept in {EAST}/.trash/web1." in moved(vme)
    assert files(vme, WEST) == before
    assert_moved(vme)
    assert vme.virsh("kvm04", "domuuid", "web1") == uuid
    assert vme.virsh("kvm04", "snapshot-list", "--name", "web1").split() == ["first", "second"]
    assert "enable" in next(line for line in vme.virsh("kvm04", "dominfo", "web1").splitlines() if "Autostart" in line)
    assert vme.json("list_guests", "@prod")[0]["name"] == "web1"
    assert len(vme.json("history_guest", "web1")) >= versions
    vme.virsh("kvm04", "snapshot-revert", "web1", "first")
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm04"]
    # And back, as if it had never been there.
    vme.tool("stop_guest", "--yes", "web1")
    moved(vme, "web1", "kvm02")
    assert vme.store("west") == set()
    assert vme.guests_of("kvm02") == {"web1"}


def test_a_guest_that_runs(vme: Vme) -> None:
    address = vme.boot("web1")
    vme.virsh("kvm01", "autostart", "web1")
    client = vme.talk(address)
    moved(vme)
    assert vme.running("web1") == ["kvm04"]
    heard = heard_by(client)
    assert heard["unbroken"], heard
    assert_moved(vme)
    vme.tool("stop_guest", "--yes", "web1")
    vme.on("mgmt", "qemu-img", "check", "-q", "-f", "qcow2", f"{WEST}/web1/web1-vda")
    vme.tool("start_guest", "web1")
    assert vme.count(vme.address("web1"))


def slow(vme: Vme) -> Process:
    """Begin to move a running guest with its images so slowly that something can happen on the way."""
    process = vme.begin("migrate_guest", "web1", "kvm04", "--with-storage", "--bandwidth", "1")
    eventually(lambda: "processed" in vme.virsh("kvm01", "domjobinfo", "web1"), "something was sent")
    return process


def test_ctrl_c_leaves_it_where_it_was(vme: Vme) -> None:
    address = vme.boot("web1")
    migration = slow(vme)
    migration.send_signal(signal.SIGINT)
    _, said = migration.communicate(timeout=60)
    assert migration.returncode == 130, said
    assert "it is running on kvm01, and nothing of it on kvm04" in said
    assert "what was made of it on virt-store" in said
    assert_stayed(vme)
    assert vme.count(address)


@pytest.mark.parametrize(
    ("point", "arrives"),
    [
        ("copying its files to the other store", False),
        ("undefining it at the source", False),
        ("giving it back what was kept on the store", True),
        ("putting its old files away", True),
    ],
)
def test_a_killed_move_of_a_guest_that_is_shut_off(vme: Vme, point: str, arrives: bool) -> None:
    with_data(vme)
    before = files(vme, EAST)
    kill_at(vme, point, "migrate_guest", "web1", "kvm04", "--with-storage")
    if not arrives:
        said = vme.tool("create_guest", "web1", "-s", "kvm05", "-d", "1", status=3).stderr
        assert "vme repair web1" in said
    assert "web1: unfinished: " in vme.tool("vme", "repair", "--dry-run", "web1").stdout
    vme.tool("vme", "repair", "web1")
    if arrives:
        assert files(vme, WEST) == before
        assert_moved(vme)
    else:
        assert_stayed(vme, before)
    assert vme.tool("vme", "repair").stdout.strip() == "nothing was left unfinished"


def test_a_killed_move_of_a_guest_that_runs(vme: Vme) -> None:
    address = vme.boot("web1")
    kill_at(vme, "moving it", "migrate_guest", "web1", "kvm04", "--with-storage")
    vme.tool("vme", "repair", "web1")
    assert_stayed(vme)
    kill_at(vme, "saving its definition", "migrate_guest", "web1", "kvm04", "--with-storage")
    vme.tool("vme", "repair", "web1")
    assert vme.running("web1") == ["kvm04"]
    assert_moved(vme)
    assert vme.count(address)


def test_what_is_refused(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    said = vme.tool("migrate_guest", "web1", "kvm04", status=3).stderr
    assert "kvm04 is in zone west, not in east" in said
    assert "--with-storage" in said
    said = vme.tool("migrate_guest", "web1", "kvm02", "--with-storage", status=3).stderr
    assert "no image is to be copied" in said
    assert "needs the node" in vme.tool("migrate_guest", "web1", "--with-storage", status=2).stderr
    vme.virsh("kvm01", "snapshot-create-as", "web1", "first")
    vme.on("mgmt", "mkdir", f"{WEST}/web1")
    said = vme.tool("migrate_guest", "web1", "kvm04", "--with-storage", status=3).stderr
    assert "has 1 snapshot(s), which don't go along while it runs" in said
    assert f"{WEST}/web1 is there already" in said
    assert vme.running("web1") == ["kvm01"]


def lay_over(vme: Vme) -> None:
    """Give the guest's disk a new image, over the one it had, in the same directory."""
    script = (
        f"cd {EAST}/web1 && mv web1-vda base && qemu-img create -q -f qcow2 -F qcow2 -b base web1-vda && "
        "chown --reference base web1-vda && chmod --reference base web1-vda"
    )
    vme.on("mgmt", "sh", "-c", script)
    below = "/srv/vme/virt-store/web1/base"
    eventually(lambda: vme.status_on("kvm01", "stat", below) == 0, "the node sees both")


def assert_in_one_image(vme: Vme) -> None:
    """Nothing lies below the image it has now."""
    assert vme.on("mgmt", "ls", f"{WEST}/web1").split() == ["web1-vda", "web1.xml"]
    assert "backing" not in vme.on("mgmt", "qemu-img", "info", "-U", f"{WEST}/web1/web1-vda")
    assert "base" not in vme.virsh("kvm04", "dumpxml", "web1")


def test_an_image_over_another_becomes_one(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.on("mgmt", "qemu-io", "-f", "qcow2", "-c", "write -P 7 5M 3M", f"{EAST}/web1/web1-vda")
    lay_over(vme)
    vme.on("mgmt", "qemu-io", "-f", "qcow2", "-c", "write -P 8 6M 1M", f"{EAST}/web1/web1-vda")
    planned = vme.tool("migrate_guest", "web1", "kvm04", "--with-storage", "--dry-run").stdout
    assert "copy with all that lies below it: web1-vda (" in planned
    moved(vme)
    assert_moved(vme)
    assert_in_one_image(vme)
    vme.on("mgmt", "sh", "-c", f"qemu-img compare -q {EAST}/.trash/web1.*/web1-vda {WEST}/web1/web1-vda")


def test_an_image_over_another_becomes_one_while_the_guest_runs(vme: Vme) -> None:
    vme.create("web1", "kvm01", image=True)
    lay_over(vme)
    vme.tool("start_guest", "web1")
    address = vme.address("web1")
    client = vme.talk(address)
    moved(vme)
    heard = heard_by(client)
    assert heard["unbroken"], heard
    assert_moved(vme)
    assert_in_one_image(vme)
    vme.tool("stop_guest", "--yes", "web1")
    vme.tool("start_guest", "web1")
    assert vme.count(vme.address("web1"))


@pytest.mark.long
def test_uefi_and_tpm_on_the_store_go_along(vme: Vme) -> None:
    vme.create("web1", "kvm01", "--uefi", "--tpm", "-m", "256", start=True)
    tpm = (f"/var/lib/libvirt/swtpm/{vme.json('info_guest', 'web1')[0]['uuid']}",)
    moved(vme)
    assert vme.running("web1") == ["kvm04"]
    assert [has(vme, node, tpm) for node in ("kvm01", "kvm04")] == [[False], [True]]
    assert "web1_VARS.fd" in vme.on("mgmt", "ls", f"{WEST}/web1").split()
    assert_moved(vme)
    vme.tool("stop_guest", "--yes", "web1")
    before = contents(vme, "kvm04", tpm)
    variables = vme.on("mgmt", "sha256sum", f"{WEST}/web1/web1_VARS.fd").split()[0]
    moved(vme, "web1", "kvm02")
    assert contents(vme, "kvm02", tpm) == before
    assert vme.on("mgmt", "sha256sum", f"{EAST}/web1/web1_VARS.fd").split()[0] == variables
    assert has(vme, "kvm04", tpm) == [False]
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm02"]


def test_uefi_and_tpm_on_the_node_go_along(vme: Vme) -> None:
    with_uefi_on_the_node(vme, "--tpm")
    own = uefi_and_tpm(vme)
    moved(vme)
    assert vme.running("web1") == ["kvm04"]
    assert [has(vme, node, own) for node in ("kvm01", "kvm04")] == [[False, False], [True, True]]
    vme.tool("stop_guest", "--yes", "web1")
    before = contents(vme, "kvm04", own)
    moved(vme, "web1", "kvm02")
    assert contents(vme, "kvm02", own) == before
    assert has(vme, "kvm04", own) == [False, False]
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm02"]


def test_a_store_without_room(vme: Vme) -> None:
    with_data(vme)
    before = files(vme, EAST)
    tool = begin(vme, "copying its files to the other store", "migrate_guest", "web1", "kvm04", "--with-storage")
    tool.wait_until_stopped()
    vme.fault("fill", "west")
    tool.go_on()
    done = tool.end()
    assert done.status == 1, done.text
    assert "its files can't be copied to" in done.text
    assert_stayed(vme, before)
    said = vme.tool("migrate_guest", "web1", "kvm04", "--with-storage", status=3).stderr
    assert "virt-store of zone west" in said
    assert "free" in said
    assert_stayed(vme, before)


def test_two_at_once(vme: Vme) -> None:
    for name in ("web1", "web2"):
        vme.create(name, "kvm01", start=True)
    said = vme.tool("migrate_guest", "web[1-2]", "kvm04", "--with-storage").stdout
    assert all(f"{name}: moved from kvm01 to kvm04" in said for name in ("web1", "web2")), said
    assert vme.guests_of("kvm04") == {"web1", "web2"}
    assert vme.guests_of("kvm01") == set()
    assert (vme.store("east"), vme.store("west")) == (set(), {"web1", "web2"})
    assert own_files(vme) == []


def test_what_another_puts_there_meanwhile_is_not_touched(vme: Vme) -> None:
    """Between the look at the other store and its lock; what lies there has the name of one of the guest's files."""
    with_data(vme)
    before = files(vme, EAST)
    tool = begin(vme, HOLDING, "migrate_guest", "web1", "kvm04", "--with-storage")
    tool.wait_until_stopped()
    vme.on("mgmt", "sh", "-c", f"mkdir {WEST}/web1 && echo mine >{WEST}/web1/web1-vda")
    tool.go_on()
    said = tool.end()
    assert (said.status, f"{WEST}/web1 is there by now" in said.text) == (3, True), said
    assert vme.on("mgmt", "cat", f"{WEST}/web1/web1-vda") == "mine\n"
    vme.on("mgmt", "rm", "-r", f"{WEST}/web1")
    assert_stayed(vme, before)
