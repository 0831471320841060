"""Comparing with a golden file; VME_GOLDEN=write writes it anew, for a person to read the difference in git."""

import os
from pathlib import Path

DIRECTORY = Path(__file__).parent.parent / "golden"
DATA = Path(__file__).parent / "data"


def agrees(name: str, text: str) -> None:
    file = DIRECTORY / name
    if os.environ.get("VME_GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()
