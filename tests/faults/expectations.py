"""What may be so after a cell: the world before, or the deed done wholly; and what the tool's words leave of that."""

from tests.faults import deeds
from tests.faults.causes import FAULTS, Scene
from tests.faults.cells import ACROSS, Cell
from tests.faults.ground import BYSTANDER
from tests.faults.stopped import Said
from tests.faults.world import World

AS_BEFORE, SHUT_OFF = "as before", ", shut off"


def expectations(cell: Cell, scene: Scene, before: World, after: World, said: Said, words: str) -> dict[str, World]:
    """Each outcome that may be, as a World. A tool that says it is done must have done it; one that says it was undone,
    undone it. `words` are the last that were said, by the tool or by its repair.
    """
    may_be = {AS_BEFORE: before, **_done(cell.tool, scene, before, after)}
    if FAULTS[cell.fault].stops or _says_not_running(words):
        may_be |= {
            name + SHUT_OFF: deeds.stopped(world, scene.guest)
            for name, world in may_be.items()
            if scene.guest in world.processes
        }
    if said.status == 0:
        may_be = {name: world for name, world in may_be.items() if not name.startswith(AS_BEFORE)}
    elif "everything was undone" in said.text:
        may_be = {name: world for name, world in may_be.items() if name.startswith(AS_BEFORE)}
    return may_be


def _says_not_running(words: str) -> bool:
    """Whether a person was told that the guest does not run, or is to be started."""
    return "start_guest" in words or "shut off on" in words


def _done(tool: str, scene: Scene, before: World, after: World) -> dict[str, World]:
    guest, node = scene.guest, scene.source
    if tool == "create_guest":
        return {"created": deeds.created(before, after, guest, node, like=BYSTANDER, running=True)}
    if tool == "del_guest":
        return {"deleted": deeds.deleted(before, after, guest)}
    if tool == "add_disk_guest":
        return {"disk added": deeds.disk_added(before, after, guest, node)}
    if tool in ACROSS:
        zone = scene.zone_of(scene.destination)
        moved = deeds.moved_with_images(before, after, guest, scene.destination, zone)
        return {f"moved to {scene.destination}": moved}
    return {f"moved to {scene.destination}": deeds.moved(before, guest, scene.destination)}
