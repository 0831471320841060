"""Progress where there is no terminal: a line now and then, on stderr."""

import time

import pytest

from vme.progress import shown_progress


def test_a_line_every_five_seconds_at_most(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    with shown_progress("web1 to kvm02", quiet=False) as advance:
        for second in range(13):
            now_s[0] = 100.0 + second
            advance(second * 8.4, "10 MB/s" if second < 10 else "")
    said = capsys.readouterr()
    assert said.err.splitlines() == ["web1 to kvm02: 42 %  10 MB/s", "web1 to kvm02: 84 %"]
    assert said.out == ""


def test_quiet_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with shown_progress("x", quiet=True) as advance:
        monkeypatch.setattr(time, "monotonic", lambda: 1e9)
        advance(50, "words")
    assert capsys.readouterr() == ("", "")
