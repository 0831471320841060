"""What adding, removing and resizing a disk have in common: the guest's two forms, and what is in the way."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from vme.actions.image_use import chain, file_disks
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Store, Zone
from vme.errors import Failed, Refused
from vme.fleet.deadline import within
from vme.hypervisor.disks import Forms, detach, forms_of, jobs_of
from vme.hypervisor.domain_xml import Disk, disks_of, parse
from vme.hypervisor.guest import Guest
from vme.node.files import states_of
from vme.store.layout import guest_directory, seen_here
from vme.store.proof import reasons_not_usable

_POLL_S = 0.1


def usable_stores(zone: Zone, guest: Guest, timeout_s: float, *, frees_space: bool = False) -> None:
    """Raise Refused unless every virt-store of the zone can be read and written: all that follows looks into them.

    What frees space may go on where a store is full.
    """
    reasons = [
        reason
        for store in zone.stores
        for reason in reasons_not_usable(store, 0, timeout_s=timeout_s)
        if not (frees_space and " is full: " in reason)
    ]
    if reasons:
        raise Refused(str(guest), reasons)


def ask_forms(guest: Guest) -> Forms:
    """The guest's forms, within a deadline."""
    return within(CALL_TIMEOUT_S, str(guest), lambda: forms_of(guest))


def store_of(zone: Zone, guest: Guest) -> Store | None:
    """The virt-store that has the guest's directory; None if none has."""
    return next((store for store in zone.stores if guest_directory(store, guest.name).is_dir()), None)


def disk_in(form: str | None, target: str) -> Disk | None:
    """The disk with that target in one form of a guest."""
    disks = disks_of(parse(form)) if form is not None else ()
    return next((disk for disk in disks if disk.target == target), None)


def disk_named(guest: Guest, forms: Forms, target: str) -> Disk:
    """The disk with that target in either form, the live one first. Raises Refused, naming those there are."""
    disk = disk_in(forms.live, target) or disk_in(forms.persistent, target)
    if disk is not None:
        return disk
    targets = sorted({one.target for form in forms.all for one in disks_of(parse(form))})
    raise Refused(str(guest), [f"has no disk {target!a}: it has {', '.join(targets) or 'none'}"])


def image_here(disk: Disk, stores: Sequence[Store]) -> Path | None:
    """The file behind a disk as this server sees it; None if it is no file, or on none of these stores."""
    if disk.source is None or disk.source_kind != "file":
        return None
    places = (seen_here(store, PurePosixPath(disk.source)) for store in stores)
    return next((place for place in places if place is not None), None)


def reasons_busy(guest: Guest, forms: Forms) -> list[str]:
    """What runs on the guest and must be done before its disks are changed."""
    if forms.live is None:
        return []
    targets = tuple(disk.target for disk in disks_of(parse(forms.live)) if disk.source)
    jobs = within(CALL_TIMEOUT_S, str(guest), lambda: jobs_of(guest, targets))
    return [f"{job} is going on: wait until it is done" for job in jobs]


def missing_images(
    config: Config, guest: Guest, forms: Forms, stores: Sequence[Store], timeout_s: float
) -> dict[str, str]:
    """Target -> the image of it, or below it, that the guest's node does not see. Raises Refused if it can't look."""
    needed = {
        disk.target: chain(disk, stores) for form in forms.all for disk in file_disks(form) if disk.device != "floppy"
    }
    paths: list[PurePosixPath] = [path for images in needed.values() for path in images]
    if not paths:
        return {}
    try:
        seen = states_of(guest.node, config.ssh, paths, timeout_s=timeout_s)
    except Failed as problem:
        raise Refused(str(guest), [f"{guest.node.name} can't look at its images: {problem.message}"]) from None
    lost = ((target, path) for target, images in needed.items() for path in images if path not in seen)
    return {target: str(path) for target, path in lost}


def device_element(form: str, target: str) -> str:
    """The XML of the disk with that target, as detaching wants it."""
    for element in parse(form).iterfind("devices/disk"):
        name = element.find("target")
        if name is not None and name.get("dev") == target:
            return ElementTree.tostring(element, encoding="unicode")
    raise Failed(f"there is no disk {target}")


def take_off(guest: Guest, target: str, wait_s: float) -> bool:
    """Take a disk off the guest wherever it has it, and wait; False if its system has not let go after `wait_s`."""
    forms = ask_forms(guest)
    live, persistent = (disk_in(form, target) is not None for form in (forms.live, forms.persistent))
    if live or persistent:
        element = device_element((forms.live if live else forms.persistent) or "", target)
        within(CALL_TIMEOUT_S, str(guest), lambda: detach(guest, element, live=live, persistent=persistent))
    return wait_until_gone(guest, target, wait_s)


def wait_until_gone(guest: Guest, target: str, wait_s: float) -> bool:
    """Wait until the running guest has no such disk; False if it still has it after `wait_s`."""
    return wait_until(lambda: disk_in(ask_forms(guest).live, target) is None, wait_s)


def wait_until(is_so: Callable[[], bool], wait_s: float) -> bool:
    """Look again and again until it is so; False if it is not after `wait_s`."""
    deadline_s = time.monotonic() + wait_s
    while not is_so():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_POLL_S)
    return True
