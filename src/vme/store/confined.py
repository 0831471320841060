"""Whether an image leads out of the virt-stores: asked before this server, as root, reads or changes what it leads to.

A guest's directory is QEMU's user's. A link in it, or a header that names another file, would have us copy a key of
ours into an image that the guest reads, or grow a file of ours (CVE-2024-32498 was of that kind).
"""

import stat
from collections.abc import Sequence
from pathlib import Path

from vme.config import Store
from vme.errors import Failed
from vme.store.images import FORMATS, begins_as_qcow2, facts_of_image

_DEEPEST = 64


def reasons_leading_out(image: Path, form: str, stores: Sequence[Store]) -> list[str]:
    """Why an image, or one below it, is not to be read or changed here; none if all lie on these stores. May hang.

    `image` is its path on this server. Whoever acts on the answer asks anew just before.
    """
    if form not in FORMATS:
        return [f"{image} is {form}, and whether that leads to other files is known of {' and '.join(FORMATS)} only"]
    tops = [store.management_path.resolve() for store in stores]
    path: Path | None = image
    for _ in range(_DEEPEST):
        if path is None:
            return []
        try:
            wrong, below = _look(path, tops, is_raw=path == image and form == "raw")
        except OSError as problem:
            wrong, below = f"can't be read: {problem.strerror}", None
        except Failed as problem:
            return [problem.message]
        if wrong is not None:
            return [f"{path}{'' if path == image else f' (below {image})'} {wrong}"]
        path = below
    return [f"{image} has more than {_DEEPEST} images below it"]


def _look(path: Path, tops: Sequence[Path], *, is_raw: bool) -> tuple[str | None, Path | None]:
    """What is wrong with one image of the chain, if anything; and the one below it, as QEMU finds it on this server."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return "is no plain file", None
    if not any(path.resolve().is_relative_to(top) for top in tops):
        return "is on no virt-store of its zone", None
    if is_raw or not begins_as_qcow2(path):
        return None, None
    facts = facts_of_image(path, "qcow2")
    if facts.data_file is not None:
        return f"keeps its data in another file ({facts.data_file!a})", None
    if facts.backing is None:
        return None, None
    if ":" in facts.backing.partition("/")[0]:
        return f"has a backing file that is no plain path ({facts.backing!a})", None
    return None, path.parent / facts.backing


def refuse_leading_out(image: Path, form: str, stores: Sequence[Store]) -> None:
    """The same, just before the image is read or changed. Raises Failed."""
    for reason in reasons_leading_out(image, form, stores):
        raise Failed(reason, hint="nothing of it was touched; who put that there?")
