"""The disks of a storage machine: Debian from its packages, installed onto two md mirrors by a machine of QEMU's.

This machine's kernel has no md, so the installing is done by Debian's own, in a VM; the disks are kept in the cache.
"""

import shutil
from pathlib import Path

from lab import run
from lab.errors import LabError
from lab.keys import public
from lab.place import Lab
from lab.storage_vm.host_key import host_key_file

SUITE = "bookworm"
PACKAGES = (
    *("linux-image-cloud-amd64", "initramfs-tools", "systemd-sysv", "udev", "kmod", "iproute2", "openssh-server"),
    *("mdadm", "fdisk", "gdisk", "smartmontools", "ledmon", "lvm2", "e2fsprogs", "dosfstools"),
    *("grub-pc", "grub-efi-amd64-bin", "efibootmgr"),
)
TABLES = ("gpt", "dos", "efi")
DISK_MIB = 1024
# Raised when what lies in the cache is no longer what this file makes.
GENERATION = 3
_SCRIPTS = ("customise", "install")


def disks(lab: Lab, table: str) -> tuple[Path, Path]:
    """The two disks (qcow2) of a machine of this kind of `TABLES`; made if the cache has them not."""
    folder = lab.cache / f"storage-vm-{GENERATION}"
    pair = (folder / f"{table}-a.qcow2", folder / f"{table}-b.qcow2")
    if not all(disk.exists() for disk in pair):
        installer = _installer(lab, folder)
        _install(folder, installer, table, pair)
    return pair


def _installer(lab: Lab, folder: Path) -> Path:
    """A Debian as one ext4 image, with its kernel beside it."""
    image = folder / "debian.ext4"
    if image.exists():
        return image
    if shutil.which("mmdebstrap", path=run.PATH) is None:
        raise LabError("missing package: mmdebstrap", hint="apt-get install mmdebstrap")
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    run.must(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=apt", f"--include={','.join(PACKAGES)}"),
            *("--aptopt=Apt::Install-Recommends false", "--dpkgopt=path-exclude=/usr/share/doc/*"),
            *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
            f"--customize-hook=copy-in {host_key_file(lab)} {public(host_key_file(lab))} /etc/ssh",
            f"--customize-hook=upload {public(lab.cache / 'keys' / lab.topology.management.name)} /authorized_keys",
            *(f"--customize-hook=upload {_script(folder, name)} /{name}" for name in _SCRIPTS),
            '--customize-hook=chroot "$1" sh -eu /customise',
            *(SUITE, str(root)),
        ],
        timeout_s=1800,
    )
    for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        shutil.copy(next((root / "boot").glob(pattern)), folder / name)
    run.must(["truncate", "--size", "900M", str(image)])
    run.must(["mke2fs", "-q", "-t", "ext4", "-L", "installer", "-d", str(root), str(image)], timeout_s=300)
    shutil.rmtree(root)
    return image


def _script(folder: Path, name: str) -> Path:
    copy = folder / name
    copy.write_text((Path(__file__).parent / f"{name}.sh").read_text())
    return copy


def _install(folder: Path, installer: Path, table: str, pair: tuple[Path, Path]) -> None:
    making = tuple(disk.with_suffix(".new") for disk in pair)
    for disk in making:
        run.must(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), f"{DISK_MIB}M"])
    log = folder / f"install-{table}.log"
    words = f"root=LABEL=installer rw console=ttyS0 panic=-1 net.ifnames=0 init=/install table={table}"
    drives = [(installer, "raw", "installer"), (making[0], "qcow2", "a"), (making[1], "qcow2", "b")]
    run.must(
        [
            *("qemu-system-x86_64", "-nodefaults", "-no-reboot", "-nographic", "-machine", "q35", "-accel", "tcg"),
            *("-cpu", "qemu64,-svm", "-smp", "2", "-m", "1024", "-serial", f"file:{log}", "-device", "virtio-scsi-pci"),
            *("-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd"), "-append", words),
            *(word for drive in drives for word in _drive(*drive)),
        ],
        timeout_s=1200,
    )
    if "INSTALLED" not in log.read_text(errors="replace"):
        raise LabError("the storage machine's system could not be installed", hint=f"see {log}")
    for made, disk in zip(making, pair, strict=True):
        made.chmod(0o644)
        made.rename(disk)


def _drive(path: Path, form: str, name: str) -> tuple[str, ...]:
    return (
        *(
            "-drive",
            f"file={path},format={form},if=none,id={name},cache=unsafe,snapshot={'on' if form == 'raw' else 'off'}",
        ),
        *("-device", f"scsi-hd,drive={name},serial={name}"),
    )
