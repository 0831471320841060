"""Sizes and durations as people read them."""

import pytest

from vme.units import duration_text, parsed_size, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (512 * 2**20, "512 MiB"),
        (1.25 * 2**40, "1.2 TiB"),
    ],
)
def test_size(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12.4, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (59.7, "1 min 0 s")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 2**30),
        ("10G", 10 * 2**30),
        ("10GiB", 10 * 2**30),
        ("512m", 512 * 2**20),
        ("2T", 2**41),
        (" 3MB ", 3 * 2**20),
    ],
)
def test_a_size_as_a_person_writes_it(text: str, size: int) -> None:
    assert parsed_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0G", "-1", "1.5G", "1K", "1X", "G", "1 G", "٣", "1e3", "9" * 12])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parsed_size(text)
