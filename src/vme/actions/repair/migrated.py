"""A guest whose migration was left unfinished: both nodes are asked, and it runs on one of them or is a person's."""

from vme.actions.definition import definition_changed
from vme.actions.migrate.cold import DEFINING
from vme.actions.migrate.ending import Ending, ending_of
from vme.actions.migrate.left_behind import own_nvram_of, remove_nvram
from vme.actions.migrate.reconcile import act_on
from vme.actions.migrate.travel import KEEPING, MOVING, TAKING_DOWN, bring_back, drop, files_kept
from vme.actions.repair.remedy import Ground, Remedy, blocked
from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import Failed, VmeError
from vme.fleet.deadline import within
from vme.fleet.inventory import node_named
from vme.hypervisor import migration
from vme.hypervisor.domain_xml import parse
from vme.hypervisor.guest import Guest, live_form


def remedy(ground: Ground) -> Remedy:
    """What follows from where the guest is now; nothing, while it still moves or where that is not clear."""
    source, destination = (str(ground.entry.fact(name)) for name in ("source", "destination"))
    there = {guest.node.name: guest for guest in ground.same}
    elsewhere = sorted(set(there) - {source, destination})
    if elsewhere:
        return blocked(f"it is on {', '.join(elsewhere)}, where it was not to go", "look with list_guests")
    if any(_is_moving(guest) for guest in there.values()):
        return blocked("it still moves", "wait until that is done, then repair it")
    ending = ending_of(there.get(source), there.get(destination), source, destination)
    if not ending.clear:
        return blocked(ending.says, "nothing was changed")
    where = [place for place in (there.get(destination), there.get(source)) if place is not None]
    return Remedy(_now(where), f"then: {ending.says}", lambda: _finish(ground, ending, where))


def _finish(ground: Ground, ending: Ending, where: list[Guest]) -> str:
    gone = (ending.remove, ending.undefine)
    guest = next(place for place in where if place not in gone)
    kept_whole = any(ground.entry.came_to(step) for step in (TAKING_DOWN, MOVING, DEFINING))
    reckoning = act_on(ending, files_kept(ground.config, guest) if kept_whole else ())
    if not reckoning.clear:
        raise Failed(f"{ground.name}: {reckoning.says}")
    if kept_whole:
        bring_back(ground.config, guest)
    elif ground.entry.came_to(KEEPING):
        drop(ground.config, guest)
    intent = ground.entry.intent
    definition_changed(ground.config, guest, tool=intent.tool, reason=intent.reason)
    return "; ".join(filter(None, (reckoning.says, _clear_source(ground, guest))))


def _clear_source(ground: Ground, guest: Guest) -> str:
    """Remove what libvirt leaves at the source of a live move, if the guest arrived. Returns what is left even so."""
    source = str(ground.entry.fact("source"))
    if not guest.active or not ground.entry.fact("live") or guest.node.name == source:
        return ""
    xml = within(CALL_TIMEOUT_S, str(guest), lambda: live_form(guest))
    path = own_nvram_of(parse(xml), ground.stores)
    if path is None:
        return ""
    node = node_named(ground.config, source)
    return remove_nvram(path, node, guest.node, ground.config.ssh, timeout_s=CALL_TIMEOUT_S)


def _now(where: list[Guest]) -> str:
    return f"it is {' and '.join(f'{guest.state} on {guest.node.name}' for guest in where)}"


def _is_moving(guest: Guest) -> bool:
    if not guest.active:
        return False
    try:
        return within(CALL_TIMEOUT_S, str(guest), lambda: migration.progress(guest)) is not None
    except VmeError:
        return True  # a stuck QEMU can't be asked, and is no ground to decide on
