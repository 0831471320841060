"""What a move to another store rests on: paths in XML, copies with holes, and which of two directories goes."""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from vme.actions.migrate.live import progress_words
from vme.actions.migrate.storage.clear import bring_history, put_old_away, take_back
from vme.actions.migrate.storage.lay_out import changed_since
from vme.actions.migrate.storage.route import Route
from vme.config import Store
from vme.errors import Failed
from vme.hypervisor.migration import JobProgress
from vme.hypervisor.moved_xml import moved_xml
from vme.store.sparse_copy import copy_sparse

OLD, NEW = PurePosixPath("/srv/vme"), PurePosixPath("/srv/other")
XML = """<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
<description>/srv/vme/web1 is mine</description><os><nvram>/srv/vme/web1/web1_VARS.fd</nvram></os><devices>
<disk type="file"><source file="/srv/vme/web1/web1-vda"/><backingStore type="file"><source file="/srv/vme/.images/a"/>
</backingStore><target dev="vda"/></disk>
<disk type="file"><source file="/srv/vmeX/b"/><target dev="vdb"/></disk></devices>
<qemu:commandline><qemu:arg value="-foo"/></qemu:commandline></domain>"""


def test_paths_below_a_store_and_no_others_are_those_of_the_new_one() -> None:
    xml = moved_xml(XML, OLD, NEW, ["vda"])
    assert "/srv/other/web1/web1-vda" in xml
    assert ">/srv/other/web1/web1_VARS.fd<" in xml
    assert "/srv/vme/web1 is mine" in xml
    assert "/srv/vmeX/b" in xml
    assert ".images" not in xml
    assert "<backingStore />" in xml
    assert '<qemu:arg value="-foo" />' in xml


def test_a_copy_has_the_holes_and_the_data(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.seek(5_000_001)
        file.write(b"data")
        file.truncate(40_000_003)
    told: list[int] = []
    copy_sparse(source, target, told.append)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < 2_000_000
    assert 4 <= sum(told) <= 40_000_003
    with pytest.raises(FileExistsError):
        copy_sparse(source, target, told.append)


@pytest.fixture
def route(tmp_path: Path) -> Route:
    homes = []
    for zone in ("east", "west"):
        (tmp_path / zone / "web1").mkdir(parents=True)
        homes.append(Store("store", zone, OLD, tmp_path / zone, shared=False))
    return Route("web1", *homes)


def test_neither_end_is_cleared_while_the_other_lacks_a_file(route: Route) -> None:
    (route.new_directory / "web1-vda").write_text("copy")
    with pytest.raises(Failed, match="is kept, because web1-vda is not in"):
        take_back(route, ["web1-vda"])
    assert (route.new_directory / "web1-vda").exists()
    (route.new_directory / "web1-vda").rename(route.directory / "web1-vda")
    with pytest.raises(Failed, match="is kept, because web1-vda is not in"):
        put_old_away(route, ["web1-vda"], [route.home])
    assert (route.directory / "web1-vda").exists()


def test_what_is_taken_back_is_what_was_made(route: Route) -> None:
    for directory in (route.directory, route.new_directory):
        (directory / "web1-vda").write_text("image")
    (route.new_directory / "notes").write_text("not ours")
    assert "left there: 'notes'" in take_back(route, ["web1-vda"])
    assert [path.name for path in route.new_directory.iterdir()] == ["notes"]
    (route.new_directory / "notes").unlink()
    assert "was removed" in take_back(route, ["web1-vda"])
    assert not route.new_directory.exists()
    assert "nothing was made" in take_back(route, ["web1-vda"])


def test_a_store_that_is_not_mounted_is_not_taken_for_an_empty_one(route: Route) -> None:
    for directory in (route.directory, route.new_directory):
        (directory / "web1-vda").write_text("image")
    _refused_without(route.new_home, lambda: take_back(route, ["web1-vda"]))
    _refused_without(route.home, lambda: put_old_away(route, ["web1-vda"], [route.home]))
    _refused_without(route.home, lambda: bring_history(route, [route.home], [route.new_home]))
    assert (route.directory / "web1-vda").exists()
    assert (route.new_directory / "web1-vda").exists()


def _refused_without(store: Store, deed: Callable[[], object]) -> None:
    away = store.management_path.with_name("away")
    store.management_path.rename(away)
    with pytest.raises(Failed, match=f"virt-store store of zone {store.zone} .* is not there"):
        deed()
    away.rename(store.management_path)


def test_what_was_written_to_after_the_copy_is_noticed(route: Route) -> None:
    for directory in (route.directory, route.new_directory):
        (directory / "web1-vda").write_text("image")
        os.utime(directory / "web1-vda", ns=(1, 1_000_000))
    assert changed_since(route, ["web1-vda"]) == []
    os.utime(route.directory / "web1-vda", ns=(1, 3_000_000))
    assert changed_since(route, ["web1-vda"]) == ["web1-vda"]


def test_disks_come_before_the_memory_in_what_is_told() -> None:
    job = JobProgress(0, 0, 0, 0, 2.0, 0, disk_total_bytes=4 * 1024**2, disk_remaining_bytes=1024**2)
    assert job.percent == 75
    assert progress_words(job).startswith("copies its disks, 3 MiB of 4 MiB, 2 MB/s, about 0.7 s left")
    assert job.passed_bytes == 3 * 1024**2
