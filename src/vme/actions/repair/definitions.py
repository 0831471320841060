"""Definitions whose change was left unfinished: libvirt's own is whole, before or after; what is saved follows it."""

from vme.actions.define import BRINGING_BACK
from vme.actions.definition import definition_changed
from vme.actions.kept_state import Kept, bring_back_files, bring_back_rest, discard, forget, kept_for
from vme.actions.repair.remedy import Ground, Remedy, blocked, on_two_nodes
from vme.hypervisor.guest import Guest
from vme.store.history import history_store


def changed(ground: Ground) -> Remedy:
    """Save the definition as libvirt has it."""
    twice = on_two_nodes(ground)
    if twice is not None:
        return twice
    if not ground.same:
        return blocked("it is on no node of its zone any more", "see what became of it, then remove the entry")
    guest = ground.same[0]
    return Remedy(f"{guest} has a whole definition", "save it", lambda: _save(ground, guest))


def defined(ground: Ground) -> Remedy:
    """Finish it where the guest is defined: bring back what was kept of it. Nothing was changed where it is not."""
    found = ground.same or ground.namesakes
    if not found:
        return Remedy("it is not defined, and what was kept of it still is", f"define_guest {ground.name} again")
    if len(found) > 1:
        return on_two_nodes(ground) or blocked("several guests have that name", "look at them with list_guests")
    guest = found[0]
    kept = _kept(ground, guest)
    if kept is None or not ground.entry.fact("is_new"):
        return Remedy(f"{guest} is defined", "save its definition", lambda: _save(ground, guest))
    if guest.active and kept.paths:
        return blocked(
            f"{guest} is {guest.state}, without {kept} that was kept of it in {kept.directory}",
            "shut it down, then repair it: it would go on with what it has now",
        )

    def finish() -> None:
        if not ground.entry.came_to(BRINGING_BACK) or kept.paths:
            bring_back_files(ground.config, guest, kept)
        bring_back_rest(guest, kept)
        _save(ground, guest)
        forget(kept)

    return Remedy(f"{guest} is defined", f"bring back {kept}, and save its definition", finish)


def undefined(ground: Ground) -> Remedy:
    """Nothing is lost either way: what its node had is there, or kept."""
    if not ground.same:
        return Remedy("it is undefined, and all of it is kept", f"define_guest {ground.name} brings it back")
    guest = ground.same[0]
    kept = _kept(ground, guest)
    if kept is None:
        return Remedy(f"{guest} is still defined", f"undefine_guest {ground.name} again")
    store = history_store(ground.stores, ground.name)
    return Remedy(
        f"{guest} is still defined",
        "move the copy of its state, which would grow old, to the trash",
        lambda: discard(store, ground.name),
    )


def _kept(ground: Ground, guest: Guest) -> Kept | None:
    return kept_for(history_store(ground.stores, ground.name), ground.name, guest.uuid)


def _save(ground: Ground, guest: Guest) -> None:
    intent = ground.entry.intent
    always = intent.tool == "define_guest" and bool(ground.entry.fact("is_new"))
    definition_changed(ground.config, guest, tool=intent.tool, reason=intent.reason, always=always)
