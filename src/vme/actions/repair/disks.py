"""Disks whose adding, removing or growing was left unfinished: after it, both forms of the guest say the same."""

from pathlib import Path, PurePosixPath

from vme.actions.add_disk import take_back_controller
from vme.actions.definition import definition_changed
from vme.actions.disk_change import ask_forms, disk_in, take_off
from vme.actions.image_use import uses_of
from vme.actions.repair.remedy import Ground, Remedy, blocked, on_two_nodes
from vme.errors import Failed
from vme.hypervisor.disk_place import has_disks_on_controller
from vme.hypervisor.domain_xml import parse
from vme.hypervisor.guest import Guest
from vme.store.files import hand_to, sync_directory
from vme.store.layout import guest_directory, seen_here
from vme.units import size_text

_LET_GO_S = 30.0


def added(ground: Ground) -> Remedy:
    """Finish it where the guest has the disk wherever it should; otherwise take back what was done of it."""
    guest = _the_guest(ground)
    if isinstance(guest, Remedy):
        return guest
    target, image = str(ground.entry.fact("target")), PurePosixPath(str(ground.entry.fact("image")))
    forms = ask_forms(guest)
    has = [_has(form, target, image) for form in forms.all]
    if all(has):
        return _saved(ground, guest, f"{guest} has disk {target}, as it runs and in its definition")
    here = _image_here(ground, image)
    needed = _needed_by_others(ground, guest, image)
    own = here is not None and here.parent in [guest_directory(store, guest.name) for store in ground.stores]
    new = bool(ground.entry.fact("is_new")) and own
    if here is not None and new and needed:
        return blocked(f"{guest} has disk {target} only in part or not at all, and {'; '.join(needed)}", "look at both")
    cure = [f"take disk {target} off it"] if any(has) else []
    cure += [f"remove the image {here}"] if new and here is not None and here.exists() else []

    def undo() -> None:
        _take_back(ground, guest, target if any(has) else None)
        if here is None:
            return
        if new:
            here.unlink(missing_ok=True)
            sync_directory(here.parent)
        elif here.exists() and not needed and ground.entry.fact("owner_before"):
            hand_to(here, *ground.entry.fact("owner_before"))

    where = "in part" if any(has) else "not"
    return Remedy(f"{guest} has disk {target} {where}", " and ".join(cure) or "nothing is left of it", undo)


def removed(ground: Ground) -> Remedy:
    """Save the definition as it is now; finish the removal of an image that was to go with a disk that has gone."""
    guest = _the_guest(ground)
    if isinstance(guest, Remedy):
        return guest
    target, image = str(ground.entry.fact("target")), ground.entry.fact("image")
    forms = ask_forms(guest)
    if any(disk_in(form, target) for form in forms.all):
        again = f"save the definition; remove_disk_guest {guest.name} {target} again"
        return _saved(ground, guest, f"{guest} still has disk {target}", again)
    here = _image_here(ground, PurePosixPath(image)) if image else None
    if not ground.entry.fact("purge") or here is None or not here.exists():
        return _saved(ground, guest, f"disk {target} is off {guest}")
    needed = _needed_by_others(ground, guest, PurePosixPath(image))
    if needed or here.parent not in [guest_directory(store, guest.name) for store in ground.stores]:
        return _saved(ground, guest, f"disk {target} is off {guest}", f"save the definition, and keep the image {here}")

    def finish() -> None:
        here.unlink(missing_ok=True)
        sync_directory(here.parent)
        _save(ground, guest)

    return Remedy(f"disk {target} is off {guest}", f"remove its image {here} for good, as was asked", finish)


def resized(ground: Ground) -> Remedy:
    """Nothing is half about a disk's size: it is the old one or the new one."""
    wanted = size_text(int(ground.entry.fact("size_bytes")))
    target = ground.entry.fact("target")
    return Remedy(f"disk {target} was to have {wanted}, and has that or its old size", "look with info_guest")


def _the_guest(ground: Ground) -> Guest | Remedy:
    twice = on_two_nodes(ground)
    if twice is not None:
        return twice
    if not ground.same:
        return blocked("it is on no node of its zone any more", "see what became of it, then remove the entry")
    return ground.same[0]


def _has(form: str, target: str, image: PurePosixPath) -> bool:
    disk = disk_in(form, target)
    return disk is not None and disk.source == str(image)


def _image_here(ground: Ground, image: PurePosixPath) -> Path | None:
    return next((here for store in ground.stores if (here := seen_here(store, image)) is not None), None)


def _needed_by_others(ground: Ground, guest: Guest, image: PurePosixPath) -> list[str]:
    uses = uses_of(image, ground.definitions, ground.stores)
    return [f"{image} is {use}" for use in uses if use.uuid != guest.uuid]


def _take_back(ground: Ground, guest: Guest, target: str | None) -> None:
    if target is not None and not take_off(guest, target, _LET_GO_S):
        raise Failed(
            f"{guest}: its system has not let go of disk {target} within {_LET_GO_S:g} s, and may use its image"
        )
    index = ground.entry.fact("controller")
    if index is not None and not any(has_disks_on_controller(parse(form), index) for form in ask_forms(guest).all):
        take_back_controller(guest, int(index))


def _saved(ground: Ground, guest: Guest, finding: str, cure: str = "save the definition") -> Remedy:
    return Remedy(finding, cure, lambda: _save(ground, guest))


def _save(ground: Ground, guest: Guest) -> None:
    intent = ground.entry.intent
    definition_changed(ground.config, guest, tool=intent.tool, reason=intent.reason)
