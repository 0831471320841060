"""Growing a disk: of a running guest, whose system is told; or its image, of a guest that is shut off."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from vme.actions.disk_change import (
    ask_forms,
    disk_in,
    disk_named,
    image_here,
    missing_images,
    reasons_busy,
    usable_stores,
)
from vme.actions.found_again import still_there
from vme.actions.image_use import uses_of
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Zone
from vme.errors import Failed, Refused, VmeError
from vme.fleet.deadline import within
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import silence_text
from vme.hypervisor.disks import Snapshot, capacity_of, grow, snapshots_of
from vme.hypervisor.domain_xml import Disk, parse
from vme.hypervisor.guest import Guest
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.names import checked
from vme.records import dataclass
from vme.store.confined import reasons_leading_out, refuse_leading_out
from vme.store.images import facts_of_image, resize_image
from vme.units import size_text

# The buses whose disks tell the guest's system at once that they have grown.
_TELLING = ("virtio", "scsi")


@dataclass(frozen=True)
class Plan:
    """One disk and its new size; `image` is its file as this server sees it, `live` that the guest runs."""

    config: Config
    guest: Guest
    zone: Zone
    disk: Disk
    image: Path
    before_bytes: int
    size_bytes: int
    live: bool

    @property
    def needed(self) -> bool:
        return self.size_bytes != self.before_bytes

    def lines(self) -> list[str]:
        """The plan for a person."""
        if not self.needed:
            return [f"disk {self.disk.target} of {self.guest} is {size_text(self.size_bytes)} already"]
        how = "while it runs" if self.live else "its image"
        sizes = f"from {size_text(self.before_bytes)} to {size_text(self.size_bytes)}"
        return [f"grow disk {self.disk.target} of {self.guest} {sizes}, {how}", f"  image {self.image}"]


def check(config: Config, guest: Guest, target: str, size_bytes: int, *, force: bool, timeout_s: float) -> Plan:
    """Decide, and change nothing. Raises Misused, or Refused with every reason."""
    checked(guest.name, "guest")
    zone = config.zone(guest.node.zone)
    usable_stores(zone, guest, timeout_s)
    forms = ask_forms(guest)
    disk = disk_named(guest, forms, target)
    subject, live = f"disk {target} of {guest}", forms.live is not None
    image = image_here(disk, zone.stores)
    if image is None:
        raise Refused(subject, [f"its image {disk.source or '(none)'} is no file on a virt-store of its zone"])
    reasons = reasons_busy(guest, forms)
    if live and disk_in(forms.live, target) is None:
        reasons.append(
            "it is in the guest's definition, but the running guest does not have it yet: start it anew first"
        )
    missing = missing_images(config, guest, forms, zone.stores, timeout_s)
    reasons += [f"its image {path} ({name}) is not there on {guest.node.name}" for name, path in missing.items()]
    reasons += _reasons_shared(config, zone, guest, disk, force=force, timeout_s=timeout_s)
    if not force:
        snapshots = within(CALL_TIMEOUT_S, str(guest), lambda: snapshots_of(guest))
        reasons += _reasons_snapshots(snapshots, disk)
    leads_out = [] if live or missing else reasons_leading_out(image, disk.format or "raw", zone.stores)
    reasons += leads_out
    before_bytes = size_bytes if missing or leads_out else _size_now(guest, disk, image, live=live)
    if size_bytes < before_bytes:
        reasons.append(
            f"it is {size_text(before_bytes)}, and is never made smaller: what lies beyond {size_text(size_bytes)} "
            "would be lost; add a smaller disk, copy the data inside the guest, and remove this one"
        )
    if reasons:
        raise Refused(subject, reasons)
    return Plan(config, guest, zone, disk, image, before_bytes, size_bytes, live)


def carry_out(plan: Plan, *, reason: str | None = None) -> str:
    """Grow the disk, prove it, and say so. An image never becomes smaller again, so nothing is undone."""
    guest, target = plan.guest, plan.disk.target
    if not plan.needed:
        return f"{guest}: disk {target} is {size_text(plan.size_bytes)} already"
    facts = {"target": target, "size_bytes": plan.size_bytes}
    intent = Intent("resize_disk_guest", guest.name, guest.node.zone, guest.uuid, facts, reason)
    with at_work(plan.config, intent, plan.zone.stores) as work:
        forms = ask_forms(still_there(plan.config, guest))
        if (forms.live is not None) != plan.live or disk_named(guest, forms, target).source != plan.disk.source:
            raise Refused(str(guest), ["it changed while this was prepared"], hint="try again")
        if _size_now(guest, plan.disk, plan.image, live=plan.live) > plan.size_bytes:
            raise Refused(str(guest), [f"disk {target} was made larger meanwhile"])
        work.step("growing it")
        if plan.live:
            within(CALL_TIMEOUT_S, str(guest), lambda: grow(guest, target, plan.size_bytes))
        else:
            refuse_leading_out(plan.image, plan.disk.format or "raw", plan.zone.stores)
            resize_image(plan.image, plan.disk.format or "raw", plan.size_bytes)
        now_bytes = _prove(plan)
    ending = "" if not plan.live or plan.disk.bus in _TELLING else "; the guest sees it when it starts anew"
    return f"{guest}: disk {target} grown from {size_text(plan.before_bytes)} to {size_text(now_bytes)}{ending}"


def _prove(plan: Plan) -> int:
    try:
        now_bytes = _size_now(plan.guest, plan.disk, plan.image, live=plan.live)
    except VmeError as problem:
        raise Failed(f"{plan.guest}: grown, but its size can't be read: {problem.message}", hint=problem.hint) from None
    if now_bytes < plan.size_bytes:
        raise Failed(f"{plan.guest}: disk {plan.disk.target} is {size_text(now_bytes)} after it was grown")
    return now_bytes


def _size_now(guest: Guest, disk: Disk, image: Path, *, live: bool) -> int:
    if live:
        return within(CALL_TIMEOUT_S, str(guest), lambda: capacity_of(guest, disk.target))
    return facts_of_image(image, disk.format or "raw").virtual_bytes


def _reasons_shared(
    config: Config, zone: Zone, guest: Guest, disk: Disk, *, force: bool, timeout_s: float
) -> list[str]:
    """Which others have the image: as a shared disk, or below an overlay of theirs; or the same guest elsewhere."""
    replies = ask_definitions(config, zone.nodes, timeout_s)
    definitions = [definition for answer in replies.answers for definition in answer.value]
    reasons = [
        f"its image is {use} too: that one would not learn of its new size"
        for use in uses_of(PurePosixPath(disk.source or "/"), definitions, zone.stores)
        if (use.uuid, use.node) != (guest.uuid, guest.node)
    ]
    if replies.silences and not force:
        reasons.append(f"a guest of a silent node may use its image: {silence_text(replies.silences)}; or --force")
    return reasons


def _reasons_snapshots(snapshots: Sequence[Snapshot], disk: Disk) -> list[str]:
    inside = [one.name for one in snapshots if _is_inside(parse(one.xml), disk.target)]
    if not inside:
        return []
    names = ", ".join(inside)
    return [f"its image has snapshots ({names}): going back to one makes the disk small again; --force grows it now"]


def _is_inside(snapshot: Element, target: str) -> bool:
    """Whether a snapshot lies in the image of that disk itself."""
    disks = [one for one in snapshot.iterfind("disks/disk") if one.get("name") == target]
    return any(one.get("snapshot") == "internal" for one in disks)
