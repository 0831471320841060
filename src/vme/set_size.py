"""How many names a set spells out, by its text: ClusterShell would write down all of them, however many they are."""

import re
from math import prod

from ClusterShell.RangeSet import RangeSet, RangeSetException

MOST = 100_000

# What stands between the operators of a set; in it, ranges and the digits just before them.
_PATTERN = re.compile(r"(?:\[[^\[\]]*\]|[^\[,!&^])+")
_RANGES = re.compile(r"(\d*)\[([^\[\]]*)\]")


class _Counted(RangeSet):  # type: ignore[misc]
    """Ranges as ClusterShell reads them, whose numbers are counted and not kept."""

    def __init__(self, text: str) -> None:
        self.count = 0
        super().__init__(text)

    def add_range(self, start: int, stop: int, step: int = 1, pad: int = 0) -> None:
        self.count += (stop - start - 1) // step + 1


def refuse_too_large(text: str) -> None:
    """Raise ValueError if a set's text spells out more than MOST names, though it may take some away again."""
    if sum(map(_names, _PATTERN.findall(text))) > MOST:
        raise ValueError(f"{MOST:,} names are the most")


def _names(pattern: str) -> int:
    return prod(_numbers(digits, ranges) for digits, ranges in _RANGES.findall(pattern))


def _numbers(digits: str, ranges: str) -> int:
    """How many numbers ranges are after these digits; 1 for what is wrong, which ClusterShell will say."""
    try:
        count = _Counted(ranges).count
        if digits and count <= MOST:
            # ClusterShell puts the digits before both ends of each run of numbers: 1[9-10] are all from 19 to 110.
            runs = [str(run).split("-") for run in RangeSet(ranges).contiguous()]
            count = sum(_Counted("-".join(digits + end for end in ends)).count for ends in runs)
    except (RangeSetException, ValueError):
        return 1
    return count
