"""Proof that a store is there: mount points from a captured /proc/self/mounts, and the looks at real directories."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.golden import DATA
from tests.unit.made import store
from vme.store.nonce import put_nonce, take_nonce
from vme.store.proof import MARGIN_BYTES, free_space, mount_point_of, reasons_not_usable

MOUNTS = (DATA / "mounts-management-server").read_text()


@pytest.mark.parametrize(
    ("path", "point"),
    [
        ("/srv/vme/east/virt-store", "/srv/vme/east"),
        ("/srv/vme/east", "/srv/vme/east"),
        ("/srv/vme/east/virt-store/deep/x", "/srv/vme/east/virt-store/deep"),
        ("/srv/vme/east2/virt-store", "/"),
        ("/srv/vme/west/virt-store", "/"),
        ("/srv/with blank\\040and\ttab/x", "/srv/with blank\\040and\ttab"),
        ("/run/x", "/run"),
    ],
)
def test_mount_point(path: str, point: str) -> None:
    assert mount_point_of(Path(path), MOUNTS) == Path(point)


def test_this_machine_s_own_mounts() -> None:
    assert mount_point_of(Path("/proc/self/mounts")) == Path("/proc")
    assert mount_point_of(Path("/nowhere"), "") == Path("/")


def test_a_directory_on_the_root_disk_is_no_mounted_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vme.store.proof.mount_point_of", lambda _path: Path("/"))
    (reason,) = reasons_not_usable(store(tmp_path), 0, timeout_s=20)
    assert "not mounted: it lies on this server's root file system" in reason
    assert reasons_not_usable(store(tmp_path, shared=False), 0, timeout_s=20) == []


def test_a_store_that_is_missing_or_a_file(tmp_path: Path) -> None:
    here = replace(store(tmp_path), management_path=tmp_path / "gone")
    (reason,) = reasons_not_usable(here, 0, timeout_s=20)
    assert "virt-store virt-store of zone east" in reason
    assert "is not there: No such file or directory; is it mounted?" in reason
    (tmp_path / "gone").touch()
    (reason,) = reasons_not_usable(here, 0, timeout_s=20)
    assert reason.endswith("is not a directory")


def test_a_store_without_room(tmp_path: Path) -> None:
    here = store(tmp_path, shared=False)
    free = free_space(here.management_path)
    assert reasons_not_usable(here, free // 2 - MARGIN_BYTES, timeout_s=20) == []
    (reason,) = reasons_not_usable(here, 2 * free, timeout_s=20)
    assert " is full: " in reason
    assert f"{(2 * free + MARGIN_BYTES) >> 20} MiB are needed" in reason


def test_a_store_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vme.programs.SYSTEM_PATH", str(tmp_path))
    (tmp_path / "stat").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "stat").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (reason,) = reasons_not_usable(store(tmp_path), 0, timeout_s=0.1)
    assert "hangs: no answer within 0.1 s" in reason


def test_files_of_proofs_that_were_killed_go_after_an_hour(tmp_path: Path) -> None:
    here = store(tmp_path)
    old, young = (put_nonce(here) for _ in range(2))
    for nonce, age_s in ((old, 4000), (young, 3000)):
        file = here.management_path / ".vme/nonce" / nonce.path.name
        then = file.stat().st_mtime - age_s
        os.utime(file, (then, then))
    take_nonce(put_nonce(here))
    assert [file.name for file in (here.management_path / ".vme/nonce").iterdir()] == [young.path.name]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_nonce_is_for_every_node_to_read(tmp_path: Path, umask: int) -> None:
    here = store(tmp_path)
    before = os.umask(umask)
    try:
        nonce = put_nonce(here)
    finally:
        os.umask(before)
    file = here.management_path / ".vme/nonce" / nonce.path.name
    assert (file.read_text(), file.stat().st_mode & 0o777) == (nonce.text, 0o644)
    take_nonce(nonce)
    assert not file.exists()


def test_a_nonce_is_put_on_no_store_that_is_not_there(tmp_path: Path) -> None:
    gone = replace(store(tmp_path), management_path=tmp_path / "gone")
    assert put_nonce(gone).problem == "No such file or directory"
    assert not (tmp_path / "gone").exists()
