"""What nodes say of themselves before a guest moves, read back: captured output, and qemu.conf as people write it."""

from pathlib import Path, PurePosixPath

import pytest

from vme.hypervisor.host import HostCpu, read_host_cpu, read_qemu_user
from vme.node.mounts import Mount, mount_of, parse_mounts, taken_for_shared
from vme.node.qemu_conf import QemuConf, parse_qemu_conf
from vme.node.sight import Reached, SeenFile, may_be_asked, parse_reach, parse_sight

DATA = Path(__file__).parent / "data"
NONCE = PurePosixPath("/srv/vme/virt-store/.vme/nonce/00ff00ff00ff00ff00ff00ff00ff00ff")
IMAGE = PurePosixPath("/srv/vme/virt-store/web1/web1-vda")


def test_one_session_tells_all() -> None:
    sight = parse_sight((DATA / "sight-debian-12").read_text(), 1795547700.0)
    assert sight.clock_ahead_s == pytest.approx(1.2388, abs=0.001)
    assert sight.links == {"br0", "eth0", "eth1", "lo", "vnet2", "vnet3", "vnet5"}
    assert sight.bridges == {"br0"}
    assert sight.listening == {22, 5900, 5901, 5902}
    assert sight.conf == QemuConf(dynamic_ownership=False)
    assert sight.nonces == {NONCE: "0123456789abcdef"}
    assert sight.files[IMAGE] == SeenFile(64055, 108, 0o660, 10860297074428346976, 196624)
    assert set(sight.files) == {NONCE, IMAGE}
    assert mount_of(IMAGE, sight.mounts) == Mount("st1:/east", PurePosixPath("/srv/vme"), "fuse.glusterfs", False)


def test_ports_and_links_as_a_node_with_ss_tells_them() -> None:
    sight = parse_sight((DATA / "sight-debian-12-ss").read_text(), 0.0)
    assert sight.links == {"br0", "eth0", "eth1", "lo"}
    assert sight.bridges == {"br0"}
    assert sight.listening == {22, 5900}


def test_a_node_without_bridges_echoes_the_pattern() -> None:
    assert parse_sight("\n=== bridges\n/sys/class/net/*/bridge\n", 0.0).bridges == frozenset()


def test_what_a_node_does_not_say_is_not_made_up() -> None:
    sight = parse_sight("\n=== clock\n\n=== qemu.conf 2\n\n=== files\nrubbish\n", 0.0)
    assert (sight.clock_ahead_s, sight.conf, sight.files, sight.mounts) == (None, None, {}, ())
    assert parse_sight("", 0.0).links == frozenset()
    assert parse_sight("\n=== qemu.conf 1\n\n", 0.0).conf == QemuConf()  # a file of comments: libvirt's defaults


@pytest.mark.parametrize(
    ("text", "conf"),
    [
        ("", QemuConf()),
        ("dynamic_ownership = 1", QemuConf()),
        ("dynamic_ownership=0", QemuConf(dynamic_ownership=False)),
        ("# dynamic_ownership = 0\n", QemuConf()),
        ("dynamic_ownership = 0\ndynamic_ownership = 1\n", QemuConf()),
        ('  migration_host = "10.0.0.7"\n', QemuConf(migration_host="10.0.0.7")),
        ("migration_port_min = 50000\nmigration_port_max = 50010\n", QemuConf(migration_ports=(50000, 50010))),
        (
            'shared_filesystems = [\n  "/srv/vme",\n  # "/old",\n  "/mnt/two"\n]\n',
            QemuConf(shared_filesystems=("/srv/vme", "/mnt/two")),
        ),
    ],
)
def test_qemu_conf(text: str, conf: QemuConf) -> None:
    assert parse_qemu_conf(text) == conf


@pytest.mark.parametrize(
    ("line", "shared", "coherent"),
    [
        ("st1:/east /srv/vme fuse.glusterfs rw 0 0", True, True),
        ("nas:/x /srv/vme nfs4 rw,vers=4.2 0 0", True, False),
        ("10.0.0.1:/ /srv/vme ceph rw 0 0", True, True),
        ("ceph-fuse /srv/vme fuse.ceph-fuse rw 0 0", False, False),
        ("/srv/g /srv/vme fuse rw 0 0", False, False),
        ("//nas/x /srv/vme smb3 rw 0 0", False, False),
        ("/dev/sdb1 /srv/vme ext4 rw 0 0", False, False),
    ],
)
def test_what_libvirt_takes_for_shared(line: str, shared: bool, coherent: bool) -> None:
    mounts = parse_mounts(f"/dev/sda1 / ext4 rw 0 0\n{line}\n")
    mount = mount_of(IMAGE, mounts)
    assert mount is not None
    assert (taken_for_shared(IMAGE, mounts), mount.is_coherent) == (shared, coherent)


def test_a_mount_over_another_hides_it_but_not_from_libvirt() -> None:
    """Seen with libvirt 9.0: of two FUSE mounts at one place it goes by the first, and of others by the kernel's."""
    mounts = parse_mounts("st1:/east /srv/vme fuse.glusterfs rw 0 0\n/srv/vme /srv/vme fuse ro,nodev 0 0\n")
    mount = mount_of(IMAGE, mounts)
    assert mount is not None
    assert (mount.type, mount.read_only) == ("fuse", True)
    assert taken_for_shared(IMAGE, mounts)
    assert not taken_for_shared(
        IMAGE, parse_mounts("st1:/east /srv/vme fuse.glusterfs rw 0 0\nx /srv/vme tmpfs rw 0 0\n")
    )
    assert mount_of(PurePosixPath("/srv/vme2/x"), mounts) is None


def test_blanks_in_mount_points_are_escapes() -> None:
    (mount,) = parse_mounts("nas:/my\\040disks /srv/my\\040disks nfs rw 0 0\nno mount\n")
    assert (mount.source, str(mount.point)) == ("nas:/my disks", "/srv/my disks")


def test_how_an_attempt_to_connect_ended() -> None:
    said = (
        "kvm03:49215 1 10.77.0.13 Connection refused\nkvm04:49215 137 10.77.0.14 Killed\nkvm05:49215 0 10.77.0.15 \n"
        "nohost:49215 1  Invalid argument\nkvm06:49215 1 10.77.0.16 No route to host\nkvm07:49215 137 10.77.0.17 \n"
    )
    assert parse_reach(said) == {
        "kvm03:49215": Reached("10.77.0.13", True, "Connection refused"),
        "kvm04:49215": Reached("10.77.0.14", False, "no answer"),
        "kvm05:49215": Reached("10.77.0.15", True, ""),
        "nohost:49215": Reached(None, False, "Invalid argument"),
        "kvm06:49215": Reached("10.77.0.16", False, "No route to host"),
        "kvm07:49215": Reached("10.77.0.17", False, "no answer"),
    }


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o660, 1, 1, True),
        (0o660, 9, 2, True),
        (0o660, 9, 9, False),
        (0o606, 9, 9, True),
        (0o060, 1, 2, False),
        (0, 0, 0, True),
    ],
)
def test_who_may_write_an_image(mode: int, uid: int, gid: int, may: bool) -> None:
    assert SeenFile(1, 2, mode, 3, 4).lets_write(uid, gid) is may


def test_paths_that_a_nodes_wrapper_would_refuse_are_not_asked() -> None:
    assert may_be_asked("/srv/vme/virt-store/web1/web1-vda")
    assert not may_be_asked("/srv/my disk")
    assert not may_be_asked("/srv/../etc/shadow")


def test_a_nodes_processors_and_whose_its_qemus_are() -> None:
    text = (DATA / "capabilities-9.0.xml").read_text()
    cpu = read_host_cpu(text)
    assert (cpu.model, cpu.vendor) == ("kvm64", "AMD")
    assert {"avx", "aes", "xsave"} <= cpu.features
    assert read_qemu_user(text) == (64055, 108)
    assert read_qemu_user("<capabilities><host/></capabilities>") == (None, None)
    assert read_host_cpu("<capabilities><host/></capabilities>") == HostCpu("", "", frozenset())
