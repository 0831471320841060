"""Sizes and durations between people and programs. Sizes inside are bytes, MiB or GiB, as each name says."""

import re

MIB = 1024**2
GIB = 1024**3
_SIZE = re.compile(r"([0-9]{1,9})([MGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


def parsed_size(text: str) -> int:
    """The bytes of a size as a person writes it: `10` and `10G` are GiB, `512M` are MiB, `2T` are TiB.

    Raises ValueError for anything else, and for 0.
    """
    found = _SIZE.fullmatch(text.strip())
    size = 0 if found is None else int(found[1]) * {"": GIB, "M": MIB, "G": GIB, "T": 1024 * GIB}[found[2].upper()]
    if size == 0:
        raise ValueError(f"{text!a} is not a size: write 10 or 10G for GiB, 512M for MiB, 2T for TiB")
    return size


def size_text(size_bytes: float) -> str:
    """A size for a person: `512 MiB`, `1.5 GiB`. Three significant digits at most, never more than is known."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 or size == int(size) else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def duration_text(duration_s: float) -> str:
    """A duration for a person: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if duration_s < 10:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes == 0:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
