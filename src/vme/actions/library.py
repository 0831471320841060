"""The image library: a new image, checked, copied and recorded, or nothing; and what there is."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from vme.actions.undo import Undo
from vme.config import Store, Zone
from vme.errors import Failed, Misused, Refused
from vme.names import checked
from vme.progress import Advance
from vme.records import dataclass
from vme.store.files import sync_directory
from vme.store.images import ImageFacts, begins_as_qcow2, declared_format, facts_of_image
from vme.store.library import (
    ALGORITHMS,
    ENDINGS,
    checksum_of,
    copy_and_digest,
    forget_checksum,
    images_in,
    library_of,
    record_checksum,
    recorded_checksum,
)
from vme.store.proof import reasons_not_there, reasons_not_usable
from vme.units import size_text


@dataclass(frozen=True)
class Checksum:
    """The checksum a publisher gives for an image."""

    algorithm: str
    digits: str


@dataclass(frozen=True)
class Plan:
    """An image to add. `size_bytes` is the file's own size, `facts` what qemu-img says of it."""

    source: Path
    target: Path
    facts: ImageFacts
    size_bytes: int
    expected: Checksum | None

    def lines(self) -> list[str]:
        """The plan for a person."""
        against = f"{self.expected.algorithm} {self.expected.digits}" if self.expected else "nothing: none was given"
        return [
            f"add image {self.target}",
            f"  a copy of {self.source} ({self.facts.format}, {size_text(self.facts.virtual_bytes)})",
            f"  checked against {against}",
        ]


@dataclass(frozen=True)
class LibraryImage:
    """An image of a library. `facts` is None where `problem` says why it can't be used.

    `checksum` is `recorded` or `none`; when it was verified `ok` or `differs`.
    """

    name: str
    zone: str
    store: str
    path: Path
    facts: ImageFacts | None
    sha256: str | None
    checksum: str
    problem: str | None


def parse_checksum(text: str) -> Checksum:
    """`sha256:HEX` or `sha512:HEX`. Raises Misused."""
    algorithm, _, digits = text.strip().partition(":")
    digits = digits.strip().lower()
    is_hex = digits.isascii() and all(digit in "0123456789abcdef" for digit in digits)
    if algorithm not in ALGORITHMS or not is_hex or len(digits) != ALGORITHMS[algorithm]:
        raise Misused(f"{text!a} is not a checksum", hint="write it as sha256: and 64 digits, or sha512: and 128")
    return Checksum(algorithm, digits)


def check(
    store: Store, source: Path, name: str | None, form: str | None, expected: Checksum | None, *, timeout_s: float
) -> Plan:
    """Decide, and change nothing. Raises Misused, or Refused with every reason."""
    source = source.absolute()
    wanted = checked(source.stem if name is None else name, "image")
    if not source.is_file():
        raise Refused(wanted, [f"there is no file {source}"])
    known, reasons = _format_of(source, form)
    facts = None
    if known is not None:
        facts, problems = _read(source, known)
        reasons += problems
    size_bytes, taken_bytes = source.stat().st_size, source.stat().st_blocks * 512
    usable = reasons_not_usable(store, min(size_bytes, taken_bytes), timeout_s=timeout_s)
    reasons += usable
    if not usable:
        reasons += [
            f"{path} is there already: guests may lie on it, so it is never replaced; choose another name"
            for path in images_in(store)
            if path.stem == wanted
        ]
    if reasons or facts is None:
        raise Refused(wanted, reasons)
    return Plan(source, library_of(store) / (wanted + ENDINGS[facts.format]), facts, size_bytes, expected)


def carry_out(plan: Plan, advance: Advance) -> str:
    """Copy the image under a name of its own, check the copy, and only then give it its name. All or nothing."""
    target = plan.target
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    expected = plan.expected
    algorithms = {"sha256", *([expected.algorithm] if expected else [])}
    with Undo(f"image {target.stem}") as undo:
        target.parent.mkdir(mode=0o755, exist_ok=True)
        undo.add(f"file {temporary}", lambda: temporary.unlink(missing_ok=True))
        digests = copy_and_digest(plan.source, temporary, sorted(algorithms), _percent(plan.size_bytes, advance))
        if expected is not None and digests[expected.algorithm] != expected.digits:
            found = digests[expected.algorithm]
            raise Failed(
                f"{plan.source} has {expected.algorithm} {found}, not {expected.digits}: it was not added",
                hint="get the file again, and its checksum from its publisher",
            )
        _facts, reasons = _read(temporary, plan.facts.format)  # the copy: the source may have changed since
        if reasons:
            raise Failed(f"{plan.source} changed while it was copied: {'; '.join(reasons)}")
        _name(temporary, target)
        undo.add(f"image {target}", lambda: target.unlink(missing_ok=True))
        undo.add(f"checksum of {target}", lambda: forget_checksum(target))
        record_checksum(target, digests["sha256"])
        temporary.unlink()
        sync_directory(target.parent)
    proof = "checksum as given" if expected else f"sha256 {digests['sha256']}"
    return f"image {target.stem}: added to {target.parent} ({size_text(plan.facts.virtual_bytes)}, {proof})"


def images_of(
    zone: Zone, *, verify: bool, timeout_s: float, on_image: Callable[[Path], Advance]
) -> tuple[list[LibraryImage], list[str]]:
    """The images of a zone's libraries, and why some of its stores could not be looked into.

    With `verify` each is read whole; `on_image` gives what shows how far that is.
    """
    found, problems = [], []
    for store in zone.stores:
        reasons = reasons_not_there(store, timeout_s=timeout_s)
        problems += reasons
        for path in [] if reasons else images_in(store):
            found.append(_look(store, path, on_image(path) if verify else None))
    return found, problems


def _look(store: Store, path: Path, advance: Advance | None) -> LibraryImage:
    facts, reasons = _read(path, declared_format(path) or "")
    recorded = recorded_checksum(path)
    checksum = "none" if recorded is None else "recorded"
    if recorded is not None and advance is not None:
        now = checksum_of(path, _percent(path.stat().st_size, advance))
        checksum = "ok" if now == recorded else "differs"
    if checksum == "differs":
        reasons.append("it is not what was added: its checksum differs")
    return LibraryImage(
        path.stem, store.zone, store.name, path, facts, recorded, checksum, "; ".join(reasons) if reasons else None
    )


def _format_of(source: Path, form: str | None) -> tuple[str | None, list[str]]:
    declared = declared_format(source)
    if form is None and declared is None:
        return None, [f"{source} does not say its format by its name: say it with -t; it is never guessed"]
    if form is None and declared == "raw" and begins_as_qcow2(source):
        return None, [f"{source} is raw by its name, but begins as qcow2 does: say with -t which of the two it is"]
    return form or declared, []


def _read(path: Path, form: str) -> tuple[ImageFacts | None, list[str]]:
    """What an image is, and why guests must not be made from it."""
    try:
        facts = facts_of_image(path, form)
    except Failed as problem:
        return None, [problem.message]
    reasons = []
    if facts.backing is not None:
        reasons.append(f"{path} has a backing file ({facts.backing!a}), which an image of the library must not have")
    if facts.data_file is not None:
        reasons.append(f"{path} keeps its data in another file ({facts.data_file!a}), which must not be")
    return facts, reasons


def _name(temporary: Path, target: Path) -> None:
    """Give a file its name, unless that is taken: a rename would replace what guests may lie on."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise Refused(f"image {target.stem}", [f"{target} is there already: it was added meanwhile"]) from None


def _percent(size_bytes: int, advance: Advance) -> Callable[[int], None]:
    return lambda done_bytes: advance(100 * done_bytes / max(1, size_bytes), size_text(done_bytes))
