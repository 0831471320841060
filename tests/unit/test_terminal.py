"""Programs that have the user's terminal."""

import signal
import sys

import pytest

from vme.errors import Failed
from vme.process import run_on_terminal


def test_the_status_of_a_program_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "own")
    ask = (sys.executable, "-c", "import os; raise SystemExit(7 if os.environ.get('SOMETHING') == 'own' else 8)")
    assert run_on_terminal(ask, own_environment=True) == 7
    assert run_on_terminal(ask) == 8
    assert run_on_terminal(("sh", "-c", "kill -9 $$")) == -9


def test_ctrl_c_is_the_programs_and_afterwards_ours_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    # The program takes SIGINT as it would anywhere, and we, its parent, get it too and live on.
    assert run_on_terminal(("sh", "-c", "kill -INT $PPID; kill -INT $$")) == -signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Failed, match="no-such-editor is not installed"):
        run_on_terminal(("no-such-editor", "file"))
