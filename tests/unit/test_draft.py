"""A text in an editor: whatever happens, what a person wrote is kept."""

from pathlib import Path

import pytest

from vme.commands.draft import Draft, kept_on_error
from vme.errors import Failed, Interrupted, Refused


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("VISUAL", raising=False)
    return tmp_path


def edited_by(script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Draft:
    editor = tmp_path / "my editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", f"'{editor}' --wait")
    return Draft("web1.xml", "<a/>\n")


def test_only_its_owner_may_read_it(place: Path) -> None:
    draft = Draft("web1.xml", "<a/>\n")
    assert draft.path.stat().st_mode & 0o077 == 0
    assert draft.path.parent.stat().st_mode & 0o077 == 0
    assert not draft.touched
    draft.discard()
    assert list(place.iterdir()) == []


def test_the_editor_may_have_words_of_its_own(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    draft = edited_by('test "$1" = --wait && echo "<b/>" >"$2"', monkeypatch, place)
    draft.edit()
    assert draft.text == "<b/>\n"
    monkeypatch.setenv("VISUAL", "true")
    draft.edit()
    assert draft.text == "<b/>\n"


def test_with_an_error_it_is_said_where_the_text_is(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    draft = edited_by('echo mine >"$2"; exit 7', monkeypatch, place)
    with pytest.raises(Failed) as problem, kept_on_error(draft):
        draft.edit()
    assert problem.value.message == (
        f"the editor ended with exit status 7, so nothing was changed; your text is kept in {draft.path}"
    )
    assert draft.path.read_text() == "mine\n"
    with pytest.raises(Interrupted, match="interrupted; your text is kept in"), kept_on_error(draft):
        raise KeyboardInterrupt


def test_a_text_nobody_touched_is_not_kept() -> None:
    draft = Draft("web1.xml", "<a/>\n")
    with pytest.raises(Refused) as problem, kept_on_error(draft):
        raise Refused("web1", ["no"])
    assert problem.value.message == "web1: no"
    assert not draft.path.parent.exists()


def test_what_an_editor_can_do_to_a_file(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    draft = edited_by('printf "\\377" >"$2"', monkeypatch, place)
    draft.edit()
    with pytest.raises(Failed, match="not UTF-8"), kept_on_error(draft):
        _ = draft.text
    assert draft.path.exists()
    draft = edited_by('rm "$2"', monkeypatch, place)
    with pytest.raises(Failed, match="removed the file"), kept_on_error(draft):
        draft.edit()
    assert not draft.path.parent.exists()
