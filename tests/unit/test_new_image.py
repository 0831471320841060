"""The image a new guest gets: every reason against one, with real images."""

import shutil
from pathlib import Path

import pytest

from tests.unit.made import store
from vme.actions.new_image import ImagePlan, as_overlay, find_source, make_image, plan_image, reasons_against
from vme.config import Store
from vme.errors import Misused
from vme.process import run
from vme.store.images import create_empty, create_overlay, facts_of_image

GIB, MIB = 1024**3, 1024**2


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images made once, to be copied: qemu-img takes its time."""
    made = tmp_path_factory.mktemp("library")
    create_empty(made / "small.qcow2", "qcow2", 64 * MIB)
    create_empty(made / "big.qcow2", "qcow2", 3 * GIB)
    create_empty(made / "both.qcow2", "qcow2", 2 * MIB)
    create_overlay(made / "overlay.qcow2", "small.qcow2", "qcow2", 64 * MIB)
    for name in ("plain.img", "both.raw", "wrong.qcow2", "odd"):
        (made / name).write_bytes(bytes(MIB))
    return made


@pytest.fixture
def here(tmp_path: Path, library: Path) -> Store:
    made = store(tmp_path)
    shutil.copytree(library, made.management_path / ".images")
    (made.management_path / "web1").mkdir()
    return made


def plan(
    here: Store, image: str | None, *, linked: bool = False, form: str = "qcow2", disk_gib: int | None = None
) -> tuple[ImagePlan, list[str]]:
    source = None if image is None else find_source(image, here, form)
    made = plan_image(here.management_path / "web1/web1-vda", form, disk_gib, 8, source)
    reasons = [] if source is None else reasons_against(source, disk_gib)
    if linked:
        made, more = as_overlay(made, here)
        reasons += more
    return made, reasons


@pytest.mark.parametrize(("disk_gib", "gib"), [(None, 8), (20, 20)])
def test_empty(here: Store, disk_gib: int | None, gib: int) -> None:
    made, reasons = plan(here, None, form="raw", disk_gib=disk_gib)
    assert (made.path, made.format, made.size_bytes) == (here.management_path / "web1/web1-vda", "raw", gib * GIB)
    assert reasons == []
    assert made.needed_bytes == MIB
    assert str(made).endswith(f"web1-vda (raw, {gib} GiB, empty)")


@pytest.mark.parametrize(
    ("image", "found"),
    [("small", "small.qcow2"), ("small.qcow2", "small.qcow2"), ("plain", "plain.img"), ("both", "both.qcow2")],
)
def test_a_copy_of_an_image_of_the_library(here: Store, image: str, found: str) -> None:
    made, reasons = plan(here, image)
    assert reasons == []
    assert made.source is not None
    assert made.source.path == here.management_path / ".images" / found
    assert made.size_bytes == made.source.virtual_bytes
    make_image(made, lambda _percent, _words: None)
    assert facts_of_image(made.path, "qcow2").virtual_bytes == made.size_bytes


def test_a_copy_grows_but_never_shrinks(here: Store) -> None:
    assert plan(here, "small", disk_gib=1)[0].size_bytes == GIB
    made, reasons = plan(here, "big", disk_gib=2)
    assert made.size_bytes == 3 * GIB
    (reason,) = reasons
    assert reason.startswith("a disk of 2 GiB is smaller than ")
    assert reason.endswith("which has 3 GiB")


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_the_copy_of_a_compressed_image_takes_what_it_holds(here: Store, form: str) -> None:
    """Cloud images are compressed: the file is a fraction of what its copy takes from the store."""
    (here.management_path / "data.raw").write_bytes(b"VME!" * MIB)
    library = here.management_path / ".images"
    argv = ("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2")
    assert run((*argv, here.management_path / "data.raw", library / "cloud.qcow2"), timeout_s=20).status == 0
    made, reasons = plan(here, "cloud", form=form)
    assert reasons == []
    assert made.source is not None
    assert made.source.allocated_bytes < MIB
    assert made.needed_bytes >= 4 * MIB
    make_image(made, lambda _percent, _words: None)
    assert facts_of_image(made.path, form).allocated_bytes <= made.needed_bytes


def test_an_overlay_names_its_base_so_that_nodes_find_it(here: Store) -> None:
    made, reasons = plan(here, "small", linked=True)
    assert reasons == []
    assert made.base == "../.images/small.qcow2"
    assert made.needed_bytes == MIB
    assert "overlay on" in str(made)
    make_image(made, lambda _percent, _words: None)
    assert facts_of_image(made.path, "qcow2").backing == "../.images/small.qcow2"


def test_an_overlay_on_what_nodes_do_not_see(here: Store, tmp_path: Path) -> None:
    create_empty(tmp_path / "mine.qcow2", "qcow2", MIB)
    _, reasons = plan(here, str(tmp_path / "mine.qcow2"), linked=True)
    assert "is not on virt-store virt-store" in reasons[0]
    assert plan(here, str(tmp_path / "mine.qcow2"))[1] == []
    round_about = f"{here.management_path}/../../mine.qcow2"
    assert "is not on virt-store virt-store" in plan(here, round_about, linked=True)[1][0]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("nothing", "there is no image {library}/nothing.qcow2"),
        ("nothing.raw", "there is no image {library}/nothing.raw"),
        ("/nowhere/x.qcow2", "there is no image /nowhere/x.qcow2"),
        ("overlay", "has a backing file ('small.qcow2'), which an image to copy must not have"),
        ("{library}/odd", "does not say its format by its name"),
        ("{library}/wrong.qcow2", "can't be read as qcow2"),
        ("split", "keeps its data in another file"),
        ("{library}", "there is no image"),
    ],
)
def test_an_image_that_can_t_be_used(here: Store, image: str, says: str) -> None:
    library = here.management_path / ".images"
    if image == "split":
        option = f"data_file={library}/split.data"
        argv = ("qemu-img", "create", "-q", "-f", "qcow2", "-o", option, library / "split.qcow2", "1M")
        assert run(argv, timeout_s=20).status == 0
    _, reasons = plan(here, image.format(library=library))
    assert says.format(library=library) in reasons[0]
    assert len(reasons) == 1


@pytest.mark.parametrize("image", ["-h", "..", "a b", "$(id)", ""])
def test_a_name_that_is_none(here: Store, image: str) -> None:
    with pytest.raises(Misused, match="can't be the name of an image"):
        plan(here, image)
