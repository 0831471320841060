"""image_add and image_list: an image is in the library whole and checked, or not at all."""

import hashlib
import json
import signal
from collections.abc import Iterator

import pytest

from lab.place import CHECKOUT
from tests.lab.vme import Vme, eventually

LIBRARY = "/srv/vme/east/virt-store/.images"
MAKE = """
    cd /tmp
    qemu-img create -q -f qcow2 plain.qcow2 2G
    qemu-img create -q -f qcow2 -b /etc/passwd -F raw overlay.qcow2 1M
    qemu-img create -q -f qcow2 -o data_file=/tmp/data.raw,data_file_raw=on data.qcow2 1M
    cp plain.qcow2 ubuntu.img; cp plain.qcow2 unnamed
    echo no image >broken.qcow2
    truncate -s 5M holes.raw; echo data | dd of=holes.raw bs=1M seek=3 conv=notrunc status=none
"""


@pytest.fixture(autouse=True)
def library_as_before(vme: Vme) -> Iterator[None]:
    """Files to add; and at the end the library has the lab's own image alone."""
    vme.on("mgmt", "sh", "-c", MAKE)
    yield
    vme.on("mgmt", "find", LIBRARY, "-mindepth", "1", "!", "-name", "tiny.qcow2", "-delete")


def library(vme: Vme) -> list[str]:
    return sorted(vme.on("mgmt", "ls", "-A", LIBRARY).split())


def add(vme: Vme, *words: str, status: int = 0) -> str:
    done = vme.tool("image_add", "--zone", "east", *words, status=status)
    return done.stdout if status == 0 else done.stderr


def test_an_image_is_added_listed_verified_and_used(vme: Vme) -> None:
    bytes_sum = vme.on("mgmt", "sha512sum", f"{LIBRARY}/tiny.qcow2").split()[0]
    assert "checked against sha512" in add(
        vme, f"{LIBRARY}/tiny.qcow2", "small-1.0", "--checksum", f"sha512:{bytes_sum.upper()}", "--dry-run"
    )
    assert library(vme) == ["tiny.qcow2"]
    said = add(vme, f"{LIBRARY}/tiny.qcow2", "small-1.0", "--checksum", f"sha512:{bytes_sum}")
    assert said == f"image small-1.0: added to {LIBRARY} (64 MiB, checksum as given)\n"
    assert library(vme) == ["small-1.0.qcow2", "small-1.0.qcow2.sha256", "tiny.qcow2"]
    assert "small-1.0.qcow2: OK" in vme.on("mgmt", "sh", "-c", f"cd {LIBRARY} && sha256sum -c small-1.0.qcow2.sha256")
    assert vme.on("mgmt", "stat", "-c", "%U %a", f"{LIBRARY}/small-1.0.qcow2").strip() == "root 644"
    listed = {(image["zone"], image["name"]): image for image in vme.json("image_list", "--verify")}
    assert {key: image["checksum"] for key, image in listed.items()} == {
        ("east", "small-1.0"): "ok",
        ("east", "tiny"): "none",
        ("west", "tiny"): "none",
    }
    assert listed["east", "small-1.0"]["virtual_bytes"] == 64 << 20
    vme.tool("create_guest", "web1", "-s", "kvm01", "--image", "small-1.0", "--linked", "--start")
    assert vme.count(vme.address("web1"))


def test_a_raw_image_keeps_its_holes_and_its_bytes(vme: Vme) -> None:
    add(vme, "/tmp/holes.raw")
    vme.on("mgmt", "cmp", "/tmp/holes.raw", f"{LIBRARY}/holes.raw")
    assert int(vme.on("mgmt", "stat", "-c", "%b", f"{LIBRARY}/holes.raw")) * 512 < 4 << 20
    (image,) = [image for image in vme.json("image_list", "--zone", "east", "--verify") if image["name"] == "holes"]
    assert (image["format"], image["virtual_bytes"], image["checksum"]) == ("raw", 5 << 20, "ok")


def test_what_must_not_come_in(vme: Vme) -> None:
    wrong = hashlib.sha256(b"another").hexdigest()
    for words, reason in {
        ("/tmp/nothing.qcow2",): "there is no file /tmp/nothing.qcow2",
        ("/tmp",): "there is no file /tmp",
        ("/tmp/overlay.qcow2",): "has a backing file ('/etc/passwd')",
        ("/tmp/data.qcow2",): "keeps its data in another file",
        ("/tmp/unnamed",): "does not say its format by its name",
        ("/tmp/broken.qcow2",): "can't be read as qcow2",
        ("/tmp/ubuntu.img",): "is raw by its name, but begins as qcow2 does",
        ("/tmp/plain.qcow2", "tiny"): "tiny.qcow2 is there already: guests may lie on it, so it is never replaced",
        ("/tmp/holes.raw", "tiny"): "tiny.qcow2 is there already",
    }.items():
        assert reason in add(vme, *words, status=3)
    said = add(vme, "/tmp/plain.qcow2", "--checksum", f"sha256:{wrong}", status=1)
    assert f"not {wrong}: it was not added" in said
    for words in (
        ("/tmp/plain.qcow2", "../x"),
        ("/tmp/plain.qcow2", "--checksum", "md5:0"),
        ("/tmp/plain.qcow2", "--checksum", "sha256:12"),
        ("/tmp/plain.qcow2", "--checksum", f"sha256:{wrong[:-1]}g"),
    ):
        add(vme, *words, status=2)
    assert "name one with --zone (east, west)" in vme.tool("image_add", "/tmp/plain.qcow2", status=2).stderr
    assert library(vme) == ["tiny.qcow2"]
    add(vme, "/tmp/ubuntu.img", "-t", "qcow2")
    assert library(vme) == ["tiny.qcow2", "ubuntu.qcow2", "ubuntu.qcow2.sha256"]


def test_one_that_changed_is_found_out(vme: Vme) -> None:
    add(vme, "/tmp/plain.qcow2")
    vme.on("mgmt", "sh", "-c", f"printf x | dd of={LIBRARY}/plain.qcow2 bs=1 seek=5000 conv=notrunc status=none")
    assert "recorded" in vme.tool("image_list", "--zone", "east").stdout
    done = vme.tool("image_list", "--zone", "east", "--verify", status=1)
    assert "differs" in done.stdout
    assert "changed since they were added: plain (east)" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_in_the_middle_leaves_nothing(vme: Vme, number: signal.Signals) -> None:
    vme.on("mgmt", "dd", "if=/dev/urandom", "of=/tmp/large.raw", "bs=1M", "count=700", "status=none")
    process = vme.begin("image_add", "--zone", "east", "/tmp/large.raw")
    eventually(lambda: any(name.startswith(".large") for name in library(vme)), "the copy has begun")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    vme.on("mgmt", "rm", "/tmp/large.raw")
    assert process.returncode == 130, said
    assert "image large: interrupted; everything was undone" in said
    assert library(vme) == ["tiny.qcow2"]


def test_of_two_of_one_name_at_the_same_moment_one_stays(vme: Vme) -> None:
    both = [vme.begin("image_add", "--zone", "east", "/tmp/plain.qcow2", "same") for _ in range(2)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in both]
    assert sorted(status for _, status in ends) == [0, 3], ends
    assert library(vme) == ["same.qcow2", "same.qcow2.sha256", "tiny.qcow2"]


def test_a_store_that_is_full_or_away(vme: Vme) -> None:
    vme.on("mgmt", "dd", "if=/dev/urandom", "of=/tmp/large.raw", "bs=1M", "count=20", "status=none")
    vme.fault("fill", "east")
    assert "is full: " in add(vme, "/tmp/large.raw", status=3)
    assert {image["name"] for image in vme.json("image_list")} == {"tiny"}
    vme.fault("free", "east")
    vme.fault("unmount", "mgmt", "west")
    done = vme.tool("image_list", "-o", "json", status=5)
    assert [image["zone"] for image in json.loads(done.stdout)] == ["east"]
    assert "virt-store virt-store of zone west" in done.stderr
    vme.fault("mount", "mgmt", "west")
    assert library(vme) == ["tiny.qcow2"]


def test_where_the_file_system_shares_blocks_a_guests_image_takes_none(vme: Vme) -> None:
    """A node's own zone `local`, its images on XFS: GlusterFS can't do it (the other tests copy)."""
    mount = """
        truncate -s 400M /tmp/xfs && mkfs.xfs -q -m reflink=1 /tmp/xfs && mount -o loop /tmp/xfs /var/lib/libvirt/images
        chmod 711 /var/lib/libvirt/images
        dd if=/dev/urandom of=/tmp/full.raw bs=1M count=60 status=none
    """
    vme.on("kvm03", "sh", "-ec", mount)
    try:
        vme.tool(f"{CHECKOUT}/bin/image_add", "/tmp/full.raw", host="kvm03")
        make = (f"{CHECKOUT}/bin/create_guest", "home1", "--image", "full", "-t", "raw")
        vme.tool(*make, "--", "--virt-type", "qemu", host="kvm03")
        image = "/var/lib/libvirt/images/home1/home1-vda"
        vme.on("kvm03", "cmp", image, "/tmp/full.raw")
        assert "shared" in vme.on("kvm03", "filefrag", "-v", image)
        owner = vme.on("kvm03", "stat", "-c", "%U %G %a", image).strip()
        assert owner == "libvirt-qemu kvm 660"
        # Another format, or another size, is a copy or has more; both are whole.
        vme.tool(*make[:1], "home2", *make[2:-1], "qcow2", "-d", "1", "--", "--virt-type", "qemu", host="kvm03")
        info = vme.on("kvm03", "qemu-img", "info", "-f", "qcow2", "/var/lib/libvirt/images/home2/home2-vda")
        assert "virtual size: 1 GiB" in info
    finally:
        vme.on("kvm03", "sh", "-c", "umount -l /var/lib/libvirt/images; rm -f /tmp/xfs /tmp/full.raw")
