"""Build the lab's guest: kernel, busybox and five small files on a disk that a BIOS boots."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from lab import run
from lab.guest.packages import decompressed, kernel_of, kernel_packages, modules_with_dependencies, unpack
from lab.place import Lab

NAME = "tiny"
HERE = Path(__file__).parent
# What modprobe is asked for in `start`, and the parts of it that are modules of their own.
VIRTIO = ("virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_balloon", "virtio_rng")
MODULES = (*VIRTIO, "button", "evdev", "usbhid")
FILES = {"inittab": 0o644, "start": 0o755, "counter": 0o755, "restless": 0o755, "dhcp": 0o755}
DIRECTORIES = ("bin", "dev", "etc/acpi/PWRF", "lib/modules", "proc", "run", "sys", "root")
DISK_MIB = 64
PARTITION_AT = 1 << 20
# Debian's syslinux package is built around mtools: it needs neither root nor a mount.
MASTER_BOOT_RECORD = Path("/usr/lib/syslinux/mbr/mbr.bin")


def image_of(lab: Lab) -> Path:
    """Where the guest's image is kept once it is built. Another recipe has another name, so none is ever stale."""
    recipe = hashlib.sha256()
    for file in sorted(HERE.iterdir()):
        if file.is_file():
            recipe.update(file.read_bytes())
    return lab.cache / f"guest-{recipe.hexdigest()[:12]}.qcow2"


def build(lab: Lab) -> Path:
    """The guest's image, built if it isn't there yet: about 10 s and 30 MB from the package registry."""
    image = image_of(lab)
    if image.exists():
        return image
    lab.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=lab.cache, prefix="build-") as name:
        folder = Path(name)
        tree = unpack(kernel_packages(), folder)
        kernel, version = kernel_of(tree)
        shutil.copy(kernel, folder / "vmlinuz")
        make_initrd(folder, tree, version)
        make_disk(folder)
        run.must(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(folder / "disk"), str(folder / "image")])
        for old in lab.cache.glob("guest-*.qcow2"):
            old.unlink()
        (folder / "image").rename(image)
    return image


def make_initrd(folder: Path, tree: Path, version: str) -> None:
    """The whole system: it never looks at the disk again once it is loaded, and lives in the guest's memory."""
    root = folder / "root"
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
    busybox = shutil.which("busybox", path=run.PATH)
    assert busybox, "lab.requirements has looked for it"
    shutil.copy(busybox, root / "bin/busybox")
    for applet in run.must(["busybox", "--list"]).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "sbin").symlink_to("bin")
    (root / "init").symlink_to("bin/init")
    for file, mode in FILES.items():
        shutil.copy(HERE / file, root / "etc" / file)
        (root / "etc" / file).chmod(mode)
    # busybox acpid runs the file that is named after the event: here the power button.
    power_button = root / "etc/acpi/PWRF/00000080"
    power_button.write_text("#!/bin/sh\nexec poweroff\n")
    power_button.chmod(0o755)
    modules = root / "lib/modules" / version
    modules.mkdir()
    for module in modules_with_dependencies(tree, version, MODULES):
        (modules / f"{module.name.partition('.')[0]}.ko").write_bytes(decompressed(module))
    run.must(["depmod", "--basedir", str(root), version])
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    pack = ["cpio", "--quiet", "--create", "--format=newc", "--owner=+0:+0", f"--directory={root}"]
    run.must([*pack, f"--file={folder / 'initrd'}"], stdin=names)


def make_disk(folder: Path) -> None:
    """A disk with one active FAT partition, syslinux in it, and a master boot record that starts it."""
    disk = folder / "disk"
    with disk.open("wb") as file:
        os.truncate(file.fileno(), DISK_MIB << 20)
    run.must(["sfdisk", "--quiet", "--no-tell-kernel", str(disk)], stdin="label: dos\nstart=2048, type=e, bootable\n")
    with disk.open("r+b") as file:
        file.write(MASTER_BOOT_RECORD.read_bytes()[:440])
    partition = f"{disk}@@{PARTITION_AT}"
    sectors = (DISK_MIB << 11) - (PARTITION_AT >> 9)
    run.must(["mformat", "-i", partition, "-T", str(sectors), "-h", "16", "-s", "63", "-H", "2048", "::"])
    files = [str(folder / "vmlinuz"), str(folder / "initrd"), str(HERE / "syslinux.cfg")]
    run.must(["mcopy", "-i", partition, *files, "::/"])
    run.must(["syslinux", "--install", "--offset", str(PARTITION_AT), str(disk)])
