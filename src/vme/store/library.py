"""A virt-store's library of images: .images/NAME.qcow2, and beside each its checksum as sha256sum(1) writes it.

cd /srv/vme/east/virt-store/.images && sha256sum -c debian-12.qcow2.sha256
"""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from vme.config import Store
from vme.store.files import write_whole
from vme.store.images import declared_format
from vme.store.layout import IMAGE_LIBRARY

ALGORITHMS = {"sha256": 64, "sha512": 128}  # the digits of each
# Read by QEMU, as whatever user, and written by nobody once it is there.
IMAGE_MODE = 0o644
ENDINGS = {"qcow2": ".qcow2", "raw": ".raw"}
_CHUNK_BYTES = 1024**2
_ZEROS = bytes(_CHUNK_BYTES)
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)", re.ASCII)


def library_of(store: Store) -> Path:
    """The library's directory, which need not be there."""
    return store.management_path / IMAGE_LIBRARY


def images_in(store: Store) -> list[Path]:
    """The images of a store's library, by name. Raises OSError where it can't be read."""
    library = library_of(store)
    if not library.is_dir():
        return []
    files = (path for path in library.iterdir() if declared_format(path) and not path.name.startswith("."))
    return sorted(path for path in files if path.is_file())


def recorded_checksum(image: Path) -> str | None:
    """The SHA-256 recorded beside an image, or None if there is none (or none of this image)."""
    try:
        found = _LINE.fullmatch(_record_of(image).read_text(errors="replace").strip())
    except FileNotFoundError:
        return None
    return found[1] if found is not None and found[2] == image.name else None


def record_checksum(image: Path, sha256: str) -> None:
    """Write an image's SHA-256 beside it."""
    write_whole(_record_of(image), f"{sha256}  {image.name}\n", mode=IMAGE_MODE)


def forget_checksum(image: Path) -> None:
    """Remove what is recorded beside an image."""
    _record_of(image).unlink(missing_ok=True)


def checksum_of(image: Path, on_bytes: Callable[[int], None]) -> str:
    """The SHA-256 of an image as it is now; `on_bytes` is called with how much was read so far."""
    digest, done = hashlib.sha256(), 0
    with image.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            on_bytes(done)
    return digest.hexdigest()


def copy_and_digest(
    source: Path, target: Path, algorithms: Sequence[str], on_bytes: Callable[[int], None]
) -> dict[str, str]:
    """Copy a file, holes left out, onto the disk for good; returns algorithm -> digest of exactly what was written.

    `target` must not be there yet. What was begun is the caller's to remove.
    """
    digests = {name: hashlib.new(name) for name in algorithms}
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, IMAGE_MODE)
    done = 0
    with source.open("rb", buffering=0) as file, os.fdopen(handle, "wb", buffering=0) as copy:
        while chunk := file.read(_CHUNK_BYTES):
            for digest in digests.values():
                digest.update(chunk)
            if chunk == _ZEROS[: len(chunk)]:
                copy.seek(len(chunk), os.SEEK_CUR)
            else:
                _write_all(copy.fileno(), chunk)
            done += len(chunk)
            on_bytes(done)
        copy.truncate(done)
        os.fchmod(copy.fileno(), IMAGE_MODE)
        os.fsync(copy.fileno())
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _record_of(image: Path) -> Path:
    return image.with_name(f"{image.name}.sha256")


def _write_all(handle: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(handle, view) :]
