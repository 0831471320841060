"""A guest whose migration was left unfinished: both nodes are asked, and it runs on one of them or is a person's."""

from pathlib import PurePosixPath

from vme.actions.definition import definition_changed
from vme.actions.migrate.cold import DEFINING
from vme.actions.migrate.ending import Ending, ending_of
from vme.actions.migrate.left_behind import own_nvram_of, remove_nvram
from vme.actions.migrate.reconcile import act_on
from vme.actions.migrate.storage.clear import bring_history, put_old_away, take_back
from vme.actions.migrate.storage.lay_out import COPYING, changed_since
from vme.actions.migrate.storage.route import Route, route_in
from vme.actions.migrate.travel import KEEPING, MOVING, TAKING_DOWN, bring_back, drop, files_kept
from vme.actions.repair.remedy import Ground, Remedy, blocked, on_unknown_node
from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import Failed, VmeError
from vme.fleet.deadline import within
from vme.fleet.inventory import node_named
from vme.hypervisor import migration
from vme.hypervisor.domain_xml import parse
from vme.hypervisor.guest import Guest, live_form


def remedy(ground: Ground) -> Remedy:
    """What follows from where the guest is now; nothing, while it still moves or where that is not clear."""
    unknown = on_unknown_node(ground, "source", "destination")
    if unknown is not None:
        return unknown
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
    route = route_in(ground.config, ground.entry)
    if route is not None:
        unclear = _foreign(ground) or _unclear(ground, route, there.get(source), there.get(destination))
        if unclear is not None:
            return unclear
    where = [place for place in (there.get(destination), there.get(source)) if place is not None]
    end = _ending_of_files(ground, route, where, ending)
    return Remedy(_now(where), f"then: {ending.says}{end}", lambda: _finish(ground, ending, where, route))


def _unclear(ground: Ground, route: Route, source: Guest | None, destination: Guest | None) -> Remedy | None:
    """Where both zones have a definition and images, and it can't be told whose are the newer ones."""
    if source is None or destination is None or source.active or destination.active:
        return None
    changed = changed_since(route, _files(ground))
    if not ground.entry.fact("live") and not changed:
        return None
    files = ", ".join(changed) or "each its own"
    return blocked(
        f"it is shut off on {source.node.name} and on {destination.node.name}, with images in {route.directory} and in "
        f"{route.new_directory} that are not the same ({files})",
        "see which of them it goes on with, and undefine it on the other node",
    )


def _ending_of_files(ground: Ground, route: Route | None, where: list[Guest], ending: Ending) -> str:
    """What becomes of the two directories, for who is only shown it."""
    if route is None:
        return ""
    if _stays(where, ending).node.zone == route.home.zone:
        return f"; remove what was made of it in {route.new_directory}"
    return f"; put away its old files in {route.directory}"


def _stays(where: list[Guest], ending: Ending) -> Guest:
    return next(place for place in where if place not in (ending.remove, ending.undefine))


def _files(ground: Ground) -> list[str]:
    return [str(name) for name in ground.entry.fact("files")]


def _foreign(ground: Ground) -> Remedy | None:
    """Where the entry names what is no file of the guest's directories: a node that may write to the store could."""
    foreign = [name for name in _files(ground) if name != PurePosixPath(name).name or name in ("", "..")]
    if not foreign:
        return None
    return blocked(f"its entry names {', '.join(map(ascii, foreign))}, no file of its own", "see who wrote that")


def _finish(ground: Ground, ending: Ending, where: list[Guest], route: Route | None) -> str:
    guest = _stays(where, ending)
    kept_whole = any(ground.entry.came_to(step) for step in (TAKING_DOWN, COPYING, MOVING, DEFINING))
    reckoning = act_on(ending, files_kept(ground.config, guest, route) if kept_whole else ())
    if not reckoning.clear:
        raise Failed(f"{ground.name}: {reckoning.says}")
    if kept_whole:
        bring_back(ground.config, guest, route)
    elif ground.entry.came_to(KEEPING):
        drop(ground.config, guest)
    intent = ground.entry.intent
    arrived = route is not None and guest.node.zone != route.home.zone
    if route is not None and arrived:
        bring_history(route, ground.stores, ground.config.zone(route.new_home.zone).stores)
    definition_changed(ground.config, guest, tool=intent.tool, reason=intent.reason)
    files = ""
    if route is not None and arrived:
        files = put_old_away(route, _files(ground), ground.stores)
    elif route is not None:
        files = take_back(route, _files(ground))
    return "; ".join(filter(None, (reckoning.says, _clear_source(ground, guest), files)))


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
