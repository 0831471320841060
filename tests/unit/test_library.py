"""The image library's files: checksums as sha256sum writes them, copies that keep holes and bytes."""

import hashlib
from pathlib import Path

import pytest

from vme.actions.library import Checksum, parse_checksum
from vme.errors import Misused
from vme.process import run
from vme.store.library import checksum_of, copy_and_digest, record_checksum, recorded_checksum


def test_a_copy_is_the_same_and_its_digests_are_of_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.write(b"first")
        file.truncate(20 << 20)
        file.seek(9 << 20)
        file.write(b"last")
    seen: list[int] = []
    digests = copy_and_digest(source, tmp_path / "copy", ["sha256", "sha512"], seen.append)
    data = source.read_bytes()
    assert (tmp_path / "copy").read_bytes() == data
    assert digests == {name: hashlib.new(name, data).hexdigest() for name in ("sha256", "sha512")}
    assert seen[-1] == len(data)
    assert (tmp_path / "copy").stat().st_blocks * 512 < len(data)
    assert checksum_of(tmp_path / "copy", lambda _: None) == digests["sha256"]
    with pytest.raises(FileExistsError):
        copy_and_digest(source, tmp_path / "copy", ["sha256"], seen.append)


def test_what_is_recorded_is_what_sha256sum_reads(tmp_path: Path) -> None:
    image = tmp_path / "debian-12.qcow2"
    image.write_bytes(b"data")
    assert recorded_checksum(image) is None
    record_checksum(image, hashlib.sha256(b"data").hexdigest())
    assert recorded_checksum(image) == hashlib.sha256(b"data").hexdigest()
    done = run(("sh", "-c", 'cd "$1" && sha256sum -c debian-12.qcow2.sha256', "sh", tmp_path), timeout_s=20)
    assert done.output == "debian-12.qcow2: OK\n"


@pytest.mark.parametrize("text", ["", "no checksum", f"{'0' * 64}  another.qcow2", f"{'g' * 64}  debian.qcow2"])
def test_a_record_of_another_image_or_of_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "debian.qcow2.sha256").write_text(text)
    assert recorded_checksum(tmp_path / "debian.qcow2") is None


def test_a_checksum_as_published() -> None:
    assert parse_checksum(f"sha256:{'A' * 64}") == Checksum("sha256", "a" * 64)
    assert parse_checksum(f" sha512: {'0' * 128} ").algorithm == "sha512"


@pytest.mark.parametrize(
    "text", ["", "sha256", "sha256:", f"md5:{'0' * 32}", f"sha256:{'0' * 63}", f"sha256:{'٣' * 64}"]
)
def test_what_is_no_checksum(text: str) -> None:
    with pytest.raises(Misused, match="is not a checksum"):
        parse_checksum(text)
