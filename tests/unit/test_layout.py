"""The two views of a path on a virt-store."""

from pathlib import Path, PurePosixPath

import pytest

from tests.unit.made import store
from vme.store.layout import guest_directory, image_name, saved_xml_file, seen_by_nodes, seen_here


def test_where_a_guest_s_files_are(tmp_path: Path) -> None:
    here = store(tmp_path)
    assert guest_directory(here, "web1") == here.management_path / "web1"
    assert saved_xml_file(here, "web1") == here.management_path / "web1/web1.xml"
    assert image_name("web1", "vda") == "web1-vda"


def test_there_and_back(tmp_path: Path) -> None:
    here = store(tmp_path)
    path = guest_directory(here, "web1") / "web1-vda"
    assert seen_by_nodes(here, path) == PurePosixPath("/srv/vme/virt-store/web1/web1-vda")
    assert seen_here(here, seen_by_nodes(here, path)) == path


@pytest.mark.parametrize(
    "path", ["/srv/vme/virt-store2/x", "/srv/vme", "/", "x", "/srv/vme/virt-store/../../../etc/shadow"]
)
def test_what_is_not_on_the_store_is_not_seen(tmp_path: Path, path: str) -> None:
    assert seen_here(store(tmp_path), PurePosixPath(path)) is None


def test_a_path_outside_has_no_name_on_the_nodes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not in the subpath"):
        seen_by_nodes(store(tmp_path), tmp_path / "elsewhere")
