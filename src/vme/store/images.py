"""Disk images: what they are, and making them. The format is always named, never guessed by QEMU.

A guessed format lets a guest write a header that makes its disk name files of the host (CVE-2010-2237, CVE-2024-32498).
"""

import errno
import fcntl
import json
import os
import posixpath
import re
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from vme.errors import Failed
from vme.process import run, run_watched
from vme.records import dataclass

FORMATS = ("raw", "qcow2")
_QCOW2_MAGIC = b"QFI\xfb"
# The name lies in the first cluster, or QEMU does not open the image.
_LARGEST_CLUSTER = 2 * 1024**2
_QUESTION_TIMEOUT_S = 20
_COPY_TIMEOUT_S = 6 * 3600
# linux/fs.h, ioctl_ficlonerange(2)
_FICLONERANGE = 0x4020940D
_BLOCK = 4096
# An exit status of qemu-img check.
_ONLY_LEAKS = 3


@dataclass(frozen=True)
class ImageFacts:
    """What qemu-img says of an image, read in its declared format."""

    path: Path
    format: str
    virtual_bytes: int
    allocated_bytes: int
    backing: str | None
    data_file: str | None


def declared_format(path: Path) -> str | None:
    """The format a file's name declares: .qcow2; .raw and .img; None if it declares nothing."""
    return {".qcow2": "qcow2", ".raw": "raw", ".img": "raw"}.get(path.suffix.lower())


def facts_of_image(path: Path, form: str) -> ImageFacts:
    """Read an image's header, even while a guest has it open. Raises Failed where it is not of that format."""
    done = run(("qemu-img", "info", "-U", "-f", form, "--output=json", "--", path), timeout_s=_QUESTION_TIMEOUT_S)
    if done.status != 0:
        raise Failed(f"{path} can't be read as {form}: {done.last_words.removeprefix('qemu-img: ')}")
    facts = json.loads(done.output)
    special = facts.get("format-specific", {}).get("data", {})
    return ImageFacts(
        path,
        form,
        facts["virtual-size"],
        facts.get("actual-size", 0),
        facts.get("backing-filename"),
        special.get("data-file"),
    )


def bytes_to_copy(path: Path, form: str, into: str) -> int:
    """What a copy in the format `into` takes from a store; more than the image itself, where that is compressed."""
    argv = ("qemu-img", "measure", "-U", "-f", form, "-O", into, "--output=json", "--", path)
    done = run(argv, timeout_s=_QUESTION_TIMEOUT_S)
    if done.status != 0:
        raise Failed(f"{path} can't be measured: {done.last_words.removeprefix('qemu-img: ')}")
    required: int = json.loads(done.output)["required"]
    return required


def begins_as_qcow2(path: Path) -> bool:
    """Whether a file begins as qcow2 does: for refusing what contradicts itself, never for guessing a format."""
    with path.open("rb") as image:
        return image.read(4) == _QCOW2_MAGIC


def backing_of(path: Path) -> str | None:
    """The backing file that a qcow2 image's header names, read without QEMU; None for any other file.

    Header: magic at 0, offset of the name at 8 (8 bytes), its length at 16 (4 bytes), big-endian (QEMU's qcow2.txt).
    """
    with path.open("rb") as image:
        header = image.read(20)
        if len(header) < 20 or header[:4] != _QCOW2_MAGIC:
            return None
        offset, length = struct.unpack(">QI", header[8:20])
        if not 0 < offset <= _LARGEST_CLUSTER or not 0 < length <= 1023:
            return None
        image.seek(offset)
        return image.read(length).decode("utf-8", "surrogateescape")


def resolved_backing(image: PurePosixPath, backing: str) -> PurePosixPath:
    """The path a backing file's name means to QEMU: as it is, or relative to the image that names it."""
    return PurePosixPath(posixpath.normpath(image.parent / backing))


def create_empty(path: Path, form: str, size_bytes: int) -> None:
    """Make a sparse image. Raises Failed; what was begun is the caller's to remove."""
    _qemu_img("create", "-q", "-f", form, "--", path, str(size_bytes))


def create_overlay(path: Path, base: str, base_format: str, size_bytes: int) -> None:
    """Make a qcow2 image that reads from `base` (a name relative to the image) where it has not been written itself."""
    _qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", base_format, "--", path, str(size_bytes))


def copy_image(source: ImageFacts, path: Path, form: str, size_bytes: int, on_percent: Callable[[float], None]) -> None:
    """Copy an image, changing its format if need be, and grow the copy to `size_bytes`.

    Where the file system can share blocks between files, the copy shares all of them and is made in no time.
    """
    if not (source.format == form and _shares_blocks(source, path)):
        _convert(source, path, form, on_percent)
    if size_bytes > source.virtual_bytes:
        resize_image(path, form, size_bytes)


def flatten_image(source: ImageFacts, path: Path, on_percent: Callable[[float], None]) -> None:
    """Copy an image with all that lies below it into one of the same format; snapshots in it are not copied."""
    _convert(source, path, source.format, on_percent)


def _convert(source: ImageFacts, path: Path, form: str, on_percent: Callable[[float], None]) -> None:
    argv = ("qemu-img", "convert", "-p", "-f", source.format, "-O", form, "--", source.path, path)
    done = run_watched(argv, timeout_s=_COPY_TIMEOUT_S, on_output=_percent_watcher(on_percent))
    if done.status != 0:
        raise Failed(f"copying {source.path} to {path}: {done.last_words.removeprefix('qemu-img: ')}")


def _shares_blocks(source: ImageFacts, path: Path) -> bool:
    """Make `path` a reflink of the source (ioctl_ficlone(2)); False, with nothing made, where that can't be.

    XFS, Btrfs, OCFS2 and ZFS can, and NFS 4.2 on a server that has one of them. GlusterFS (FUSE has no such request)
    and CephFS can't: there the bytes are copied. Not for an image that a guest writes to, which qemu-img convert
    refuses, nor for one with snapshots in it, which a copy should not carry along.
    """
    if not _may_share(source.path, path):
        return False
    look = run(
        ("qemu-img", "info", "-f", source.format, "--output=json", "--", source.path), timeout_s=_QUESTION_TIMEOUT_S
    )
    if look.status != 0 or json.loads(look.output).get("snapshots"):
        return False
    if run(("cp", "--reflink=always", "--", source.path, path), timeout_s=_QUESTION_TIMEOUT_S).status == 0:
        return True
    path.unlink(missing_ok=True)
    return False


def _may_share(source: Path, path: Path) -> bool:
    """Whether the file system may: tried with one block, for most can't, and QEMU's look and cp are a process each.

    False where it says that it never can; whatever else is wrong, those say.
    """
    with ExitStack() as opened:
        try:
            original = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            opened.callback(os.close, original)
            copy = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            opened.callback(os.close, copy)
            opened.callback(path.unlink)
            fcntl.ioctl(copy, _FICLONERANGE, struct.pack("=qQQQ", original, 0, _BLOCK, 0))
        except OSError as problem:
            return problem.errno not in (errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EXDEV)
    return True


def resize_image(path: Path, form: str, size_bytes: int) -> None:
    """Make an image that no guest has open larger; QEMU's lock refuses one that is open. Raises Failed."""
    _qemu_img("resize", "-q", "-f", form, "--", path, str(size_bytes))


def check_image(path: Path, form: str) -> None:
    """Look whether an image's own tables are sound (qemu-img check); clusters that nothing uses do no harm.

    Raises Failed where they are not.
    """
    done = run(("qemu-img", "check", "-q", "-U", "-f", form, "--", path), timeout_s=_COPY_TIMEOUT_S)
    if done.status not in (0, _ONLY_LEAKS):
        raise Failed(f"{path} is damaged: {done.last_words.removeprefix('qemu-img: ')}")


def _percent_watcher(on_percent: Callable[[float], None]) -> Callable[[str], None]:
    """qemu-img -p writes `    (12.34/100%)` and a carriage return, again and again. Tells also that nothing changed."""
    last = 0.0

    def watch(text: str) -> None:
        nonlocal last
        found = re.findall(r"\((\d+\.\d+)/100%\)", text)
        last = float(found[-1]) if found else last
        on_percent(last)

    return watch


def _qemu_img(*words: str | Path) -> None:
    done = run(("qemu-img", *words), timeout_s=_QUESTION_TIMEOUT_S)
    if done.status != 0:
        raise Failed(f"qemu-img {words[0]}: {done.last_words.removeprefix('qemu-img: ')}")
