"""A guest on two nodes: one that is being moved is nobody's stray, and who moves it is what its next tool is told."""

from argparse import Namespace
from pathlib import Path
from typing import NoReturn

import pytest

from tests.unit.made import config
from vme.commands.context import Context, the_guest
from vme.errors import Ambiguous, Refused
from vme.fleet import locate
from vme.journal.entry import Intent, opening_line, step_line
from vme.store.layout import journal_file

WORDS = Namespace(timeout=1.0)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    def twice(*_words: object, by_library: bool) -> NoReturn:
        problem = locate.Twins("on more than one node: web1", hint="undefine the one that should not be")
        problem.names = ("web1",)
        raise problem

    monkeypatch.setattr(locate, "locate_selected", twice)
    return Context(config(tmp_path), "start_guest", quiet=False)


def test_without_an_entry_a_person_is_told_of_both(context: Context) -> None:
    with pytest.raises(Ambiguous, match="on more than one node"):
        the_guest("web1", WORDS, context)


def test_with_one_of_a_move_it_is_that_move_and_nothing_is_to_be_undefined(context: Context) -> None:
    entry = journal_file(context.config.zone("east").stores[0], "web1")
    entry.parent.mkdir(parents=True)
    entry.write_text(opening_line(Intent("migrate_guest", "web1", "east")) + step_line("undefining it", {}))
    with pytest.raises(Refused, match=r"earlier work on it is not finished .*: migrate_guest web1 by") as refused:
        the_guest("web1", WORDS, context)
    assert "should not be" not in str(refused.value.hint)
    with pytest.raises(Ambiguous):
        the_guest("web1", WORDS, context, reading=True)
