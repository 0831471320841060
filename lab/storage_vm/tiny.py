"""A storage machine that lives in its memory: Debian's kernel, udev, mdadm, sshd in an initrd; all disks are a test's.

Built in a minute, booted in some seconds; what udev and md do when a disk goes or comes is what they do on any Debian.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from lab import run
from lab.errors import LabError
from lab.guest.packages import decompressed, kernel_of, modules_with_dependencies
from lab.keys import public
from lab.place import Lab
from lab.storage_vm.host_key import host_key_file

HERE = Path(__file__).parent
SUITE = "bookworm"
PACKAGES = (
    *("linux-image-cloud-amd64", "udev", "kmod", "iproute2", "openssh-server", "mdadm", "fdisk", "smartmontools"),
    *(
        "util-linux",
        "mount",
        "e2fsprogs",
        "dosfstools",
        "coreutils",
        "bash",
        "dash",
        "findutils",
        "diffutils",
        "mawk",
        "grep",
        "sed",
    ),
    *("login", "base-passwd", "libc-bin", "procps", "python3-minimal"),
)
UNUSED = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/perl*"),
    *("/usr/lib/*/perl*", "/usr/bin/perl*", "/usr/lib/*/libperl*", "/usr/lib/*/gconv/*", "/lib/udev/hwdb.d/*"),
    *("/usr/share/bash-completion/*", "/usr/share/lintian/*", "/usr/bin/ssh*", "/usr/lib/klibc/*", "/boot/System*"),
)
DIRECTORIES = ("proc", "sys", "dev", "run", "tmp", "mnt", "root", "var/lib", "var/log", "usr/local/sbin")
VIRTIO = ("virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi", "sd_mod")
MODULES = (*VIRTIO, "raid1", "raid10", "raid456", "vfat", "nls_cp437", "nls_ascii")


def kernel_and_initrd(lab: Lab) -> tuple[Path, Path]:
    """The machine's two files, built if they aren't there yet. Another recipe has another name."""
    recipe = hashlib.sha256()
    for file in (Path(__file__), HERE / "tiny_init.sh", HERE / "tiny_inittab"):
        recipe.update(file.read_bytes())
    folder = lab.cache / f"tiny-storage-{recipe.hexdigest()[:12]}"
    if not folder.exists():
        _build(lab, folder)
    return folder / "vmlinuz", folder / "initrd"


def _build(lab: Lab, folder: Path) -> None:
    if shutil.which("mmdebstrap", path=run.PATH) is None:
        raise LabError("missing package: mmdebstrap", hint="apt-get install mmdebstrap")
    for old in lab.cache.glob("tiny-storage-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=lab.cache, prefix="tiny-build-") as name:
        work = Path(name)
        root = work / "root"
        _extract(root)
        made = work / "made"
        made.mkdir(mode=0o755)
        _take_kernel(root, made)
        _furnish(lab, root)
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        pack = ["cpio", "--quiet", "--create", "--format=newc", "--owner=+0:+0", f"--directory={root}"]
        run.must([*pack, f"--file={made / 'initrd'}"], stdin=names, timeout_s=120)
        for file in made.iterdir():
            file.chmod(0o644)
        made.rename(folder)


def _extract(root: Path) -> None:
    """The packages' files. None of their scripts is run: this is no installation."""
    run.must(
        [
            *("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", f"--include={','.join(PACKAGES)}"),
            "--aptopt=Apt::Install-Recommends false",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNUSED),
            *(SUITE, str(root)),
        ],
        timeout_s=600,
    )


def _take_kernel(root: Path, made: Path) -> None:
    """The kernel out of the tree, and of its modules only those that are needed."""
    kernel, version = kernel_of(root)
    shutil.copy(kernel, made / "vmlinuz")
    needed = [
        (path.name.partition(".")[0], decompressed(path)) for path in modules_with_dependencies(root, version, MODULES)
    ]
    for folder in (root / "boot", root / "lib/modules"):
        shutil.rmtree(folder)
    modules = root / "lib/modules" / version
    modules.mkdir(parents=True)
    for name, content in needed:
        (modules / f"{name}.ko").write_bytes(content)
    run.must(["depmod", "--basedir", str(root), version])


def _furnish(lab: Lab, root: Path) -> None:
    """Users, keys and what runs at boot."""
    busybox = shutil.which("busybox", path=run.PATH)
    assert busybox, "lab.requirements has looked for it"
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True, exist_ok=True)
    shutil.copy(busybox, root / "bin/busybox")
    (root / "init").symlink_to("bin/busybox")  # which is init when it is called so
    (root / "usr/bin/awk").symlink_to("mawk")  # no package's scripts were run, so there are no alternatives
    for file, place in (("tiny_init.sh", "etc/start"), ("tiny_inittab", "etc/inittab")):
        shutil.copy(HERE / file, root / place)
        (root / place).chmod(0o755)
    master = root / "usr/share/base-passwd"
    users = (master / "passwd.master").read_text().replace("root:*:", "root:x:")
    users = users.replace(":/bin/bash", ":/bin/sh", 1)  # of root: bash costs each command 0.1 s when it is emulated
    (root / "etc/passwd").write_text(users + "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin\n")
    shutil.copy(master / "group.master", root / "etc/group")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")
    (root / "etc/hostname").write_text("st2\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 st2\n")
    ssh = root / "etc/ssh"
    shutil.copy(host_key_file(lab), ssh / "ssh_host_ed25519_key")
    (ssh / "ssh_host_ed25519_key").chmod(0o600)
    (ssh / "sshd_config").write_text(
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nUsePAM no\nUseDNS no\nPrintMotd no\n"
    )
    (root / "root/.ssh").mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(public(lab.cache / "keys" / lab.topology.management.name), root / "root/.ssh/authorized_keys")
    (root / "root/.ssh/authorized_keys").chmod(0o600)
