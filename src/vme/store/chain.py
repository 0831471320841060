"""The images below an image, read from their headers on the virt-stores, without QEMU and without the node."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from vme.config import Store
from vme.store.images import backing_of, resolved_backing
from vme.store.layout import seen_here


def images_below(path: PurePosixPath, stores: Iterable[Store]) -> tuple[PurePosixPath, ...]:
    """The backing files of an image as the nodes see them, nearest first, as far down as they lie on these stores."""
    known = tuple(stores)
    chain: list[PurePosixPath] = []
    below = _backing(path, known)
    while below is not None and below not in chain:
        chain.append(below)
        below = _backing(below, known)
    return tuple(chain)


def _backing(path: PurePosixPath, stores: tuple[Store, ...]) -> PurePosixPath | None:
    for store in stores:
        here = seen_here(store, path)
        if here is not None and here.is_file():
            backing = backing_of(here)
            return None if backing is None else resolved_backing(path, backing)
    return None
