"""Pictures of a text screen of 80 x 25 characters: which of its places have a character, compared with a text."""

import io
from pathlib import Path

import png

COLUMNS, ROWS = 80, 25
LIT = 100  # of 255; letters are light grey on black


def shape_of(picture: Path | bytes) -> list[str]:
    """The screen row by row, `#` where there is a character; the picture may be scaled."""
    data = picture if isinstance(picture, bytes) else picture.read_bytes()
    width, height, lines, _info = png.Reader(io.BytesIO(data)).asRGB8()
    lit: list[set[int]] = [set() for _ in range(ROWS)]
    for y, line in enumerate(lines):
        bright = (x for x in range(width) if line[3 * x] > LIT)
        lit[y * ROWS // height].update(x * COLUMNS // width for x in bright)
    return ["".join("#" if column in row else " " for column in range(COLUMNS)).rstrip() for row in lit]


def shape_of_text(line: str) -> str:
    """What shape_of() gives for a line of that text."""
    return "".join(" " if character == " " else "#" for character in line).rstrip()


def differing(one: list[str], other: list[str]) -> int:
    """In how many places two screens differ; a blinking cursor is one."""
    return sum(
        a != b
        for first, second in zip(one, other, strict=True)
        for a, b in zip(first.ljust(COLUMNS), second.ljust(COLUMNS), strict=True)
    )
