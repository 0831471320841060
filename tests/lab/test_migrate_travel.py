"""migrate_guest: what a node has of a guest beside its definition goes along, or is where the guest stayed."""

import signal

import pytest

from tests.lab.test_migrate import move_fast, slow_migration
from tests.lab.test_repair import kill_at, repaired
from tests.lab.vme import Vme

_LEFT = "cd /srv/vme/east/virt-store/.vme && find journal kept locks -mindepth 1; true"
_TREE = ["first", "|", "+- fourth", "+- second", "|", "+- third"]


def with_snapshots(vme: Vme) -> None:
    """A running guest with a tree of snapshots; the current one, from which the tree goes on, is in its midst."""
    vme.create("web1", "kvm01", start=True)
    for name in ("first", "second", "third"):
        vme.virsh("kvm01", "snapshot-create-as", "web1", name, "--description", f"the {name} one")
    vme.virsh("kvm01", "snapshot-revert", "web1", "first")
    vme.virsh("kvm01", "snapshot-create-as", "web1", "fourth")
    vme.virsh("kvm01", "snapshot-revert", "web1", "second")
    vme.virsh("kvm01", "autostart", "web1")
    assert_all_there(vme, "kvm01")


def assert_all_there(vme: Vme, node: str) -> None:
    """The guest is on that node only, with all its snapshots and its autostart, and nothing is left on the store."""
    tree = vme.virsh(node, "snapshot-list", "web1", "--tree").splitlines()
    assert [line.strip() for line in tree if line.strip()] == _TREE
    assert vme.virsh(node, "snapshot-current", "web1", "--name").strip() == "second"
    assert "the third one" in vme.virsh(node, "snapshot-dumpxml", "web1", "third")
    assert "enable" in next(line for line in vme.virsh(node, "dominfo", "web1").splitlines() if "Autostart" in line)
    for other in {"kvm01", "kvm02", "kvm03"} - {node}:
        assert vme.guests_of(other) == set()
        assert vme.on(other, "find", "/var/lib/libvirt/qemu/snapshot", "-type", "f") == ""
        assert vme.on(other, "find", "/etc/libvirt", "-path", "*/autostart/web1.xml") == ""
    assert vme.on("mgmt", "sh", "-c", _LEFT) == ""


def test_snapshots_and_autostart_go_along_and_come_back_when_it_is_cancelled(vme: Vme) -> None:
    with_snapshots(vme)
    migration = slow_migration(vme)
    assert vme.virsh("kvm01", "snapshot-list", "web1", "--name").strip() == ""
    migration.send_signal(signal.SIGINT)
    _, said = migration.communicate(timeout=60)
    assert "it is running on kvm01, and nothing of it on kvm02, with its 4 snapshot(s), autostart" in said
    assert_all_there(vme, "kvm01")
    move_fast(vme)
    assert_all_there(vme, "kvm02")
    vme.virsh("kvm02", "snapshot-revert", "web1", "fourth")
    # Stopped it moves too, and with as much.
    vme.virsh("kvm02", "snapshot-revert", "web1", "second")
    vme.tool("stop_guest", "--yes", "web1")
    uuid = vme.virsh("kvm02", "domuuid", "web1")
    assert "its definition moves" in vme.tool("migrate_guest", "web1", "kvm03", "--dry-run").stdout
    vme.tool("migrate_guest", "web1", "kvm03")
    assert_all_there(vme, "kvm03")
    assert vme.virsh("kvm03", "domuuid", "web1") == uuid
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm03"]


@pytest.mark.parametrize(
    ("point", "ends_on"),
    [
        ("taking its snapshots' descriptions down at the source", "kvm01"),
        ("moving it", "kvm01"),
        ("giving it back what was kept on the store", "kvm02"),
    ],
)
def test_snapshots_of_a_killed_migration_are_not_lost(vme: Vme, point: str, ends_on: str) -> None:
    with_snapshots(vme)
    kill_at(vme, point, "migrate_guest", "web1", "kvm02")
    repaired(vme)
    assert vme.running("web1") == [ends_on]
    assert_all_there(vme, ends_on)


@pytest.mark.parametrize(
    ("point", "ends_on"),
    [
        ("keeping what travels with it on the store", "kvm01"),
        ("defining it at the destination", "kvm01"),
        ("undefining it at the source", "kvm01"),
        ("giving it back what was kept on the store", "kvm02"),
    ],
)
def test_a_killed_move_of_a_stopped_guest(vme: Vme, point: str, ends_on: str) -> None:
    with_snapshots(vme)
    vme.tool("stop_guest", "--yes", "web1")
    kill_at(vme, point, "migrate_guest", "web1", "kvm02")
    repaired(vme)
    assert_all_there(vme, ends_on)
    vme.tool("start_guest", "web1")


def test_checkpoints_go_along(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    for name in ("first", "second"):
        vme.virsh("kvm01", "checkpoint-create-as", "web1", name)
    vme.tool("migrate_guest", "web1", "kvm02")
    assert vme.virsh("kvm02", "checkpoint-list", "web1", "--topological", "--name").split() == ["first", "second"]
    assert vme.virsh("kvm02", "checkpoint-info", "web1", "second").count("first") == 1
    # The bitmaps are there as well: libvirt makes a third one upon them.
    vme.virsh("kvm02", "checkpoint-create-as", "web1", "third")


def test_what_can_not_travel_is_refused(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    image = "/srv/vme/virt-store/web1/web1-vda"
    vme.on("kvm01", "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", image, f"{image}.2", "1G")
    vme.on("kvm01", "chown", "libvirt-qemu:kvm", f"{image}.2")
    spec = f"vda,snapshot=external,file={image}.2"
    memory = "/var/lib/libvirt/images/web1.memory"
    vme.virsh(
        "kvm01", "snapshot-create-as", "web1", "first", "--memspec", memory, "--diskspec", spec, "--reuse-external"
    )
    said = vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    assert f"its snapshot first has {memory}, which is on no shared virt-store" in said
    vme.virsh("kvm01", "snapshot-delete", "web1", "first", "--metadata")
    vme.virsh("kvm01", "managedsave", "web1")
    assert "has a managed save, its memory" in vme.tool("migrate_guest", "web1", "kvm02", status=3).stderr
    vme.tool("start_guest", "web1")
    vme.tool("migrate_guest", "web1", "kvm02")


def test_uefi_variables_of_a_stopped_guest_go_along(vme: Vme) -> None:
    vme.create("web1", "kvm01", "--uefi", start=True)
    nvram = "/var/lib/libvirt/qemu/nvram/web1_VARS.fd"
    vme.tool("stop_guest", "--yes", "web1")
    if vme.status_on("kvm01", "stat", nvram) != 0:
        # On the store they need not travel.
        nvram = next(
            line.split(">")[1].split("<")[0]
            for line in vme.virsh("kvm01", "dumpxml", "web1").splitlines()
            if "<nvram" in line
        )
    before = vme.on("kvm01", "sha256sum", nvram)
    vme.tool("migrate_guest", "web1", "kvm02")
    assert vme.on("kvm02", "sha256sum", nvram) == before
    vme.tool("start_guest", "web1")


def test_a_stopped_guest_does_not_move_while_a_node_is_silent(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.fault("freeze", "kvm03", "libvirtd")
    said = vme.tool("migrate_guest", "web1", "kvm02", "--timeout", "2", status=None)
    assert said.status in (3, 5)
    assert "kvm03" in said.stderr
    assert vme.guests_of("kvm02") == set()


NVRAM = "/var/lib/libvirt/qemu/nvram/web1_VARS.fd"


def with_uefi_on_the_node(vme: Vme, *words: str) -> None:
    """A guest whose firmware's variables lie on its node's own disk, as libvirt has it for guests not made by us."""
    vme.create("web1", "kvm01", "--uefi", "-m", "256", *words)
    xml = vme.virsh("kvm01", "dumpxml", "--inactive", "web1")
    vme.write("kvm01", "/tmp/own.xml", xml.replace("/srv/vme/virt-store/web1/web1_VARS.fd", NVRAM))
    vme.virsh("kvm01", "define", "/tmp/own.xml")
    vme.tool("start_guest", "web1")
    assert vme.status_on("kvm01", "stat", NVRAM) == 0


def uefi_and_tpm(vme: Vme) -> tuple[str, str]:
    """Where a node has them."""
    return NVRAM, f"/var/lib/libvirt/swtpm/{vme.json('info_guest', 'web1')[0]['uuid']}"


def has(vme: Vme, node: str, paths: tuple[str, ...]) -> list[bool]:
    return [vme.status_on(node, "stat", path) == 0 for path in paths]


def contents(vme: Vme, node: str, paths: tuple[str, ...]) -> str:
    """Names, owners, modes and sums of the files; the emulator's lock is none that matters."""
    script = 'find "$@" -type f ! -name .lock | sort | xargs sh -c \'stat -c "%n %U %a" "$@"; sha256sum "$@"\' sh'
    return vme.on(node, "sh", "-c", script, "sh", *paths)


def test_nothing_of_uefi_and_tpm_stays_behind(vme: Vme) -> None:
    with_uefi_on_the_node(vme, "--tpm")
    files = uefi_and_tpm(vme)
    assert "is left on" not in vme.tool("migrate_guest", "web1", "kvm02").stdout
    assert has(vme, "kvm01", files) == [False, False]
    assert has(vme, "kvm02", files) == [True, True]
    vme.tool("stop_guest", "--yes", "web1")
    before = contents(vme, "kvm02", files)
    assert "tpm2-00.permall" in before
    vme.tool("migrate_guest", "web1", "kvm03")
    assert contents(vme, "kvm03", files) == before
    assert has(vme, "kvm02", files) == [False, False]
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm03"]


def test_nothing_of_uefi_stays_behind_when_a_move_was_killed(vme: Vme) -> None:
    with_uefi_on_the_node(vme)
    kill_at(vme, "saving its definition", "migrate_guest", "web1", "kvm02")
    assert has(vme, "kvm01", (NVRAM,)) == [True]
    repaired(vme)
    assert [has(vme, node, (NVRAM,)) for node in ("kvm01", "kvm02")] == [[False], [True]]
    assert vme.running("web1") == ["kvm02"]


@pytest.mark.long
def test_copies_of_a_killed_move_of_a_stopped_guest_are_cleared_away(vme: Vme) -> None:
    with_uefi_on_the_node(vme, "--tpm")
    files = uefi_and_tpm(vme)
    vme.tool("stop_guest", "--yes", "web1")
    before = contents(vme, "kvm01", files)
    kill_at(vme, "undefining it at the source", "migrate_guest", "web1", "kvm02")
    assert has(vme, "kvm02", files) == [True, True]
    repaired(vme)
    assert has(vme, "kvm02", files) == [False, False]
    assert contents(vme, "kvm01", files) == before
    assert vme.guests_of("kvm02") == set()
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm01"]
