"""What info_guest reads on the store itself."""

import os
from pathlib import Path

import pytest

from tests.unit.made import disk, guest, store
from vme.actions.inspect import _saved_xml, chain_of


def test_the_chain_that_libvirt_tells_counts(tmp_path: Path) -> None:
    here = (store(tmp_path),)
    assert chain_of(disk("/x", backing=("/a", "/b")), here) == ("/a", "/b")
    assert chain_of(disk(None), here) == ()
    assert chain_of(disk("/srv/vme/virt-store/gone"), here) == ()


def test_the_saved_xml_and_names_that_must_not_become_paths(tmp_path: Path) -> None:
    here = store(tmp_path)
    (here.management_path / "web1").mkdir()
    assert _saved_xml(guest(), (here,)) is None
    (here.management_path / "web1/web1.xml").touch()
    assert _saved_xml(guest(), (here,)) == f"{here.management_path}/web1/web1.xml"
    (here.management_path.parent / "...xml").touch()
    assert _saved_xml(guest(".."), (here,)) is None


def test_who_may_not_read_the_store_is_told_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_words: object, **_more: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")  # a guest's directory has mode 0750

    monkeypatch.setattr(Path, "stat", denied)
    here = store(tmp_path)
    assert _saved_xml(guest(), (here,)) is None
    assert chain_of(disk("/srv/vme/virt-store/web1/web1-vda"), (here,)) == ()
