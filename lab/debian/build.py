"""Build the Debian guest's image from the distribution's packages: a minute, once, and only when it is asked for."""

import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

from lab import run
from lab.errors import LabError
from lab.guest.build import MASTER_BOOT_RECORD
from lab.guest.packages import kernel_packages
from lab.place import Lab

NAME = "debian"
HERE = Path(__file__).parent
PACKAGES = (
    *("initramfs-tools", "systemd-sysv", "udev", "kmod", "iproute2", "netbase"),
    *("cloud-init", "netplan.io", "openssh-server", "qemu-guest-agent", "sudo", "systemd-boot-efi"),
)
# The kernel lies on a FAT partition, where syslinux (for a BIOS) and systemd-boot (for a UEFI) both read it.
BOOT_MIB = 96
ROOT_MIB = 1024
BOOT_AT = 1 << 20
ROOT_AT = BOOT_AT + (BOOT_MIB << 20)
ROOT_PARTITION = "a5a5a5a5-02"  # the disk's id and the partition's number, as the kernel writes PARTUUID


def image_of(lab: Lab) -> Path:
    """Where the image is kept once it is built. Another recipe has another name, so none is ever stale."""
    recipe = hashlib.sha256()
    for file in sorted(HERE.iterdir()):
        if file.is_file():
            recipe.update(file.read_bytes())
    return lab.cache / f"debian-{recipe.hexdigest()[:12]}.qcow2"


def build(lab: Lab) -> Path:
    """The guest's image, built if it isn't there yet. Raise LabError if mmdebstrap is missing or fails."""
    image = image_of(lab)
    if image.exists():
        return image
    if shutil.which("mmdebstrap", path=run.PATH) is None:
        raise LabError("missing package: mmdebstrap", hint="apt-get install mmdebstrap")
    lab.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab.cache, prefix="debian-build-") as name:
        folder = Path(name)
        root = folder / "root"
        install(root)
        make_disk(folder, root)
        pack = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd"]
        run.must([*pack, str(folder / "disk"), str(folder / "image")], timeout_s=300)
        for old in lab.cache.glob("debian-*.qcow2"):
            old.unlink()
        (folder / "image").rename(image)
    return image


def install(root: Path) -> None:
    """The system's tree. Like the distribution's own cloud images, it leaves all else to cloud-init."""
    run.must(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=apt"),
            f"--include={','.join((*kernel_packages(), *PACKAGES))}",
            *("--aptopt=Apt::Install-Recommends false", "--dpkgopt=path-exclude=/usr/share/doc/*"),
            *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
            f"--customize-hook=upload {HERE / 'customise.sh'} /customise",
            '--customize-hook=chroot "$1" sh -eu /customise',
            '--customize-hook=rm "$1/customise"',
            *(platform.freedesktop_os_release()["VERSION_CODENAME"], str(root)),
        ],
        timeout_s=900,
    )


def make_disk(folder: Path, root: Path) -> None:
    """A FAT partition with both boot loaders, the kernel and its initrd; and the system on ext4."""
    disk = folder / "disk"
    with disk.open("wb") as file:
        os.truncate(file.fileno(), ROOT_AT + ((ROOT_MIB + 1) << 20))
    table = (
        f"label: dos\nlabel-id: 0xa5a5a5a5\nstart=1M, size={BOOT_MIB}M, type=ef, bootable\nsize={ROOT_MIB}M, type=83\n"
    )
    run.must(["sfdisk", "--quiet", "--no-tell-kernel", str(disk)], stdin=table)
    with disk.open("r+b") as file:
        file.write(MASTER_BOOT_RECORD.read_bytes()[:440])
    partition = f"{disk}@@{BOOT_AT}"
    run.must(["mformat", "-i", partition, "-T", str(BOOT_MIB << 11), "-h", "16", "-s", "63", "-H", "2048", "::"])
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), folder / "vmlinuz")
    shutil.copy(next((root / "boot").glob("initrd.img-*")), folder / "initrd")
    words = f"root=PARTUUID={ROOT_PARTITION} ro console=tty1 console=ttyS0 net.ifnames=0 panic=5"
    (folder / "syslinux.cfg").write_text(
        f"default debian\nlabel debian\n linux vmlinuz\n initrd initrd\n append {words}\n"
    )
    (folder / "debian.conf").write_text(f"title debian\nlinux /vmlinuz\ninitrd /initrd\noptions {words}\n")
    shutil.copy(root / "usr/lib/systemd/boot/efi/systemd-bootx64.efi", folder / "BOOTX64.EFI")
    run.must(["mmd", "-i", partition, "::/EFI", "::/EFI/BOOT", "::/loader", "::/loader/entries"])
    run.must(["mcopy", "-i", partition, *(str(folder / name) for name in ("vmlinuz", "initrd", "syslinux.cfg")), "::/"])
    run.must(["mcopy", "-i", partition, str(folder / "BOOTX64.EFI"), "::/EFI/BOOT/"])
    run.must(["mcopy", "-i", partition, str(folder / "debian.conf"), "::/loader/entries/"])
    run.must(["syslinux", "--install", "--offset", str(BOOT_AT), str(disk)])
    for content in ("vmlinuz", "initrd.img"):
        for copy in (root / "boot").glob(f"{content}-*"):
            copy.unlink()
    extended = f"offset={ROOT_AT},nodiscard,lazy_itable_init=1"
    argv = ["mke2fs", "-q", "-t", "ext4", "-E", extended, "-d", str(root), str(disk), f"{ROOT_MIB}M"]
    run.must(argv, timeout_s=300)
