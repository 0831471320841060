"""What must be so before a lab can start, and the sentence that is said if it isn't."""

import os
import re
import shutil
from pathlib import Path

from lab import run
from lab.errors import LabError
from lab.files import LOG, STATE_DIRECTORIES
from lab.host import NAMESPACES
from lab.place import CHECKOUT, Lab

# command -> the Debian package it comes with.
COMMANDS = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "dnsmasq": "dnsmasq-base",
    "gluster": "glusterfs-cli",
    "glusterd": "glusterfs-server",
    "glusterfs": "glusterfs-client",
    "hostname": "hostname",
    "ip": "iproute2",
    "libvirtd": "libvirt-daemon-system",
    "mcopy": "mtools",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "sfdisk": "fdisk",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "swtpm": "swtpm",
    "swtpm_setup": "swtpm-tools",
    "syslinux": "syslinux",
    "sysctl": "procps",
    "tini": "tini",
    "unshare": "util-linux",
    "virsh": "libvirt-clients",
    "virt-ssh-helper": "libvirt-daemon-system",
    "virtlogd": "libvirt-daemon-system",
    "zstd": "zstd",
}
DEVICES = ("/dev/fuse", "/dev/net/tun", "/dev/loop-control")
# Directories the hosts hide behind mounts of their own: what lies there would vanish for them.
HIDDEN = ("/run", "/srv", "/sys", "/proc", "/dev/shm", *STATE_DIRECTORIES, LOG)


def must_be_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab makes namespaces and mounts, so it must be run as root", hint="try it with sudo")


def must_be_outside() -> None:
    """Raise LabError within a host of the lab: the other hosts' processes can't be seen from there."""
    if os.environ.get("VME_LAB_INSIDE"):
        raise LabError(
            f"this is inside the lab (on {os.environ['VME_LAB_INSIDE']})", hint="say it in a shell of the machine"
        )


def check(lab: Lab) -> None:
    """Raise LabError if the lab can't start here; nothing has been changed then."""
    must_be_root()
    must_be_outside()
    check_folder(lab.folder)
    missing = sorted({package for command, package in COMMANDS.items() if not shutil.which(command, path=run.PATH)})
    if missing:
        raise LabError(f"missing packages: {', '.join(missing)}", hint=f"apt-get install {' '.join(missing)}")
    absent = [path for path in (*STATE_DIRECTORIES, LOG, "/srv") if not Path(path).is_dir()]
    if absent:
        raise LabError(f"these directories, to be hidden by the hosts' own, are missing: {', '.join(absent)}")
    devices = [path for path in DEVICES if not Path(path).exists()]
    if devices:
        raise LabError(f"this machine offers no {', '.join(devices)}")
    if run.run(["unshare", *NAMESPACES, "--fork", "--propagation", "private", "true"]).status != 0:
        raise LabError("this machine lets nobody make namespaces", hint="a container needs to be a privileged one")


def check_folder(folder: Path) -> None:
    """Raise LabError if the hosts couldn't see the folder or the checkout, or an fstab couldn't name them."""
    if not re.fullmatch(r"/[A-Za-z0-9._/-]+", str(folder)) or len(str(folder)) > 48:
        raise LabError(
            f"the lab's folder {str(folder)!r} must be an absolute path of at most 48 letters, digits and ._-/",
            hint="name another in VME_LAB_DIR",
        )
    for path, what in ((folder, "the lab's folder"), (CHECKOUT, "this checkout")):
        for hidden in HIDDEN:
            if path.is_relative_to(hidden):
                raise LabError(f"{what} {path} lies under {hidden}, over which the lab's hosts mount their own")
    if folder.is_relative_to(CHECKOUT):
        raise LabError(f"the lab's folder {folder} lies in the checkout", hint="name another in VME_LAB_DIR")
    strangers = foreign_entries(folder)
    if strangers:
        raise LabError(f"{folder} holds what is not the lab's: {', '.join(strangers[:5])}")


def foreign_entries(folder: Path) -> list[str]:
    """What lies in a folder that isn't a lab's. A lab's own folder has a lock in it."""
    if not folder.is_dir() or (folder / "lock").exists() or (folder / "cache").exists():
        return []
    return sorted(entry.name for entry in folder.iterdir())
