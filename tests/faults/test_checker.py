"""The checker itself: each invariant is broken on purpose, behind the tools' back, and it must see exactly that."""

import re
from dataclasses import dataclass, replace

import pytest

from tests.faults import deeds
from tests.faults.checker import contradictions, differences, standing_violations
from tests.faults.ground import ACROSS_NODE, MOVING, NODE, Ground
from tests.faults.world import World
from tests.lab.vme import eventually

_STORE = "/srv/vme/east/virt-store"
_OTHER_STORE = "/srv/vme/west/virt-store"
_ELSEWHERE = MOVING[0]
# Cases in which another node has the guest's definition too.
_TWINS = {"a second definition": _ELSEWHERE, "a second definition in the other zone": ACROSS_NODE}


def seen(before: World, after: World) -> set[str]:
    """All that the checker has against what is so now."""
    return {*standing_violations(after), *differences(before, after)}


@dataclass(frozen=True)
class Broken:
    """A shell script that breaks something on a host, one that mends it, and what must be seen; G is the guest."""

    host: str
    breaks: str
    mends: str
    violations: tuple[str, ...]


BROKEN = {
    "owner": Broken(
        "mgmt",
        f"chown 0 {_STORE}/G/G-vda",
        f"chown 64055 {_STORE}/G/G-vda",
        ("file G/G-vda: owner 64055:GROUP, mode 100660 expected, it is 0:GROUP, 100660",),
    ),
    "group": Broken(
        "mgmt",
        f"stat -c %g {_STORE}/G/G-vda >/tmp/group; chgrp 0 {_STORE}/G/G-vda",
        f"chgrp $(cat /tmp/group) {_STORE}/G/G-vda",
        ("file G/G-vda: owner 64055:GROUP, mode 100660 expected, it is 64055:0, 100660",),
    ),
    "mode": Broken(
        "mgmt",
        f"chmod 0600 {_STORE}/G/G-vda",
        f"chmod 0660 {_STORE}/G/G-vda",
        ("file G/G-vda: owner 64055:GROUP, mode 100660 expected, it is 64055:GROUP, 100600",),
    ),
    "content": Broken(
        "mgmt",
        f"printf x | dd of={_STORE}/G/G-vda bs=1 seek=100000 conv=notrunc status=none",
        f"printf '\\0' | dd of={_STORE}/G/G-vda bs=1 seek=100000 conv=notrunc status=none",
        ("file G/G-vda: its content has changed",),
    ),
    "an image lost": Broken(
        "mgmt",
        f"cp --sparse=always -p {_STORE}/G/G-vda /tmp/G-vda; rm {_STORE}/G/G-vda",
        f"cp --sparse=always -p /tmp/G-vda {_STORE}/G/G-vda; rm /tmp/G-vda",
        ("G has no image G/G-vda", "file G/G-vda is gone"),
    ),
    "saved XML changed": Broken(
        "mgmt",
        f"cp -p {_STORE}/G/G.xml /tmp/G.xml; sed -i 's/>destroy</>restart</' {_STORE}/G/G.xml",
        f"cp -p /tmp/G.xml {_STORE}/G/G.xml",
        ("the saved XML of G is not its definition on NODE",),
    ),
    "saved XML lost": Broken(
        "mgmt",
        f"cp -p {_STORE}/G/G.xml /tmp/G.xml; rm {_STORE}/G/G.xml",
        f"cp -p /tmp/G.xml {_STORE}/G/G.xml",
        ("G has no saved XML", "file G/G.xml is gone"),
    ),
    "a partial file": Broken(
        "mgmt", f"touch {_STORE}/G/G-vdb.part", f"rm {_STORE}/G/G-vdb.part", ("left in the store: G/G-vdb.part",)
    ),
    "a temporary file": Broken(
        "mgmt", f"touch {_STORE}/G/.G.xml.0a0b", f"rm {_STORE}/G/.G.xml.0a0b", ("left in the store: G/.G.xml.0a0b",)
    ),
    "an image of nobody": Broken(
        "mgmt", f"touch {_STORE}/G/G-vdz", f"rm {_STORE}/G/G-vdz", ("file G/G-vdz was not there",)
    ),
    "a journal's entry": Broken(
        "mgmt",
        f"mkdir -p {_STORE}/.vme/journal; touch {_STORE}/.vme/journal/G",
        f"rm {_STORE}/.vme/journal/G",
        ("left in the store: .vme/journal/G",),
    ),
    "a lock": Broken(
        "mgmt", f"touch {_STORE}/.vme/locks/G", f"rm {_STORE}/.vme/locks/G", ("left in the store: .vme/locks/G",)
    ),
    "a proof's file": Broken(
        "mgmt", f"touch {_STORE}/.vme/proof-00", f"rm {_STORE}/.vme/proof-00", ("left in the store: .vme/proof-00",)
    ),
    "trash": Broken(
        "mgmt",
        f"mkdir -p {_STORE}/.trash/G.now",
        f"rmdir {_STORE}/.trash/G.now",
        ("in the trash: G.now was not there",),
    ),
    "a directory of nobody": Broken(
        "mgmt",
        f"mkdir {_STORE}/nobody",
        f"rmdir {_STORE}/nobody",
        ("a directory is there without a guest: nobody", "file nobody was not there"),
    ),
    "a history of nobody": Broken(
        "mgmt",
        f"mkdir {_STORE}/.vme/history/nobody; touch {_STORE}/.vme/history/nobody/000001.xml",
        f"rm -r {_STORE}/.vme/history/nobody",
        ("a history is there without a guest: nobody", "history: nobody was not there"),
    ),
    "a copy in the other zone": Broken(
        "mgmt",
        f"mkdir {_OTHER_STORE}/G; touch {_OTHER_STORE}/G/G-vda",
        f"rm -r {_OTHER_STORE}/G",
        (
            "a directory is there without a guest: west:G",
            "file west:G was not there",
            "file west:G/G-vda was not there",
        ),
    ),
    "a note in the other zone's journal": Broken(
        "mgmt",
        f"mkdir -p {_OTHER_STORE}/.vme/journal; touch {_OTHER_STORE}/.vme/journal/G",
        f"rm {_OTHER_STORE}/.vme/journal/G",
        ("left in the store: west:.vme/journal/G",),
    ),
    "a history in the other zone": Broken(
        "mgmt",
        f"mkdir -p {_OTHER_STORE}/.vme/history/G; touch {_OTHER_STORE}/.vme/history/G/000001.xml",
        f"rm -r {_OTHER_STORE}/.vme/history/G",
        ("a history is there without a guest: west:G", "history: west:G was not there"),
    ),
    "a snapshot lost": Broken(
        NODE,
        "virsh snapshot-dumpxml G second >/tmp/second.xml; virsh snapshot-delete G second --metadata",
        "virsh snapshot-create G /tmp/second.xml --redefine",
        ("snapshot second of G on NODE is lost",),
    ),
    "a snapshot lost in the image": Broken(
        NODE,
        # Only the name inside goes: what libvirt knows of it stays.
        "cd /srv/vme/virt-store/G; cp --sparse=always -p G-vda /tmp/G-vda; qemu-img snapshot -d second G-vda",
        "cp --sparse=always -p /tmp/G-vda /srv/vme/virt-store/G/G-vda; rm /tmp/G-vda",
        ("file G/G-vda: 2 snapshots inside expected, there are 1",),
    ),
    "a second definition": Broken(
        NODE,
        "true",
        "true",
        (
            "G is defined more than once: on ELSEWHERE, NODE",
            "definition of G on ELSEWHERE: there, against expectation",
            "state of G on ELSEWHERE: nothing expected, and it is shut off",
        ),
    ),
    "a second definition in the other zone": Broken(
        NODE,
        "true",
        "true",
        (
            "G is defined more than once: on NODE, ACROSS",
            "G has no saved XML",
            "G has no image west:G/G-vda",
            "definition of G on ACROSS: there, against expectation",
            "state of G on ACROSS: nothing expected, and it is shut off",
        ),
    ),
    "autostart": Broken(
        NODE,
        "virsh autostart G",
        "virsh autostart --disable G",
        ("autostart of G on NODE: False expected, and it is True", "on the node: NODE:autostart/G.xml was not there"),
    ),
    "a managed save": Broken(
        NODE,
        "touch /var/lib/libvirt/qemu/save/G.save",
        "rm /var/lib/libvirt/qemu/save/G.save",
        ("on the node: NODE:save/G.save was not there",),
    ),
}


@pytest.fixture
def still(ground: Ground) -> str:
    """A guest that is shut off and has two snapshots, for all of these tests."""
    if "still" not in ground.named:
        ground.named["still"] = ground.new_guest(snapshots=True)
    return ground.named["still"]


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_seen_and_nothing_else(ground: Ground, still: str, what: str) -> None:
    broken = BROKEN[what]
    before = ground.look()
    assert standing_violations(before) == []
    if what in _TWINS:
        ground.vme.write(_TWINS[what], "/tmp/twin.xml", ground.vme.virsh(NODE, "dumpxml", "--inactive", still))
        ground.vme.virsh(_TWINS[what], "define", "/tmp/twin.xml")
    ground.vme.on(broken.host, "sh", "-ec", _named(broken.breaks, still, before))
    found = seen(before, ground.look())
    ground.vme.on(broken.host, "sh", "-ec", _named(broken.mends, still, before))
    if what in _TWINS:
        ground.vme.virsh(_TWINS[what], "undefine", still)
    assert found == {_named(text, still, before) for text in broken.violations}
    assert seen(before, ground.look()) == set()


def _named(text: str, guest: str, world: World) -> str:
    group = world.files[f"{guest}/{guest}-vda"].owner.partition(":")[2]
    for word, value in (("GROUP", group), ("NODE", NODE), ("ELSEWHERE", _ELSEWHERE), ("ACROSS", ACROSS_NODE)):
        text = text.replace(word, value)
    # The guest last: in `G` alone or beside a separator, never within a word.
    return "".join(guest if part == "G" else part for part in _split(text))


def _split(text: str) -> list[str]:
    return re.split(r"(?<![A-Za-z])(G)(?![A-Za-z])", text)


def test_a_guest_that_runs_twice(ground: Ground) -> None:
    guest = ground.new_guest(start=True)
    before = ground.look()
    image = f"/srv/vme/virt-store/{guest}/{guest}-vda"
    drive = f"driver=qcow2,node-name=d,file.driver=file,file.filename={image},file.locking=off"
    machine = ("-name", f"guest={guest}", "-machine", "pc", "-m", "16", "-display", "none", "-daemonize", "-S")
    ground.vme.on(_ELSEWHERE, "qemu-system-x86_64", *machine, "-blockdev", drive)
    found = seen(before, ground.look())
    ground.vme.fault("kill-qemu", _ELSEWHERE, guest)
    assert found == {
        f"{guest} runs more than once: on {_ELSEWHERE}, {NODE}",
        f"{guest} runs on {_ELSEWHERE}, and libvirt there says: no such guest",
        f"where it runs of {guest}: {NODE} expected, and it is {_ELSEWHERE}, {NODE}",
    }
    assert seen(before, ground.look()) == set()
    # The same guest, dead: it runs nowhere, and no word of a tool makes it run.
    ground.vme.fault("kill-qemu", NODE, guest)
    after = eventually(lambda: _once_shut_off(ground, guest), "libvirt knows that it is gone")
    assert seen(before, after) == {
        f"where it runs of {guest}: {NODE} expected, and it is nothing",
        f"state of {guest} on {NODE}: running expected, and it is shut off",
    }
    assert contradictions(f"{guest} on {NODE}: interrupted; it is shut off on {NODE}", guest, after) == []
    assert contradictions(f"it is running on {NODE}, and nothing of it on {_ELSEWHERE}", guest, after) == [
        f"said to be running on {NODE}, but a process of {guest} is on: nowhere"
    ]


def _once_shut_off(ground: Ground, guest: str) -> World | None:
    world = ground.look()
    return world if world.states[guest, NODE] == "shut off" else None


def test_a_guest_whose_memory_is_lost(ground: Ground) -> None:
    node, _address = ground.counting_guest()
    guest = "web1"
    before = ground.look()
    assert seen(before, ground.look()) == set()  # the counter went on
    count = before.counts[guest]
    assert count is not None
    ahead = replace(before, counts={guest: replace(count, count=count.count + 1000)})
    (back,) = seen(ahead, ground.look())
    assert back.startswith(f"the counter of {guest} went back from {count.count + 1000} to ")
    ground.vme.virsh(node, "reset", guest)
    assert seen(before, ground.look()) == {f"{guest} does not answer"}
    after = eventually(lambda: _once_answering(ground, guest), "it answers again", timeout_s=120)
    assert seen(before, after) == {f"{guest} has rebooted: its memory is lost"}


def _once_answering(ground: Ground, guest: str) -> World | None:
    world = ground.look()
    return world if world.counts[guest] else None


def test_a_deed_that_was_not_done_wholly(ground: Ground, still: str) -> None:
    """The expectations hold against the world as it is: nothing of them is done."""
    before = ground.look()
    now = ground.look()
    moved = seen(deeds.moved(before, still, _ELSEWHERE), now)
    assert f"definition of {still} on {_ELSEWHERE}: gone, against expectation" in moved
    assert f"snapshot first of {still} on {_ELSEWHERE} is lost" in moved
    across = seen(deeds.moved_with_images(before, now, still, ACROSS_NODE, "west"), now)
    assert f"file west:{still}/{still}-vda is gone" in across
    assert f"file {still}/{still}-vda was not there" in across
    assert f"history: west:{still} is gone" in across
    assert f"in the trash: {still}.(time) is gone" in across
    assert f"in the trash: {still}.(time) is gone" in seen(deeds.deleted(before, now, still), now)
    assert seen(deeds.disk_added(before, now, still, NODE), now) == {f"file {still}/(one more image) is gone"}
