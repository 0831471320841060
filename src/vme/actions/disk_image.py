"""The image of a disk that a guest gets: a new empty one in its directory, or one that is there already."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from vme.actions.image_use import Use, uses_of
from vme.actions.ownership import Owner
from vme.actions.undo import Undo
from vme.config import Store
from vme.errors import Failed
from vme.fleet.definitions import Definition
from vme.records import dataclass
from vme.store.files import hand_to
from vme.store.images import ImageFacts, create_empty, declared_format, facts_of_image, resolved_backing
from vme.store.layout import IMAGE_LIBRARY, seen_by_nodes, seen_here
from vme.units import size_text


@dataclass(frozen=True)
class DiskImage:
    """The image, as this server and as the nodes see it. `is_new` says that it is yet to be made."""

    here: Path
    node_path: PurePosixPath
    format: str
    size_bytes: int
    is_new: bool

    def __str__(self) -> str:
        what = "new, empty" if self.is_new else "there already"
        return f"{self.here} ({self.format}, {size_text(self.size_bytes)}, {what})"


def existing_image(
    words: str, stores: Sequence[Store], form: str | None, *, force: bool
) -> tuple[DiskImage | None, list[str]]:
    """The image that a person means by a path, as seen here or by the nodes, and every reason against using it."""
    found = _on_a_store(words, stores)
    if found is None:
        where = ", ".join(str(store.management_path) for store in stores)
        return None, [f"{words} is not on a virt-store of the guest's zone ({where}), where its nodes would read it"]
    store, here = found
    if not here.is_file():
        return None, [f"there is no image {here}"]
    declared = declared_format(here)
    reasons = []
    if here.is_relative_to(store.management_path / IMAGE_LIBRARY):
        reasons.append(f"{here} is an image of the library, from which guests are made: copy it first")
    if form is None and declared is None:
        return None, [*reasons, f"the format of {here} is not known: say it with -t; it is never guessed"]
    if form is not None and declared not in (None, form) and here.suffix != ".img":  # which may be either
        reasons.append(f"{here} is {declared} by its name, not {form}")
    known = form or declared or ""
    try:
        facts = facts_of_image(here, known)
    except Failed as problem:
        return None, [*reasons, problem.message]
    image = DiskImage(here, seen_by_nodes(store, here), known, facts.virtual_bytes, is_new=False)
    return image, reasons + _reasons_files_behind(facts, image, stores, force=force)


def reasons_in_use(
    image: DiskImage, definitions: Sequence[Definition], stores: Sequence[Store], *, shareable: bool
) -> list[str]:
    """Which guests need the image in a way that another writer would destroy."""
    return [
        f"{image.here} is {use}{_about_sharing(use, shareable)}"
        for use in uses_of(image.node_path, definitions, stores)
        if not (shareable and _is_shared(use))
    ]


def reserve(image: DiskImage) -> None:
    """Make the file of a new image, empty and closed to all; what has that name by now is somebody's, and stays.

    Raises FileExistsError.
    """
    os.close(os.open(image.here, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))


def fill(image: DiskImage) -> None:
    """Write a reserved image's header and size. Raises Failed, OSError.

    The header is made elsewhere: qemu-img would follow a link that QEMU's user put in the place of the reserved file.
    """
    handle = os.open(image.here, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "wb") as file:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_size:
            raise Failed(f"{image.here} is not the file that was made for it: who changed that?")
        if image.format == "raw":
            file.truncate(image.size_bytes)
            return
        with TemporaryDirectory() as private:
            blank = Path(private) / image.here.name
            create_empty(blank, image.format, image.size_bytes)
            file.write(blank.read_bytes())


def give(image: DiskImage, owner: Owner, mode: int, undo: Undo) -> None:
    """Give an image to its owner, unless it is his already; one that was there before is given back by `undo`."""
    state = image.here.stat()
    before = (state.st_uid, state.st_gid, state.st_mode & 0o7777)
    if before == (owner.uid, owner.gid, mode):
        return
    if not image.is_new:
        undo.add(f"owner and mode of {image.here}", lambda: hand_to(image.here, *before))
    hand_to(image.here, owner.uid, owner.gid, mode)


def _on_a_store(words: str, stores: Sequence[Store]) -> tuple[Store, Path] | None:
    """The store and the path here that are meant; links are followed, so that none leads out of the store."""
    for store in stores:
        as_node = seen_here(store, PurePosixPath(words))
        for path in (Path(words).absolute(), *([as_node] if as_node is not None else [])):
            real, top = path.resolve(), store.management_path.resolve()
            if real.is_relative_to(top):
                return store, store.management_path / real.relative_to(top)
    return None


def _reasons_files_behind(facts: ImageFacts, image: DiskImage, stores: Sequence[Store], *, force: bool) -> list[str]:
    if facts.data_file is not None:
        return [f"{image.here} keeps its data in another file ({facts.data_file!a}), which no image here does"]
    if facts.backing is None:
        return []
    backing = resolved_backing(image.node_path, facts.backing)
    if all(seen_here(store, backing) is None for store in stores):
        return [f"{image.here} has a backing file outside the virt-stores ({facts.backing!a}), which is never followed"]
    if force:
        return []
    return [f"{image.here} has a backing file ({facts.backing!a}): --force adds it if you know that it should"]


def _is_shared(use: Use) -> bool:
    return use.kind.writes and use.disk is not None and use.disk.shareable


def _about_sharing(use: Use, shareable: bool) -> str:
    if not use.kind.writes:
        return ""
    return "; which does not share it" if shareable else "; to share it, add it --shareable to both"
