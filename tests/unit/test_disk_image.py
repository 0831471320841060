"""A new disk's image, made in a directory in which QEMU's user may do what he likes."""

import os
from pathlib import Path, PurePosixPath

import pytest

from vme.actions.disk_image import DiskImage, fill, reserve
from vme.errors import Failed
from vme.store.images import check_image, facts_of_image

GIB = 1024**3


def image(tmp_path: Path, form: str = "qcow2") -> DiskImage:
    return DiskImage(tmp_path / "web1-vdb", PurePosixPath("/srv/vme/x/web1-vdb"), form, 3 * GIB, is_new=True)


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_it_is_made_and_empty(tmp_path: Path, form: str) -> None:
    one = image(tmp_path, form)
    reserve(one)
    fill(one)
    facts = facts_of_image(one.here, form)
    assert (facts.virtual_bytes, facts.backing, facts.data_file) == (3 * GIB, None, None)
    assert one.here.stat().st_mode & 0o777 == 0o600
    if form == "qcow2":
        check_image(one.here, form)


def test_what_has_come_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    one = image(tmp_path)
    (tmp_path / "victim").write_text("")
    one.here.symlink_to("victim")
    with pytest.raises(OSError, match="symbolic links"):
        fill(one)
    one.here.unlink()
    one.here.write_text("somebody's")
    with pytest.raises(Failed, match="is not the file that was made for it"):
        fill(one)
    one.here.unlink()
    os.mkfifo(one.here)
    with pytest.raises((Failed, OSError)):
        fill(one)
    assert (tmp_path / "victim").read_text() == ""
