"""A copy of a guest (--from): its definition under another identity, its disks copied whole or lain over."""

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vme.actions.create.wish import Request
from vme.actions.new_image import ImagePlan, as_overlay
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Store
from vme.errors import Ambiguous, Failed, NotFound, Refused, Silent, VmeError
from vme.fleet.deadline import within
from vme.fleet.everywhere import Silence, silence_text
from vme.hypervisor.details import details_of
from vme.hypervisor.domain_xml import Description, Disk, describe, disks_of, nvram_of, parse
from vme.hypervisor.guest import Guest, saved_form
from vme.hypervisor.new_domain import reasons_not_copied
from vme.node.verbs import FILES, NVRAM, ask
from vme.records import dataclass
from vme.store.confined import reasons_leading_out
from vme.store.files import plain_bytes
from vme.store.images import ImageFacts, bytes_to_copy, facts_of_image
from vme.store.layout import guest_directory, image_name, seen_by_nodes, seen_here
from vme.units import MIB

_SEED_ENDING = "-seed.iso"
_LARGEST_NVRAM = 64 * MIB


@dataclass(frozen=True)
class Original:
    """The guest that is copied, as it is defined. `seed` is the target of its cloud-init seed, which is not copied."""

    guest: Guest
    xml: str
    description: Description
    disks: tuple[Disk, ...]
    facts: tuple[ImageFacts, ...]
    seed: str | None
    nvram: bytes | None
    reasons: tuple[str, ...]


def read_original(
    config: Config, name: str, everyone: Sequence[Guest], silences: Sequence[Silence], timeout_s: float
) -> Original:
    """Look at the guest to be copied. Raises NotFound, Silent or Ambiguous; what is against a copy is noted in it."""
    found = [guest for guest in everyone if guest.name == name]
    if not found and silences:
        raise Silent(
            f"{name}: not on any node that answered; no answer from {silence_text(silences)}",
            hint="it may be on a silent node: try again, or see what is wrong there",
        )
    if not found:
        raise NotFound(f"{name}: no such guest on any node", hint="list_guests shows those there are")
    if len(found) > 1:
        raise Ambiguous(f"{name}: on more than one node: {', '.join(guest.node.name for guest in found)}")
    guest = found[0]
    xml = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
    all_disks = disks_of(parse(xml))
    stores = config.zone(guest.node.zone).stores
    directories = [seen_by_nodes(store, guest_directory(store, name)) for store in stores]
    seed = next((disk for disk in all_disks if disk.read_only and (disk.source or "").endswith(_SEED_ENDING)), None)
    disks = tuple(disk for disk in all_disks if disk.device == "disk" and disk is not seed)
    facts, reasons = _read_images(disks, stores)
    reasons += _reasons_in_use(guest)
    nvram, problems = _read_nvram(config, guest, xml, stores, timeout_s)
    reasons += problems
    known = [disk.source for disk in (*disks, seed) if disk is not None and disk.source]
    nvram_file = nvram_of(parse(xml))
    known += [nvram_file] if nvram_file else []
    for directory in directories:
        reasons += reasons_not_copied(xml, directory, known)
    target = None if seed is None else seed.target
    reasons = [f"{guest} can't be copied: {reason}" for reason in dict.fromkeys(reasons)]
    return Original(guest, xml, describe(xml), disks, facts, target, nvram, tuple(reasons))


def plan_images(
    request: Request, original: Original, directory: Path, store: Store, uid: int
) -> tuple[tuple[ImagePlan, ...], list[str]]:
    """The images of the copy, and every reason against an overlay where one is wanted."""
    images, reasons = [], []
    for disk, facts in zip(original.disks, original.facts, strict=False):
        path = directory / image_name(request.name, disk.target)
        needed = bytes_to_copy(facts.path, facts.format, facts.format)
        plan = ImagePlan(path, facts.format, facts.virtual_bytes, facts, None, needed)
        if request.linked:
            plan, problems = as_overlay(plan, store)
            reasons += problems + _reasons_it_may_change(facts.path, uid)
        images.append(plan)
    return tuple(images), reasons


def remarks_on(original: Original, *, new_seed: bool) -> tuple[str, ...]:
    """What a person should know of the copy."""
    remarks = []
    if original.seed is not None and not new_seed:
        remarks.append(
            "the cloud-init seed is not copied (give the copy one of its own with --ssh-key or --cloud-init)"
        )
    if parse(original.xml).find("devices/tpm/backend[@type='emulator']") is not None:
        remarks.append("the copy's TPM is new and empty: what is sealed in the original's stays there")
    return tuple(remarks)


def refuse_if_used_meanwhile(guest: Guest) -> None:
    """Raise Refused if the guest that is copied was started: what was copied of its disks is of no use."""
    reasons = _reasons_in_use(guest)
    if reasons:
        raise Refused(str(guest), [f"{reason}; it was so not when the copy began" for reason in reasons])


def _reasons_in_use(guest: Guest) -> list[str]:
    """Why its disks are not at rest."""
    from vme.hypervisor.guest import refreshed

    now = within(CALL_TIMEOUT_S, str(guest), lambda: refreshed(guest))
    if now.active:
        return [f"it is {now.state}, and a copy of disks in use is not whole: shutdown_guest {guest.name} first"]
    details = within(CALL_TIMEOUT_S, str(guest), lambda: details_of(now, ()))
    if details.has_managed_save:
        return [f"its memory is saved, so its disks are in mid-work: start_guest {guest.name}, then shut it down"]
    return []


def _read_images(disks: Sequence[Disk], stores: Sequence[Store]) -> tuple[tuple[ImageFacts, ...], list[str]]:
    """What the disks' images are, read in the format that the definition names."""
    facts, reasons = [], []
    for disk in disks:
        path = PurePosixPath(disk.source or "/")
        here = next((here for store in stores if (here := seen_here(store, path)) is not None), None)
        if disk.source_kind != "file" or disk.source is None:
            continue  # reasons_not_copied() says so
        if here is None or not here.is_file():
            reasons.append(f"its disk {disk.target} ({path}) is not on a virt-store of its zone, or is missing there")
            continue
        leads_out = reasons_leading_out(here, disk.format or "raw", stores)
        if leads_out:
            reasons += [f"its disk {disk.target}: {reason}" for reason in leads_out]
            continue
        try:
            facts.append(facts_of_image(here, disk.format or "raw"))
        except Failed as problem:
            reasons.append(problem.message)
    return tuple(facts), reasons


def _reasons_it_may_change(image: Path, uid: int) -> list[str]:
    """Why an overlay on a guest's image would not be safe: a single write to it spoils every overlay."""
    if uid == 0:
        return [f"QEMU runs as root there, so nothing keeps it from writing to {image}: make a whole copy, no --linked"]
    if image.stat().st_mode & 0o222:
        return [
            f"{image} could still be written to, which spoils every overlay on it. Make it a template, which can't "
            f"start any more: chmod a-w {image}; or make a whole copy, no --linked"
        ]
    return []


def _read_nvram(
    config: Config, guest: Guest, xml: str, stores: Sequence[Store], timeout_s: float
) -> tuple[bytes | None, list[str]]:
    """The contents of the guest's UEFI variables: from the store, or over ssh; None if it has none yet."""
    text = nvram_of(parse(xml))
    if text is None:
        return None, []
    path = PurePosixPath(text)
    here = next((here for store in stores if (here := seen_here(store, path)) is not None), None)
    try:
        if here is not None:
            return (plain_bytes(here, most=_LARGEST_NVRAM) if os.path.lexists(here) else None), []
        if ask(guest.node, config.ssh, FILES, str(path), timeout_s=timeout_s).status != 0:
            return None, []
        done = ask(guest.node, config.ssh, NVRAM, str(path), timeout_s=timeout_s)
        content = base64.b64decode(done.output.replace("\n", ""), validate=True)
    except (VmeError, OSError, binascii.Error) as problem:
        return None, [f"its UEFI variables ({path}) can't be read: {problem}"]
    if done.status != 0 or len(content) > _LARGEST_NVRAM:
        return None, [f"its UEFI variables ({path}) can't be read: {done.last_words}"]
    return content, []
