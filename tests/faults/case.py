"""One case from its beginning to its end: guests made ready, the tool stopped, the fault, the healing, the repair."""

import signal
import time
from dataclasses import dataclass

from tests.faults import stopped
from tests.faults.at_step import NOWHERE
from tests.faults.causes import FAULTS, Scene
from tests.faults.cells import ACROSS, COPYING, RUNNING, Cell
from tests.faults.checker import verdict
from tests.faults.expectations import expectations
from tests.faults.ground import ACROSS_NODE, COUNTING, MOVING, NODE, Ground
from tests.faults.stopped import Said
from tests.faults.world import World
from tests.lab.vme import eventually

# What a slow migration carries in a second, and a fast one.
_SLOW_MIB, _FAST_MIB = "2", "10000"
# What a tool says that gave up while a node may still do what it was asked.
_LATE = "no answer within"
# What a disk is copied with is set at the start, and is not changed on the way: that takes some seconds, not minutes.
_DISK_MIB = "4"
# Faults in which the tool stands still while libvirt goes on: the copy is to end meanwhile.
_OVER_THE_SWITCHOVER = ("frozen", "frozen, then killed")


@dataclass(frozen=True)
class Outcome:
    """What a case came to. `dry` and `repaired` are what `vme repair` said, None where nothing was left to repair."""

    said: Said
    dry: Said | None
    repaired: Said | None
    outcome: str
    violations: tuple[str, ...]
    seconds: float


def play(ground: Ground, cell: Cell) -> Outcome:
    """Play one cell, and judge it. With violations the ground is not fit for another."""
    begun_s = time.monotonic()
    scene = ready(ground, cell)
    before = ground.look()
    fault = FAULTS[cell.fault]
    _come_to(scene, cell)
    fault.cause(scene)
    said = _end(scene, cell)
    found = fault.check(scene)
    left = ground.glance()
    found += _unsaid(left, said, killed=fault.kills)
    dry = repaired = None
    if left.litter:
        dry = _repair(scene, "--dry-run")
        if _LATE in said.text:
            # What was asked of the node may be done while this waits for it, and not after that.
            left = ground.glance()
            again = _repair(scene, "--dry-run")
            found += [f"vme repair --dry-run said, and then: {again.text}"] if again.text not in dry.text else []
        found += [f"vme repair --dry-run changed: {change}" for change in _changed(left, ground.glance())]
        repaired = _repair(scene)
    after = ground.look()
    words = repaired.text if repaired else said.text
    judged = verdict(after, expectations(cell, scene, before, after, said, words), scene.guest, words)
    violations = (*found, *judged.violations)
    ground.put_away(scene.guest, after)
    return Outcome(said, dry, repaired, judged.outcome, violations, time.monotonic() - begun_s)


def ready(ground: Ground, cell: Cell) -> Scene:
    """The guests that the tool needs, and the words to start it with."""
    source, destination = NODE, NODE
    if cell.tool == "create_guest":
        guest = ground.new_name()
        words = ["create_guest", guest, "-s", NODE, "-d", "1", "--start", "--timeout", "2"]
    elif cell.tool == "del_guest":
        guest = ground.new_guest(start=True)
        words = ["del_guest", "--yes", "--force", guest, "--timeout", "2"]
    elif cell.tool == "add_disk_guest":
        guest = ground.new_guest()
        words = ["add_disk_guest", guest, "-d", "1", "--timeout", "2"]
    elif cell.tool in ACROSS:
        guest, destination = _guest_with_images(ground, runs=cell.tool == RUNNING), ACROSS_NODE
        words = ["migrate_guest", guest, destination, "--with-storage", "--timeout", "10"]
    else:
        guest, source, destination = _moving_guest(ground, cell)
        words = ["migrate_guest", guest, destination, "--timeout", "2"]
    return Scene(ground.vme, guest, source, destination, tuple(words))


def _moving_guest(ground: Ground, cell: Cell) -> tuple[str, str, str]:
    """The guest that counts; one with an empty disk where its QEMU is to die."""
    at, _address = ground.counting_guest()
    other = next(node for node in MOVING if node != at)
    if cell.fault and FAULTS[cell.fault].stops:
        return ground.new_guest(start=True, snapshots=True), NODE, other
    return COUNTING, at, other


def _guest_with_images(ground: Ground, *, runs: bool) -> str:
    """One whose images can be compared byte for byte: what libvirt copies of a qcow2 image lies elsewhere in it."""
    if runs:
        return ground.new_guest(start=True, data=True, form="raw")
    return ground.new_guest(snapshots=True, data=True)


def _come_to(scene: Scene, cell: Cell) -> None:
    """Start the tool, and return when it stands still at the point."""
    if cell.point != COPYING:
        scene.started.append(stopped.begin(scene.vme, cell.point, *scene.words))
        scene.tool.wait_until_stopped()
        return
    speed = _DISK_MIB if cell.tool == RUNNING else _SLOW_MIB
    scene.vme.virsh(scene.source, "migrate-setspeed", scene.guest, speed)
    scene.started.append(stopped.begin(scene.vme, NOWHERE, *scene.words))
    eventually(lambda: len(scene.vme.running(scene.guest)) == 2, "the copy of the memory has begun")
    # Before libvirt is asked to perform the move, its job is there already.
    eventually(lambda: "processed" in scene.vme.virsh(scene.source, "domjobinfo", scene.guest), "something was sent")
    scene.tool.send(signal.SIGSTOP)
    scene.tool.wait_until_stopped()
    if cell.fault in _OVER_THE_SWITCHOVER:
        scene.vme.virsh(scene.source, "migrate-setspeed", scene.guest, _FAST_MIB)


def _end(scene: Scene, cell: Cell) -> Said:
    """Let the tool go on under the fault; heal when it has ended or its time is up; returns what it said."""
    fault = FAULTS[cell.fault]
    fault.release(scene)
    deadline = time.monotonic() + fault.lasts_s
    while not scene.tool.ended() and time.monotonic() < deadline:
        time.sleep(0.02)
    fault.heal(scene)
    if cell.point == COPYING and not scene.tool.ended() and scene.guest in scene.vme.guests_of(scene.source):
        scene.vme.status_on(scene.source, *_FASTER, scene.guest, _FAST_MIB)
    said = scene.tool.end()
    alone = fault.kills or "nobody waited for its end" in said.text or cell.fault.endswith("libvirtd killed")
    if cell.tool.startswith("migrate_guest") and alone:
        # libvirt itself takes back what a client that is gone has begun, and what it finds when it is started anew.
        eventually(lambda: len(scene.vme.running(scene.guest)) < 2, "one QEMU of it is left", timeout_s=30)
        eventually(lambda: not _moves(scene), "its libvirt has taken back the copies of disks too", timeout_s=60)
    return said


def _moves(scene: Scene) -> bool:
    """Whether the source still works on the move. Until then `vme repair` says that it moves, and leaves it alone."""
    if scene.source not in scene.vme.running(scene.guest):
        return False
    return "Outgoing" in scene.vme.virsh(scene.source, "domjobinfo", scene.guest)


_FASTER = ("virsh", "-q", "migrate-setspeed")


def _unsaid(left: World, said: Said, *, killed: bool) -> list[str]:
    """What is left without a word of it: a tool that could speak must have said how to go on.

    A lock's file is not told of: where the store went away under a tool it stays, but nobody holds it any more.
    """
    if killed or "vme repair" in said.text:
        return []
    unsaid = sorted(name for name in left.litter if "/locks/" not in name)
    return [f"left in the store without a word of it: {name}" for name in unsaid]


def _repair(scene: Scene, *words: str) -> Said:
    done = scene.vme.tool("vme", "repair", *words, scene.guest, status=None)
    return Said(done.status, f"{done.stdout}{done.stderr}".strip(), ())


def _changed(one: World, other: World) -> list[str]:
    """What differs between two looks, but for counters, which go on."""
    parts = ("processes", "definitions", "snapshots", "node_files", "files", "saved", "trash", "journal")
    return [part for part in parts if getattr(one, part) != getattr(other, part)]
