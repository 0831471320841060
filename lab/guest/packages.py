"""A kernel from the distribution's packages, downloaded and unpacked, never installed on the machine."""

import lzma
import re
from collections.abc import Callable
from pathlib import Path

from lab import run
from lab.errors import LabError

# Debian's and Ubuntu's names for their smallest kernel; each is an empty package that depends on the present version.
NEWEST_KERNEL = ("linux-image-cloud-amd64", "linux-image-virtual")
# Its parts: Debian has one package, Ubuntu keeps the modules in another one.
PARTS = re.compile(r"\s+(?:Pre)?Depends: (linux-(?:image|modules)-(?:unsigned-)?\d\S+)")


def kernel_packages() -> list[str]:
    """The names of the packages that make up the newest kernel. Raise LabError if apt knows none."""
    for newest in NEWEST_KERNEL:
        found = PARTS.findall(run.run(["apt-cache", "depends", newest]).stdout)
        if found:
            more = PARTS.findall(run.run(["apt-cache", "depends", *found]).stdout)
            return sorted({*found, *more})
    raise LabError(f"apt knows none of {', '.join(NEWEST_KERNEL)}", hint="apt-get update")


def unpack(packages: list[str], folder: Path) -> Path:
    """Download the packages and unpack them all into one tree below the folder; return the tree."""
    downloads, tree = folder / "downloads", folder / "tree"
    downloads.mkdir()
    # apt-get downloads into the current directory.
    fetch = ["env", f"--chdir={downloads}", "apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *packages]
    run.must(fetch, timeout_s=300)
    for package in downloads.glob("*.deb"):
        run.must(["dpkg-deb", "--extract", str(package), str(tree)], timeout_s=120)
    return tree


def kernel_of(tree: Path) -> tuple[Path, str]:
    """The kernel in an unpacked tree, and its version."""
    kernel = next((tree / "boot").glob("vmlinuz-*"), None)
    if kernel is None:
        raise LabError("the kernel's packages have no kernel in them")
    return kernel, kernel.name.removeprefix("vmlinuz-")


def modules_with_dependencies(tree: Path, version: str, wanted: tuple[str, ...]) -> list[Path]:
    """The files of these modules and of all they need; a module that is built in, or that there is not, has none."""
    # Debian 13 and Ubuntu have /usr/lib for /lib.
    library = next(path for path in (tree / "lib", tree / "usr/lib") if (path / "modules" / version).is_dir())
    run.must(["depmod", "--basedir", str(library.parent), version])
    root = library / "modules" / version
    needs = {}
    for line in (root / "modules.dep").read_text().splitlines():
        module, _, others = line.partition(":")
        needs[module_name(module)] = [module, *others.split()]
    return [root / path for path in dict.fromkeys(path for name in wanted for path in needs.get(name, ()))]


def module_name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def decompressed(module: Path) -> bytes:
    """A module's contents, whichever way the distribution packed it."""
    how: dict[str, Callable[[Path], bytes]] = {".ko": Path.read_bytes, ".xz": unxz, ".zst": unzstd}
    return how[module.suffix](module)


def unxz(module: Path) -> bytes:
    return lzma.decompress(module.read_bytes())


def unzstd(module: Path) -> bytes:
    plain = module.with_suffix("")
    run.must(["zstd", "--decompress", "--quiet", "--force", str(module), "-o", str(plain)])
    return plain.read_bytes()
