"""Adding a disk to a guest: as it runs and in its definition, with its image, or not at all."""

from functools import partial

from vme.actions.definition import definition_changed
from vme.actions.disk_change import (
    ask_forms,
    disk_in,
    missing_images,
    reasons_busy,
    store_of,
    take_off,
    usable_stores,
    wait_until,
)
from vme.actions.disk_image import DiskImage, existing_image, fill, give, reasons_in_use, reserve
from vme.actions.found_again import still_there
from vme.actions.ownership import Owner, find_owner
from vme.actions.undo import CALL_TIMEOUT_S, Undo
from vme.config import Config, Store, Zone
from vme.errors import Failed, Refused
from vme.fleet.deadline import within
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import silence_text
from vme.hypervisor.disk_place import (
    free_pci_slots,
    free_target,
    has_scsi_controller,
    scsi_controller_xml,
    scsi_place,
)
from vme.hypervisor.disks import Forms, attach, detach
from vme.hypervisor.domain_xml import DiskSpec, ScsiPlace, disk_xml, parse
from vme.hypervisor.guest import Guest
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.names import checked
from vme.node.files import states_of
from vme.records import dataclass
from vme.store.layout import guest_directory, image_name, seen_by_nodes
from vme.store.proof import reasons_not_usable

# How long a guest's system may take to let go of what is taken back.
_LET_GO_S = 30.0
# What an empty image takes at first: its header and first tables.
_HEADER_BYTES = 1024**2

MAKING_IMAGE, ATTACHING, SAVING = "making its image", "attaching it", "saving the definition"


@dataclass(frozen=True)
class Wish:
    """What was asked for. `image` is a file that is there already; `format` is None where only its name says it."""

    size_bytes: int
    image: str | None
    format: str | None
    cache: str
    bus: str
    shareable: bool
    force: bool


@dataclass(frozen=True)
class Plan:
    """All that is needed to add the disk, decided."""

    config: Config
    guest: Guest
    zone: Zone
    store: Store
    wish: Wish
    image: DiskImage
    disk: DiskSpec
    owner: Owner
    live: bool
    persistent: bool

    @property
    def subject(self) -> str:
        return f"disk {self.disk.target} of {self.guest}"

    def lines(self) -> list[str]:
        """The plan for a person."""
        where = " and ".join(["as it runs"] * self.live + ["in its definition"] * self.persistent)
        new = self.disk.scsi is not None and self.disk.scsi.is_new
        return [
            f"add disk {self.disk.target} to {self.guest}, {where}",
            f"  image {self.image}",
            f"  owner {self.owner}",
            f"  bus {self.wish.bus}, cache {self.disk.cache}{', shareable' if self.disk.shareable else ''}",
            *(["  add a virtio-scsi controller"] if new else []),
        ]


def check(config: Config, guest: Guest, wish: Wish, timeout_s: float) -> Plan:
    """Decide all and change nothing. Raises Misused, or Refused with every reason."""
    checked(guest.name, "guest")
    zone = config.zone(guest.node.zone)
    usable_stores(zone, guest, timeout_s)
    forms = ask_forms(guest)
    missing = missing_images(config, guest, forms, zone.stores, timeout_s)
    reasons = reasons_busy(guest, forms)
    reasons += [f"its image {path} ({target}) is not there on {guest.node.name}" for target, path in missing.items()]
    store = store_of(zone, guest) or zone.stores[0]
    roots = [parse(form) for form in forms.all]
    target = free_target(roots, wish.bus, lambda name: _is_free_name(store, guest, wish, name))
    if target is None:
        reasons.append(f"all 26 names of {wish.bus} disks are taken, by its disks or by images in its directory")
    scsi = scsi_place(roots) if wish.bus == "scsi" else None
    reasons += _reasons_bus_is_full(forms, wish, scsi)
    owner, problems = find_owner(config, guest.node, store, timeout_s)
    reasons += problems
    image, problems = _image(config, guest, zone, store, wish, target or "vdz", timeout_s)
    reasons += problems
    if reasons or image is None or owner is None or target is None:
        raise Refused(str(guest), reasons)
    disk = DiskSpec(image.node_path, image.format, target, wish.cache, wish.shareable, scsi)
    live, persistent = forms.live is not None, forms.persistent is not None
    return Plan(config, guest, zone, store, wish, image, disk, owner, live, persistent)


def carry_out(plan: Plan, *, reason: str | None = None) -> str:
    """Add the disk and say so. On any failure, and on Ctrl-C, everything done is undone before it raises."""
    guest, image = plan.guest, plan.image
    with at_work(plan.config, _intent(plan, reason), plan.zone.stores) as work, Undo(plan.subject, work) as undo:
        _refuse_if_changed_meanwhile(plan)
        work.step(MAKING_IMAGE)
        if image.is_new:
            reserve(image)
            undo.add(f"image {image.here}", lambda: image.here.unlink(missing_ok=True))
            fill(image)
        give(image, plan.owner, plan.config.defaults.image_mode, undo)
        _prove_node_sees(plan)
        work.step(ATTACHING)
        if plan.disk.scsi is not None and plan.disk.scsi.is_new:
            _add_controller(plan, undo, plan.disk.scsi.controller)
        undo.add(plan.subject, lambda: _take_back_disk(plan))
        _attach(plan, disk_xml(plan.disk))
        _prove_attached(plan)
        if not image.is_new:
            _refuse_if_used_meanwhile(plan)
        work.step(SAVING)
        definition_changed(plan.config, guest, tool="add_disk_guest", reason=reason)
    return f"{guest}: disk {plan.disk.target} added ({image})"


def _intent(plan: Plan, reason: str | None) -> Intent:
    image, scsi, guest = plan.image, plan.disk.scsi, plan.guest
    state = None if image.is_new else image.here.stat()
    facts = {
        "target": plan.disk.target,
        "image": str(image.node_path),
        "is_new": image.is_new,
        "owner_before": None if state is None else [state.st_uid, state.st_gid, state.st_mode & 0o7777],
        "controller": scsi.controller if scsi is not None and scsi.is_new else None,
    }
    return Intent("add_disk_guest", guest.name, guest.node.zone, guest.uuid, facts, reason)


def _is_free_name(store: Store, guest: Guest, wish: Wish, target: str) -> bool:
    """Whether a new image may have that target's name: what was taken off a guest stays, and keeps its own."""
    return wish.image is not None or not (guest_directory(store, guest.name) / image_name(guest.name, target)).exists()


def _reasons_bus_is_full(forms: Forms, wish: Wish, scsi: ScsiPlace | None) -> list[str]:
    """A disk on a virtio-scsi controller that is there needs no PCI slot; all else does, in a guest that runs."""
    if forms.live is None or (scsi is not None and not scsi.is_new):
        return []
    if free_pci_slots(parse(forms.live)) != 0:
        return []
    what = "a virtio-scsi controller" if wish.bus == "scsi" else "a virtio disk"
    other = "" if wish.bus == "scsi" or not _has_virtio_scsi(forms) else ", or --bus scsi"
    return [f"its PCI bus is full: no slot is free for {what} while it runs; shut it down and add it then{other}"]


def _has_virtio_scsi(forms: Forms) -> bool:
    return not scsi_place([parse(form) for form in forms.all]).is_new


def _image(
    config: Config, guest: Guest, zone: Zone, store: Store, wish: Wish, target: str, timeout_s: float
) -> tuple[DiskImage | None, list[str]]:
    if wish.image is None:
        directory = guest_directory(store, guest.name)
        if not directory.is_dir():
            return None, [f"has no directory on a virt-store of its zone, where its image would lie: make {directory}"]
        here = directory / image_name(guest.name, target)
        image = DiskImage(here, seen_by_nodes(store, here), wish.format or "raw", wish.size_bytes, is_new=True)
        return image, reasons_not_usable(store, _HEADER_BYTES, timeout_s=timeout_s)
    found, reasons = existing_image(wish.image, zone.stores, wish.format, force=wish.force)
    if found is None:
        return None, reasons
    if wish.shareable and found.format != "raw":
        reasons.append(f"{found.here} is {found.format}: only a raw image can be shared, two writers would destroy it")
    return found, reasons + _reasons_needed_elsewhere(config, zone, found, wish, timeout_s)


def _reasons_needed_elsewhere(config: Config, zone: Zone, image: DiskImage, wish: Wish, timeout_s: float) -> list[str]:
    replies = ask_definitions(config, zone.nodes, timeout_s)
    definitions = [definition for answer in replies.answers for definition in answer.value]
    reasons = reasons_in_use(image, definitions, zone.stores, shareable=wish.shareable)
    if replies.silences and not wish.force:
        silent = silence_text(replies.silences)
        reasons.append(f"a guest of a silent node may use {image.here}: {silent}; --force adds it all the same")
    return reasons


def _refuse_if_changed_meanwhile(plan: Plan) -> None:
    """Raise Refused where the place of the disk was taken, or the guest started, stopped or moved since it was seen."""
    forms = ask_forms(still_there(plan.config, plan.guest))
    if (forms.live is not None) != plan.live or any(disk_in(form, plan.disk.target) for form in forms.all):
        raise Refused(str(plan.guest), ["it changed while this was prepared"], hint="try again")


def _refuse_if_used_meanwhile(plan: Plan) -> None:
    """Look once more, now that our own use of the image can be seen: of two that add it at once, none keeps it."""
    replies = ask_definitions(plan.config, plan.zone.nodes, plan.config.defaults.timeout_s)
    definitions = [one for answer in replies.answers for one in answer.value if one.uuid != plan.guest.uuid]
    reasons = reasons_in_use(plan.image, definitions, plan.zone.stores, shareable=plan.wish.shareable)
    if reasons:
        raise Failed(f"{plan.guest}: {'; '.join(reasons)}")


def _prove_node_sees(plan: Plan) -> None:
    node, path = plan.guest.node, plan.image.node_path
    if path not in states_of(node, plan.config.ssh, [path], timeout_s=plan.config.defaults.timeout_s):
        where = f"{plan.store.management_path} here and {plan.store.node_path} on {node.name}"
        raise Failed(f"{plan.guest}: {node.name} does not see {path}: {where} are not the same directory")


def _attach(plan: Plan, xml: str) -> None:
    guest = plan.guest
    within(CALL_TIMEOUT_S, str(guest), lambda: attach(guest, xml, live=plan.live, persistent=plan.persistent))


def _prove_attached(plan: Plan) -> None:
    """Raise Failed unless the disk is in each form it should be in: never half."""
    forms = ask_forms(plan.guest)
    where = {"as it runs": (plan.live, forms.live), "in its definition": (plan.persistent, forms.persistent)}
    lacking = [words for words, (meant, form) in where.items() if meant and disk_in(form, plan.disk.target) is None]
    if lacking:
        raise Failed(f"{plan.guest}: libvirt took disk {plan.disk.target}, but it is not there {lacking[0]}")


def _take_back_disk(plan: Plan) -> None:
    if not take_off(plan.guest, plan.disk.target, _LET_GO_S):
        raise Failed(f"the running guest has not let go of it within {_LET_GO_S:g} s, and may use its image")


def _add_controller(plan: Plan, undo: Undo, index: int) -> None:
    xml = scsi_controller_xml(index)
    undo.add(f"SCSI controller {index} of {plan.guest}", partial(take_back_controller, plan.guest, index))
    _attach(plan, xml)


def take_back_controller(guest: Guest, index: int) -> None:
    """Take a SCSI controller that was added off the guest again, wherever it has it. Raises Failed if it stays."""
    xml = scsi_controller_xml(index)

    def has(form: str | None) -> bool:
        return form is not None and has_scsi_controller(parse(form), index)

    forms = ask_forms(guest)
    live, persistent = has(forms.live), has(forms.persistent)
    if live or persistent:
        within(CALL_TIMEOUT_S, str(guest), lambda: detach(guest, xml, live=live, persistent=persistent))
    if not wait_until(lambda: not has(ask_forms(guest).live), _LET_GO_S):
        raise Failed(f"the running guest has not let go of it within {_LET_GO_S:g} s")
