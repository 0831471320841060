"""Numbers on a command line: what is taken, and what is said of what is not."""

import pytest

from vme.__main__ import run
from vme.commands.context import seconds


def test_a_week_is_the_longest_time() -> None:
    assert [seconds("0.5"), seconds("172800"), seconds("604800")] == [0.5, 172800.0, 604800.0]


@pytest.mark.parametrize(
    ("tool", "words", "said"),
    [
        (
            "migrate_guest",
            "web1 --time-limit 604801",
            "'604801' is not a number of seconds above 0, 604800 (7 days) at most",
        ),
        ("migrate_guest", "web1 --time-limit 0", "'0' is not a number of seconds above 0, 604800 (7 days) at most"),
        ("list_guests", "--timeout nan", "'nan' is not a number of seconds above 0, 604800 (7 days) at most"),
        ("list_guests", "--timeout x", "'x' is not a number of seconds above 0, 604800 (7 days) at most"),
        ("start_guest", "web1 --jobs x", "'x' is not a whole number above 0"),
        ("start_guest", "web1 --jobs 0", "'0' is not a whole number above 0"),
        ("history_guest", "--restore x web1", "'x' is not a whole number above 0"),
        (
            "history_guest",
            "--diff 2 web1",
            "'web1' is no number of a version: the guest comes before --diff, versions after it",
        ),
    ],
)
def test_what_is_no_number_is_said_in_our_words(
    tool: str, words: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vme.__main__._misused", lambda _command, _words, status: status)
    assert run(tool, words.split()) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(f": {said}")
