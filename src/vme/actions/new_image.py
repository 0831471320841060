"""The image of a new guest: empty, a copy of another, or an overlay on one; decided first, then made."""

import os
from pathlib import Path

from vme.config import Store
from vme.errors import Failed
from vme.names import checked
from vme.progress import Advance
from vme.records import dataclass, replace
from vme.store.images import (
    ImageFacts,
    bytes_to_copy,
    copy_image,
    create_empty,
    create_overlay,
    declared_format,
    facts_of_image,
)
from vme.store.layout import IMAGE_LIBRARY
from vme.units import GIB, size_text

# What an empty or overlay image takes at first: its header and first tables.
_HEADER_BYTES = 1024**2


@dataclass(frozen=True)
class ImagePlan:
    """The image to make, and what that takes from the store.

    `base` is an overlay's backing file, relative to the image: the same here and on nodes.
    """

    path: Path
    format: str
    size_bytes: int
    source: ImageFacts | None
    base: str | None
    needed_bytes: int = _HEADER_BYTES

    def __str__(self) -> str:
        size = f"{self.format}, {size_text(self.size_bytes)}"
        if self.source is None:
            return f"{self.path} ({size}, empty)"
        return f"{self.path} ({size}, {'overlay on' if self.base else 'copy of'} {self.source.path})"


@dataclass(frozen=True)
class ImageSource:
    """An image to begin with, looked at once for all guests that do; every reason against it; what a copy takes."""

    path: Path
    facts: ImageFacts | None
    reasons: tuple[str, ...]
    copy_bytes: int


def find_source(image: str, store: Store, form: str) -> ImageSource:
    """The image meant by --image: a path, or a name in the store's library. Raises Misused for a name that is none."""
    path = _find_image(image, store)
    facts, reasons = _read_source(path)
    # What is wrong with an image may keep it from being measured, and would be said in worse words.
    needed = bytes_to_copy(path, facts.format, form) if facts is not None and not reasons else _HEADER_BYTES
    return ImageSource(path, facts, tuple(reasons), needed)


def plan_image(path: Path, form: str, gib: int | None, default_gib: int, source: ImageSource | None) -> ImagePlan:
    """The image to make: empty, or a copy of the source, grown if the disk is to be larger than it."""
    if source is None:
        return ImagePlan(path, form, (gib or default_gib) * GIB, None, None)
    if source.facts is None:
        return ImagePlan(path, form, _HEADER_BYTES, None, None)
    size_bytes = max(source.facts.virtual_bytes, (gib or 0) * GIB)
    return ImagePlan(path, form, size_bytes, source.facts, None, source.copy_bytes)


def reasons_against(source: ImageSource, gib: int | None) -> list[str]:
    """Why a disk of that size (None: the image's own) can't begin with this image."""
    if source.facts is not None and gib is not None and gib * GIB < source.facts.virtual_bytes:
        size = size_text(source.facts.virtual_bytes)
        return [*source.reasons, f"a disk of {gib} GiB is smaller than {source.path}, which has {size}"]
    return list(source.reasons)


def as_overlay(plan: ImagePlan, store: Store) -> tuple[ImagePlan, list[str]]:
    """The same image, but reading through to its source where it was not written itself; and why it can't."""
    if plan.source is None:
        return plan, []
    base = _relative_base(plan.source.path, plan.path.parent, store)
    if base is None:
        source, name = plan.source.path, store.name
        return plan, [f"{source} is not on virt-store {name}, where nodes would read it: copy it there, or no --linked"]
    return replace(plan, format="qcow2", base=base, needed_bytes=_HEADER_BYTES), []


def make_image(plan: ImagePlan, advance: Advance) -> None:
    """Make the image. Raises Failed; what was begun is the caller's to remove."""
    if plan.source is None:
        create_empty(plan.path, plan.format, plan.size_bytes)
    elif plan.base is not None:
        create_overlay(plan.path, plan.base, plan.source.format, plan.size_bytes)
    else:
        copy_image(plan.source, plan.path, plan.format, plan.size_bytes, lambda percent: advance(percent, ""))


def _find_image(image: str, store: Store) -> Path:
    """The file meant by --image: a path, or a name in the store's library (with or without its ending)."""
    if "/" in image:
        return Path(image).absolute()
    checked(image, "image")
    library = store.management_path / IMAGE_LIBRARY
    names = [image] if declared_format(Path(image)) else [image + ending for ending in (".qcow2", ".raw", ".img")]
    return next((library / name for name in names if (library / name).is_file()), library / names[0])


def _read_source(path: Path) -> tuple[ImageFacts | None, list[str]]:
    if not path.is_file():
        return None, [f"there is no image {path}"]
    form = declared_format(path)
    if form is None:
        return None, [
            f"{path} does not say its format by its name: let it end with .qcow2, .raw or .img; it is never guessed"
        ]
    try:
        facts = facts_of_image(path, form)
    except Failed as problem:
        return None, [problem.message]
    reasons = []
    if facts.backing is not None:
        reasons.append(
            f"{path} has a backing file ({facts.backing!a}), which an image to copy must not have: "
            "flatten it with qemu-img convert if you trust it"
        )
    if facts.data_file is not None:
        reasons.append(
            f"{path} keeps its data in another file ({facts.data_file!a}), which an image to copy must not do"
        )
    return facts, reasons


def _relative_base(source: Path, directory: Path, store: Store) -> str | None:
    """The source's name as seen from the guest's directory, if both are on the store; the same on nodes and here."""
    if not source.is_relative_to(store.management_path) or ".." in source.parts:
        return None
    return os.path.relpath(source, directory)
