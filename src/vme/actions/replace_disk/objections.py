"""What speaks against a step: each objection has a code if `--force CODE` may override it, or none if nothing may."""

from collections.abc import Collection, Sequence

from vme.errors import Misused, Refused
from vme.records import dataclass

# code -> what is overridden
CODES = {
    "boot": "no other disk has a boot loader",
    "data-lost": "a filesystem on the old disk is in no array",
    "resyncing": "an array is not yet in sync",
    "has-data": "the new disk has data, which is wiped",
    "smaller": "the new disk is smaller than the old one, though the partitions fit",
    "other-slot": "the new disk is in another place than the old one was",
    "old-disk": "the old disk came back, and is to be used again",
    "misaligned": "partitions are not aligned to the new disk's physical sectors",
}


@dataclass(frozen=True)
class Objection:
    """One thing in the way."""

    text: str
    code: str | None = None

    def __str__(self) -> str:
        return f"{self.text} (--force {self.code})" if self.code else self.text


def standing(objections: Sequence[Objection], forced: Collection[str]) -> list[str]:
    """Those that are not overridden."""
    return [str(objection) for objection in objections if objection.code is None or objection.code not in forced]


def refuse(subject: str, objections: Sequence[Objection], forced: Collection[str], hint: str | None = None) -> None:
    """Raise Refused with all objections that stand; return if none does."""
    left = standing(objections, forced)
    if left:
        raise Refused(subject, left, hint=hint)


def checked_codes(codes: Sequence[str]) -> tuple[str, ...]:
    """The codes of --force. Raises Misused for one there is not."""
    for code in codes:
        if code not in CODES:
            raise Misused(f"--force {code}: there is no such refusal", hint=f"there are: {', '.join(CODES)}")
    return tuple(dict.fromkeys(codes))
