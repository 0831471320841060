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
    below: Path | None = image
    for _ in range(_DEEPEST):
        path, below = below, None
        if path is None:
            return []
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                return [f"{_named(path, image)} is no plain file"]
            if not any(path.resolve().is_relative_to(top) for top in tops):
                return [f"{_named(path, image)} is on no virt-store of its zone"]
            if (path == image and form == "raw") or not begins_as_qcow2(path):
                return []
            facts = facts_of_image(path, "qcow2")
        except OSError as problem:
            return [f"{_named(path, image)} can't be read: {problem.strerror}"]
        except Failed as problem:
            return [problem.message]
        if facts.data_file is not None:
            return [f"{_named(path, image)} keeps its data in another file ({facts.data_file!a})"]
        if facts.backing is not None and ":" in facts.backing.partition("/")[0]:
            return [f"{_named(path, image)} has a backing file that is no plain path ({facts.backing!a})"]
        # As QEMU finds it, which is run on this server.
        below = None if facts.backing is None else path.parent / facts.backing
    return [f"{image} has more than {_DEEPEST} images below it"]


def refuse_leading_out(image: Path, form: str, stores: Sequence[Store]) -> None:
    """The same, just before the image is read or changed. Raises Failed."""
    for reason in reasons_leading_out(image, form, stores):
        raise Failed(reason, hint="nothing of it was touched; who put that there?")


def _named(path: Path, image: Path) -> str:
    return f"{path}" if path == image else f"{path} (below {image})"
