"""Images that lead to files of this server: refused before root reads them. With real images of the real qemu-img."""

import os
from pathlib import Path

import pytest

from tests.unit.made import store
from vme.config import Store
from vme.errors import Failed
from vme.process import run
from vme.store.confined import reasons_leading_out, refuse_leading_out
from vme.store.sparse_copy import copy_sparse


@pytest.fixture
def here(tmp_path: Path) -> Store:
    """A store with a guest's directory; beside it is a secret of this server's."""
    one = store(tmp_path)
    (one.management_path / "web1").mkdir()
    (tmp_path / "secret").write_bytes(b"s" * 65536)
    return one


def image(here: Store, name: str, *words: str | Path, form: str = "qcow2") -> Path:
    path = here.management_path / "web1" / name
    done = run(("qemu-img", "create", "-q", "-f", form, *words, path, "64k"), timeout_s=20)
    assert done.status == 0, done.error
    return path


def test_an_image_and_those_below_it_on_the_stores(here: Store, tmp_path: Path) -> None:
    other = store(tmp_path, "second")
    run(("qemu-img", "create", "-q", "-f", "raw", other.management_path / "base", "64k"), timeout_s=20)
    middle = image(here, "middle", "-b", other.management_path / "base", "-F", "raw")
    top = image(here, "top", "-b", middle.name, "-F", "qcow2")
    assert reasons_leading_out(top, "qcow2", [here, other]) == []
    assert reasons_leading_out(image(here, "plain", form="raw"), "raw", [here]) == []
    refuse_leading_out(top, "qcow2", [here, other])
    (reason,) = reasons_leading_out(top, "qcow2", [here])
    assert reason == f"{other.management_path}/base (below {top}) is on no virt-store of its zone"


def test_what_leads_out(here: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    over = image(here, "over", "-b", secret, "-F", "raw")
    beside = image(here, "beside", "-o", f"data_file={tmp_path}/data")
    web = image(here, "web", "-u", "-b", "nbd://10.0.0.1/x", "-F", "raw")
    as_json = image(
        here, "json", "-u", "-b", 'json:{"driver":"raw","file":{"driver":"file","filename":"/x"}}', "-F", "raw"
    )
    above = image(here, "above", "-u", "-b", "../../../secret", "-F", "raw")
    link, pipe = here.management_path / "web1/link", here.management_path / "web1/pipe"
    link.symlink_to(secret)
    os.mkfifo(pipe)
    (here.management_path / "away").symlink_to(tmp_path)
    for path, form, reason in (
        (over, "qcow2", f"{secret} (below {over}) is on no virt-store of its zone"),
        (beside, "qcow2", "keeps its data in another file"),
        (web, "qcow2", "has a backing file that is no plain path"),
        (as_json, "qcow2", "has a backing file that is no plain path"),
        (above, "qcow2", "is on no virt-store of its zone"),
        (link, "raw", f"{link} is no plain file"),
        (pipe, "raw", f"{pipe} is no plain file"),
        (here.management_path / "away/secret", "raw", "is on no virt-store of its zone"),
        (here.management_path / "web1/gone", "raw", "can't be read: No such file or directory"),
        (over, "vmdk", "is vmdk"),
    ):
        (said,) = reasons_leading_out(path, form, [here])
        assert reason in said
        with pytest.raises(Failed):
            refuse_leading_out(path, form, [here])


def test_what_a_guest_writes_to_a_raw_image_leads_nowhere(here: Store, tmp_path: Path) -> None:
    disguised = image(here, "over", "-b", tmp_path / "secret", "-F", "raw")
    assert reasons_leading_out(disguised, "raw", [here]) == []


def test_images_that_lie_below_each_other(here: Store) -> None:
    one = image(here, "one", "-u", "-b", "two", "-F", "qcow2")
    image(here, "two", "-u", "-b", "one", "-F", "qcow2")
    (said,) = reasons_leading_out(one, "qcow2", [here])
    assert "more than" in said


def test_a_link_is_not_copied(here: Store, tmp_path: Path) -> None:
    link = here.management_path / "web1/link"
    link.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        copy_sparse(link, tmp_path / "copy", lambda _bytes: None)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Failed, match="is no plain file any more"):
        copy_sparse(tmp_path / "pipe", tmp_path / "copy", lambda _bytes: None)
    assert not (tmp_path / "copy").exists()
