"""Images and what lies below them, with real images of the real qemu-img."""

from pathlib import Path, PurePosixPath

import pytest

from tests.unit.made import store
from vme.errors import Failed
from vme.process import run
from vme.store.chain import images_below
from vme.store.images import (
    backing_of,
    begins_as_qcow2,
    copy_image,
    create_empty,
    create_overlay,
    declared_format,
    facts_of_image,
    resize_image,
    resolved_backing,
)

MIB = 1024**2


def qemu_img(*words: str | Path) -> None:
    done = run(("qemu-img", *words), timeout_s=20)
    assert done.status == 0, done.error


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.qcow2", "qcow2"), ("a.QCOW2", "qcow2"), ("a.raw", "raw"), ("a.img", "raw"), ("a", None), ("a.vmdk", None)],
)
def test_a_name_declares_its_format(name: str, form: str | None) -> None:
    assert declared_format(Path(name)) == form


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_an_empty_image(tmp_path: Path, form: str) -> None:
    create_empty(tmp_path / "x", form, 64 * MIB)
    facts = facts_of_image(tmp_path / "x", form)
    assert (facts.virtual_bytes, facts.backing, facts.data_file) == (64 * MIB, None, None)
    assert facts.allocated_bytes < MIB
    assert backing_of(tmp_path / "x") is None


def test_a_name_that_looks_like_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create_empty(Path("-f"), "raw", MIB)
    assert facts_of_image(Path("-f"), "raw").virtual_bytes == MIB


def test_an_overlay_names_its_base_and_format(tmp_path: Path) -> None:
    create_empty(tmp_path / "base.qcow2", "qcow2", 8 * MIB)
    create_overlay(tmp_path / "top", "base.qcow2", "qcow2", 16 * MIB)
    assert backing_of(tmp_path / "top") == "base.qcow2"
    assert facts_of_image(tmp_path / "top", "qcow2").backing == "base.qcow2"
    assert facts_of_image(tmp_path / "top", "qcow2").virtual_bytes == 16 * MIB
    done = run(("qemu-img", "info", tmp_path / "top"), timeout_s=20)
    assert "backing file format: qcow2" in done.output


def test_a_data_file_is_seen(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", tmp_path / "x", "1M")
    assert facts_of_image(tmp_path / "x", "qcow2").data_file == f"{tmp_path}/data"


def test_an_image_of_another_format_is_refused(tmp_path: Path) -> None:
    create_empty(tmp_path / "x", "raw", MIB)
    with pytest.raises(Failed, match=r"x can't be read as qcow2: .*not in qcow2 format"):
        facts_of_image(tmp_path / "x", "qcow2")


def test_a_raw_image_that_holds_a_qcow2_header_is_raw(tmp_path: Path) -> None:
    """A guest can write any header into its raw disk: read as raw, it names no file of the host."""
    qemu_img("create", "-q", "-f", "raw", tmp_path / "secret", "1M")
    create_overlay(tmp_path / "x", "secret", "raw", MIB)
    assert facts_of_image(tmp_path / "x", "raw").backing is None


def test_a_copy_changes_format_grows_and_tells_its_progress(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"VME!" * (MIB // 4))
    percents: list[float] = []
    copy_image(facts_of_image(tmp_path / "a.raw", "raw"), tmp_path / "b", "qcow2", 4 * MIB, percents.append)
    assert facts_of_image(tmp_path / "b", "qcow2").virtual_bytes == 4 * MIB
    assert percents[-1] == 100
    qemu_img("convert", "-f", "qcow2", "-O", "raw", tmp_path / "b", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"VME!" * (MIB // 4) + bytes(3 * MIB)


def test_a_copy_that_fails_says_what_of(tmp_path: Path) -> None:
    create_empty(tmp_path / "a", "qcow2", MIB)
    facts = facts_of_image(tmp_path / "a", "qcow2")
    with pytest.raises(Failed, match=r"copying .*/a to .*/nowhere/b: "):
        copy_image(facts, tmp_path / "nowhere/b", "raw", MIB, lambda _percent: None)


@pytest.mark.parametrize(
    ("backing", "path"),
    [
        ("base", "/srv/vme/web1/base"),
        ("../.images/base", "/srv/vme/.images/base"),
        ("/abs/base", "/abs/base"),
        ("./x/../base", "/srv/vme/web1/base"),
        ("../../../../../../etc/shadow", "/etc/shadow"),
    ],
)
def test_what_a_backing_file_s_name_means(backing: str, path: str) -> None:
    assert resolved_backing(PurePosixPath("/srv/vme/web1/web1-vda"), backing) == PurePosixPath(path)


def header(offset: int, length: int) -> bytes:
    return b"QFI\xfb" + bytes(4) + offset.to_bytes(8, "big") + length.to_bytes(4, "big")


@pytest.mark.parametrize(
    "content",
    [b"", b"QFI\xfb", header(0, 5), header(512, 0), header(512, 1024), header(2**63, 5) + bytes(600), bytes(64)],
)
def test_a_header_of_nonsense_names_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert not backing_of(tmp_path / "x")


class TestImagesBelow:
    def test_a_chain_of_three_as_the_nodes_see_it(self, tmp_path: Path) -> None:
        here = store(tmp_path)
        for name in (".images", "web1"):
            (here.management_path / name).mkdir()
        create_empty(here.management_path / ".images/base.qcow2", "qcow2", MIB)
        # The names are the nodes': absolute ones need not exist here, so qemu-img must not look (-u).
        middle, top = here.management_path / "web1/middle", here.management_path / "web1/web1-vda"
        absolute = "/srv/vme/virt-store/.images/base.qcow2"
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", absolute, "-F", "qcow2", middle, "1M")
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "middle", "-F", "qcow2", top, "1M")
        below = images_below(PurePosixPath("/srv/vme/virt-store/web1/web1-vda"), [here])
        assert [str(path) for path in below] == ["/srv/vme/virt-store/web1/middle", absolute]

    def test_it_ends_where_the_stores_end(self, tmp_path: Path) -> None:
        here = store(tmp_path)
        top = here.management_path / "top"
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "/elsewhere/base", "-F", "raw", top, "1M")
        below = images_below(PurePosixPath("/srv/vme/virt-store/top"), [here])
        assert below == (PurePosixPath("/elsewhere/base"),)
        assert images_below(PurePosixPath("/elsewhere/base"), [here]) == ()

    def test_a_circle_ends(self, tmp_path: Path) -> None:
        here = store(tmp_path)
        for name, other in (("a", "b"), ("b", "a")):
            path = here.management_path / name
            qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", other, "-F", "qcow2", path, "1M")
        below = images_below(PurePosixPath("/srv/vme/virt-store/a"), [here])
        assert [path.name for path in below] == ["b", "a"]

    def test_from_one_store_to_another(self, tmp_path: Path) -> None:
        one, two = store(tmp_path), store(tmp_path, "fast")
        top, base = two.management_path / "top", "../virt-store/base"
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", base, "-F", "qcow2", top, "1M")
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "lowest", "-F", "raw", one.management_path / "base", "1M")
        below = images_below(PurePosixPath("/srv/vme/fast/top"), iter([one, two]))
        assert [str(path) for path in below] == ["/srv/vme/virt-store/base", "/srv/vme/virt-store/lowest"]


def test_an_image_with_snapshots_is_copied_without_them(tmp_path: Path) -> None:
    create_empty(tmp_path / "a", "qcow2", MIB)
    qemu_img("snapshot", "-c", "before", tmp_path / "a")
    copy_image(facts_of_image(tmp_path / "a", "qcow2"), tmp_path / "b", "qcow2", 2 * MIB, lambda _: None)
    done = run(("qemu-img", "snapshot", "-l", tmp_path / "b"), timeout_s=20)
    assert (done.status, done.output) == (0, "")
    assert facts_of_image(tmp_path / "b", "qcow2").virtual_bytes == 2 * MIB


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_an_image_grows(tmp_path: Path, form: str) -> None:
    create_empty(tmp_path / "a", form, MIB)
    resize_image(tmp_path / "a", form, 3 * MIB)
    assert facts_of_image(tmp_path / "a", form).virtual_bytes == 3 * MIB
    assert begins_as_qcow2(tmp_path / "a") == (form == "qcow2")
