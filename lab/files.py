"""What lies in a host's folder before it is switched on: its /etc, its mounts, its daemons' configuration."""

import os
import shutil
import uuid
from pathlib import Path

from lab.place import CHECKOUT, Lab
from lab.topology import Host, Role, Topology

# The machine's directories over which each host mounts its own.
STATE_DIRECTORIES = (
    "/etc/libvirt",
    "/etc/ssh",
    "/var/cache/libvirt",
    "/var/lib/glusterd",
    "/var/lib/libvirt",
    "/var/lib/swtpm-localca",
    "/usr/local/sbin",
)
LOG = "/var/log"
LOG_DIRECTORIES = ("glusterfs", "libvirt")
# A /dev/kvm that can't run a guest makes libvirt look at QEMU anew (0.9 s) before each step of each guest. So nobody
# may open it in the lab, which emulates everywhere alike.
KVM = "/dev/kvm"
DEFINITION = """\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>65536</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type></os>
</domain>
"""
# What the daemons need to find in /etc/passwd, if the machine's has no such user: numbers as Debian gives them.
USERS = {
    "sshd": "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin",
    "libvirt-qemu": "libvirt-qemu:x:64055:{kvm}:Libvirt Qemu:/var/lib/libvirt:/usr/sbin/nologin",
}


def prepare(lab: Lab, host: Host) -> None:
    """Write everything a host needs to start."""
    home = lab.home_of(host)
    for directory in STATE_DIRECTORIES:
        (home / flat(directory)).mkdir(parents=True, exist_ok=True)
    for directory in LOG_DIRECTORIES:
        (lab.log_of(host) / directory).mkdir(parents=True, exist_ok=True)
    (home / "root").mkdir(mode=0o700, exist_ok=True)
    (home / "etc-work").mkdir(exist_ok=True)
    (home / "no-kvm").touch(mode=0o000)
    write_etc(lab, host)
    if host.role is Role.NODE:
        # As the distribution's package makes it: where the tools keep images on a machine without a virt-store.
        (home / flat("/var/lib/libvirt") / "images").mkdir(mode=0o711, exist_ok=True)
        write_libvirt(home / flat("/etc/libvirt"), host)
        write_definitions(home / flat("/etc/libvirt"), host, lab.topology.guests_per_node)
        # The authority that signs emulated TPMs' certificates: its files are the emulator's, who is QEMU's user here.
        shutil.chown(home / flat("/var/lib/swtpm-localca"), "libvirt-qemu", "kvm")
    (home / "fstab").write_text("".join(f"{line}\n" for line in fstab(lab, host)))


def flat(directory: str) -> str:
    """A directory's name in the host's folder: /etc/libvirt is etc-libvirt."""
    return directory.strip("/").replace("/", "-")


def fstab(lab: Lab, host: Host) -> list[str]:
    """The host's mounts. Their sources' names differ from the machine's, or `mount --all` would find them mounted."""
    home = lab.home_of(host)
    lines = [
        "lab-sys /sys sysfs defaults",
        "lab-run /run tmpfs mode=755",
        "lab-shm /dev/shm tmpfs mode=1777",
        "lab-srv /srv tmpfs mode=755",
    ]
    if has_own_tmp(lab):
        lines += ["lab-tmp /tmp tmpfs mode=1777"]
    if Path(KVM).exists():
        lines += [f"{home / 'no-kvm'} {KVM} none bind"]
    # Not a bind mount a file: the kernel takes that away when a package's installation replaces the machine's own file.
    lines += [f"lab-etc /etc overlay lowerdir=/etc,upperdir={home / 'etc'},workdir={home / 'etc-work'}"]
    lines += [f"{home / flat(directory)} {directory} none bind" for directory in STATE_DIRECTORIES]
    lines += [f"{lab.log_of(host)} {LOG} none bind"]
    if host.role is Role.STORAGE:
        lines += [
            f"{home / zone.name}.img {brick_mount(zone.name)} ext4 loop,X-mount.mkdir" for zone in lab.topology.zones
        ]
    return lines


def has_own_tmp(lab: Lab) -> bool:
    """Whether the hosts hide the machine's /tmp: not if the lab or the checkout lie there."""
    return not any(path.is_relative_to("/tmp") for path in (lab.folder, CHECKOUT))


def brick_mount(zone: str) -> str:
    return f"/srv/bricks/{zone}"


def write_etc(lab: Lab, host: Host) -> None:
    etc = lab.home_of(host) / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "hosts").write_text(hosts_file(lab.topology))
    # Without this every look-up of an unknown name waits for a name server that isn't there.
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
    (etc / "machine-id").write_text(f"{host.uuid.replace('-', '')}\n")
    write_users(etc, lab.home_of(host) / "root")


def hosts_file(topology: Topology) -> str:
    lines = ["127.0.0.1 localhost"]
    lines += [f"{host.address} {host.name}" for host in topology.hosts if host.networks]
    return "".join(f"{line}\n" for line in lines)


def write_users(etc: Path, home: Path) -> None:
    """The machine's users, with another home for root and the users the daemons need."""
    groups = Path("/etc/group").read_text().splitlines()
    if not any(line.startswith("kvm:") for line in groups):
        groups.append("kvm:x:64054:")
    kvm = next(line.split(":")[2] for line in groups if line.startswith("kvm:"))
    users = []
    for line in Path("/etc/passwd").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == "root":
            fields[5:] = [str(home), "/bin/bash"]
        users.append(":".join(fields))
    present = {line.split(":")[0] for line in users}
    users += [line.format(kvm=kvm) for name, line in USERS.items() if name not in present]
    (etc / "passwd").write_text("\n".join(users) + "\n")
    (etc / "group").write_text("\n".join(groups) + "\n")
    # No password: only keys. "*" and not "!", which sshd takes for a locked account.
    shadow = etc / "shadow"
    shadow.write_text("".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in users))
    shadow.chmod(0o640)


def write_libvirt(etc: Path, host: Host) -> None:
    etc.joinpath("libvirtd.conf").write_text(
        f'host_uuid = "{host.uuid}"\n'
        'unix_sock_rw_perms = "0700"\n'
        'auth_unix_ro = "none"\n'
        'auth_unix_rw = "none"\n'
        'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"\n'
    )
    etc.joinpath("virtlogd.conf").write_text('log_outputs = "3:file:/var/log/libvirt/virtlogd.log"\n')
    etc.joinpath("libvirt.conf").write_text("")
    # A namespace of the lab can't offer QEMU what these ask for, or they cost time and prove nothing.
    etc.joinpath("qemu.conf").write_text(
        'user = "libvirt-qemu"\n'
        'group = "kvm"\n'
        "dynamic_ownership = 0\n"
        "remember_owner = 0\n"
        # With dynamic_ownership off nobody gives the TPM's socket to QEMU's user: the emulator must run as that user.
        'swtpm_user = "libvirt-qemu"\n'
        'swtpm_group = "kvm"\n'
        'security_driver = "none"\n'
        "namespaces = []\n"
        "cgroup_controllers = []\n"
        "seccomp_sandbox = 0\n"
        'stdio_handler = "logd"\n'
        'vnc_listen = "127.0.0.1"\n'
    )


# With VME_LAB_WRAPPER=read a second key of the management side may run any command, so that there is something to read.
# The second file is a vme.toml that names it.
MAKER = "maker"
MAKERS_CONFIG = "vme-maker.toml"


def write_definitions(etc: Path, host: Host, count: int) -> None:
    """Guests that libvirtd finds when it starts, as it would have written them: they cost no call."""
    folder = etc / "qemu"
    folder.mkdir(exist_ok=True)
    for number in range(1, count + 1):
        name = f"{host.name}-g{number:03}"
        xml = DEFINITION.format(name=name, uuid=uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.vme-lab"))
        (folder / f"{name}.xml").write_text(xml)


def write_management(lab: Lab) -> None:
    """The vme.toml with which the tools see this lab."""
    lines = ["[ssh]", 'user = "root"', "", "[defaults]", 'virt_type = "qemu"', "memory_mib = 128"]
    lines += ['bridges = ["br0"]', 'owner = "libvirt-qemu"', 'group = "kvm"']
    for zone in lab.topology.zones:
        lines += ["", f"[zones.{zone.name}]", f'nodes = "{zone.nodes_folded}"', 'store = "/srv/vme/virt-store"']
        lines += [f'management_store = "/srv/vme/{zone.name}/virt-store"']
    home = lab.home_of(lab.topology.management)
    text = "\n".join(lines) + "\n"
    (home / "vme.toml").write_text(text)
    (home / MAKERS_CONFIG).write_text(text.replace("[ssh]", f'[ssh]\nkey = "{home}/root/.ssh/{MAKER}"'))


def size_limited_image(path: Path, size_mib: int) -> None:
    """A sparse file that isn't there yet."""
    if not path.exists():
        with path.open("wb") as image:
            os.truncate(image.fileno(), size_mib << 20)
