"""Every code of a reason against a move is one that the documentation knows."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_each_code_of_a_reason_is_in_the_documentation() -> None:
    sources = (ROOT / "src/vme/actions/migrate").rglob("*.py")
    codes = {code for file in sources for code in re.findall(r'\bReason\(\s*"([a-z-]+)"', file.read_text())}
    documented = set(re.findall(r"`([a-z-]+)`", (ROOT / "docs/migrate.md").read_text()))
    assert len(codes) > 30
    assert codes <= documented
