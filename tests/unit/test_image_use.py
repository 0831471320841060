"""Who needs an image: every guest, form and snapshot that names it, under any name of the file."""

import os
from pathlib import Path, PurePosixPath

from tests.unit.made import EAST, store
from vme.actions.image_use import Kind, uses_of
from vme.fleet.definitions import Definition
from vme.store.images import create_empty, create_overlay

STORE = PurePosixPath("/srv/vme/virt-store")
VDA = STORE / "web1/web1-vda"


def domain(*disks: str) -> str:
    return f"<domain><devices>{''.join(disks)}</devices></domain>"


def disk(path: PurePosixPath | str, target: str = "vda", more: str = "") -> str:
    return f"<disk type='file'><source file='{path}'/><target dev='{target}'/>{more}</disk>"


def definition(xml: str, *more: str, name: str = "web2") -> Definition:
    return Definition(name, f"uuid-of-{name}", EAST[1], xml, more)


def kinds(tmp_path: Path, *definitions: Definition, image: PurePosixPath = VDA) -> list[Kind]:
    return [use.kind for use in uses_of(image, definitions, [store(tmp_path)])]


def test_as_a_disk_and_as_a_disk_of_the_next_start(tmp_path: Path) -> None:
    both = definition(domain(disk(VDA)), domain(disk(VDA, "vdc")))
    assert kinds(tmp_path, both) == [Kind.DISK, Kind.NEXT_START]
    assert all(kind.writes for kind in kinds(tmp_path, both))
    assert kinds(tmp_path, definition(domain(disk(STORE / "web1/web1-vdb")))) == []
    (use, _) = uses_of(VDA, [both], [store(tmp_path)])
    assert str(use) == "a disk (vda) of guest web2 on kvm02"


def test_below_a_disk_as_the_header_says(tmp_path: Path) -> None:
    here = store(tmp_path).management_path
    for name in ("web1", "web2"):
        (here / name).mkdir()
    create_empty(here / "web1/web1-vda", "qcow2", 1 << 20)
    create_overlay(here / "web2/web2-vda", "../web1/web1-vda", "qcow2", 1 << 20)
    assert kinds(tmp_path, definition(domain(disk(STORE / "web2/web2-vda")))) == [Kind.BELOW]


def test_by_another_name_of_the_same_file(tmp_path: Path) -> None:
    here = store(tmp_path).management_path
    (here / "web1").mkdir()
    (here / "web1/web1-vda").touch()
    os.link(here / "web1/web1-vda", here / "other")
    assert kinds(tmp_path, definition(domain(disk(STORE / "other")))) == [Kind.DISK]


def test_for_a_snapshot(tmp_path: Path) -> None:
    snapshot = f"<domainsnapshot><domain><devices>{disk(VDA)}</devices></domain></domainsnapshot>"
    assert kinds(tmp_path, definition(domain(), snapshot)) == [Kind.SNAPSHOT]
