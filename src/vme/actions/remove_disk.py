"""Taking a disk off a guest: from its definition, and from the running guest once its system has let go."""

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from vme.actions.definition import definition_changed
from vme.actions.disk_change import (
    ask_forms,
    disk_in,
    disk_named,
    image_here,
    missing_images,
    reasons_busy,
    store_of,
    take_off,
    usable_stores,
)
from vme.actions.found_again import still_there
from vme.actions.image_use import Use, uses_of
from vme.config import Config, Zone
from vme.errors import Failed, Interrupted, Refused, VmeError
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import silence_text
from vme.hypervisor.domain_xml import Disk, boot_disk, parse
from vme.hypervisor.guest import Guest
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.names import checked
from vme.records import dataclass
from vme.store.files import sync_directory
from vme.store.layout import guest_directory, seen_here

# What a running machine can let go of (libvirt: "disk device type ... cannot be detached").
_PLUGGABLE = ("virtio", "scsi", "usb")

TAKING_OFF, PURGING = "taking it off the guest", "removing its image"


@dataclass(frozen=True)
class Plan:
    """What is taken off. `image` is the disk's, as this server sees it (or else the node); `purged` if it goes too."""

    config: Config
    guest: Guest
    zone: Zone
    disk: Disk
    live: bool
    persistent: bool
    image: Path | str | None
    purged: Path | None
    force: bool

    def lines(self) -> list[str]:
        """The plan for a person."""
        where = " and ".join(["as it runs"] * self.live + ["in its definition"] * self.persistent)
        fate = f"remove for good: {self.purged}" if self.purged else f"keep its image: {self.image or 'none'}"
        return [f"remove disk {self.disk.target} from {self.guest}, {where}", f"  {fate}"]


def check(config: Config, guest: Guest, target: str, *, purge: bool, force: bool, timeout_s: float) -> Plan:
    """Decide what goes, and change nothing. Raises Misused, or Refused with every reason."""
    checked(guest.name, "guest")
    zone = config.zone(guest.node.zone)
    usable_stores(zone, guest, timeout_s, frees_space=purge)
    forms = ask_forms(guest)
    disk = disk_named(guest, forms, target)
    live, persistent = (disk_in(form, target) is not None for form in (forms.live, forms.persistent))
    reasons = reasons_busy(guest, forms)
    if live:
        reasons += _reasons_running(guest, disk)
        missing = missing_images(config, guest, forms, zone.stores, timeout_s)
        if target in missing and not force:
            reasons.append(
                f"its image {missing[target]} is gone from the store, and what the guest has open is all that is left: "
                "copy the data inside the guest first, or --force"
            )
    if target in {boot_disk(parse(form)) for form in forms.all} and not force:
        reasons.append("it boots from that disk; --force removes it all the same")
    purged = None
    if purge:
        purged, problems = _image_to_purge(zone, guest, disk)
        reasons += problems + _reasons_needed(
            config, zone, disk, partial(_is_own, guest, target), force=force, timeout_s=timeout_s
        )
    if reasons:
        raise Refused(f"disk {target} of {guest}", reasons)
    image = image_here(disk, zone.stores) or disk.source
    return Plan(config, guest, zone, disk, live, persistent, image, purged, force)


def carry_out(plan: Plan, *, wait_s: float, reason: str | None = None) -> str:
    """Remove the disk and say what became of its image. Raises Failed where the guest has not let go in time."""
    guest, target = plan.guest, plan.disk.target
    with at_work(plan.config, _intent(plan, reason), plan.zone.stores, frees_space=plan.purged is not None) as work:
        same = disk_named(guest, ask_forms(still_there(plan.config, guest)), target)
        if same.source != plan.disk.source:
            raise Refused(str(guest), [f"disk {target} is another one now: {same.source}"], hint="try again")
        work.step(TAKING_OFF)
        try:
            gone = take_off(guest, target, wait_s)
        except KeyboardInterrupt:
            where = f"{_whereabouts(plan)}{_save_definition(plan, reason)}"
            work.settled()
            raise Interrupted(f"{guest}: interrupted; {where}") from None
        if not gone:
            saved = _save_definition(plan, reason)
            work.settled()
            raise Failed(
                f"{guest}: disk {target} is still attached: the guest's system was asked and has not let go within "
                f"{wait_s:g} s; its definition has it no more, and its image was not touched"
                f"{saved}",
                hint=f"see whether the guest's system uses it, then run this again, or stop_guest {guest.name}",
            )
        if plan.purged is not None:
            work.step(PURGING)
            _purge(plan, plan.purged)  # first: on a full store there is room for the definition then
            fate = ", and its image for good"
        else:
            fate = f"; its image stays: {plan.image}" if plan.image else ""
        problem = _save_definition(plan, reason)
        if problem:
            raise Failed(f"{guest}: disk {target} removed{fate}{problem}")
    return f"{guest}: disk {target} removed{fate}"


def _intent(plan: Plan, reason: str | None) -> Intent:
    guest, purged = plan.guest, plan.purged is not None
    facts = {"target": plan.disk.target, "image": plan.disk.source, "purge": purged}
    return Intent("remove_disk_guest", guest.name, guest.node.zone, guest.uuid, facts, reason)


def _reasons_running(guest: Guest, disk: Disk) -> list[str]:
    reasons = []
    if guest.state not in ("running", "blocked"):
        reasons.append(f"is {guest.state}: its system can't let go of a disk; resume_guest first, or shut it down")
    if disk.device in ("cdrom", "floppy"):
        reasons.append(f"it is a {disk.device}, which can't be unplugged while the guest runs")
    elif disk.bus not in _PLUGGABLE:
        reasons.append(f"a {disk.bus} disk can't be unplugged while the guest runs: shut it down first")
    return reasons


def _image_to_purge(zone: Zone, guest: Guest, disk: Disk) -> tuple[Path | None, list[str]]:
    """The image, if it lies in the guest's own directory: what lies elsewhere may be anybody's."""
    store = store_of(zone, guest)
    if disk.source is None or disk.source_kind != "file" or store is None:
        return None, [
            f"its image is no file in the guest's directory ({disk.source or 'none'}): remove it without --purge"
        ]
    here = seen_here(store, PurePosixPath(disk.source))
    if here is None or here.parent != guest_directory(store, guest.name) or here.is_symlink():
        return None, [f"its image {disk.source} does not lie in the guest's own directory: remove it without --purge"]
    return here, []


def _reasons_needed(
    config: Config, zone: Zone, disk: Disk, is_own: Callable[[Use], bool], *, force: bool, timeout_s: float
) -> list[str]:
    """Who needs the image, but for its own uses: a definition, a chain or a snapshot of the zone."""
    replies = ask_definitions(config, zone.nodes, timeout_s)
    definitions = [definition for answer in replies.answers for definition in answer.value]
    image = PurePosixPath(disk.source or "/")
    uses = (use for use in uses_of(image, definitions, zone.stores) if not is_own(use))
    reasons = [f"its image {image} is {use}: remove it without --purge" for use in uses]
    if replies.silences and not force:
        reasons.append(f"a guest of a silent node may need its image: {silence_text(replies.silences)}; or --force")
    return reasons


def _is_own(guest: Guest, target: str, use: Use) -> bool:
    """Whether a use is the very disk that goes."""
    mine = (use.uuid, use.node) == (guest.uuid, guest.node)
    return mine and use.kind.writes and use.disk is not None and use.disk.target == target


def _save_definition(plan: Plan, reason: str | None) -> str:
    """Bring the saved XML up to date; returns why that failed, as the end of a message, or nothing."""
    try:
        definition_changed(plan.config, plan.guest, tool="remove_disk_guest", reason=reason)
    except (VmeError, OSError) as problem:
        return f"; the XML saved beside its images is not up to date ({problem}): save_guest {plan.guest.name}"
    return ""


def _whereabouts(plan: Plan) -> str:
    """Where the guest has the disk at this moment."""
    target = plan.disk.target
    try:
        forms = ask_forms(plan.guest)
    except VmeError as problem:
        return f"whether it still has disk {target} is not known: {problem.message}"
    live = "the running guest still has it" if disk_in(forms.live, target) else "no running guest has it"
    persistent = "still" if disk_in(forms.persistent, target) else "no more"
    return f"disk {target}: {live}, its definition has it {persistent}; its image was not touched"


def _purge(plan: Plan, image: Path) -> None:
    """Remove the image, after one more look at who needs it: somebody may have begun to, meanwhile."""
    timeout_s = plan.config.defaults.timeout_s
    reasons = _reasons_needed(
        plan.config, plan.zone, plan.disk, lambda _use: False, force=plan.force, timeout_s=timeout_s
    )
    if reasons:
        raise Failed(f"{plan.guest}: disk {plan.disk.target} removed, its image kept: {'; '.join(reasons)}")
    image.unlink(missing_ok=True)
    sync_directory(image.parent)
