"""Deleting a guest: its definition goes, its directory moves to the trash; nothing another guest needs is touched."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path, PurePosixPath

from vme.actions.definition import SAVED_XML_MODE, keep_versions
from vme.actions.found_again import still_there
from vme.actions.image_use import chain, file_disks
from vme.actions.undefine_off import undefine_while_off
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Store
from vme.errors import Failed, Interrupted, NotFound, Refused, Silent, VmeError
from vme.fleet.deadline import within
from vme.fleet.definitions import Definition, ask_definitions
from vme.fleet.everywhere import Silence, silence_text
from vme.hypervisor.connection import reasons_not_to_change
from vme.hypervisor.domain_xml import disks_of, image_paths, nvram_of, parse
from vme.hypervisor.guest import Guest, pull_the_plug, refreshed, saved_form
from vme.journal.entry import Intent
from vme.journal.work import Work, at_work, refuse_busy
from vme.names import checked, is_allowed
from vme.records import dataclass
from vme.store.files import own_text, write_whole
from vme.store.history import history_store
from vme.store.layout import guest_directory, saved_xml_file, seen_by_nodes
from vme.store.proof import reasons_not_usable
from vme.store.trash import (
    move_history_to_trash,
    move_to_trash,
    remove_for_good,
    remove_history_for_good,
    trash_place,
)

SAVING, PULLING, UNDEFINING, PUTTING_AWAY = (
    "saving its definition",
    "pulling its plug",
    "removing its definition",
    "putting its files away",
)


@dataclass(frozen=True)
class Plan:
    """What goes and what stays. `store` is None where the guest has no directory on a virt-store."""

    config: Config
    guest: Guest
    store: Store | None
    claims: tuple[Store, ...]
    purge: bool
    left_alone: tuple[str, ...]
    force: bool = False

    @property
    def directory(self) -> Path | None:
        return None if self.store is None else guest_directory(self.store, self.guest.name)

    def lines(self) -> list[str]:
        """The plan for a person."""
        fate = "remove for good" if self.purge else "move to the trash"
        return [
            f"delete guest {self.guest} (is {self.guest.state})",
            *(["  pull its plug"] if self.guest.active else []),
            "  remove its definition, with snapshots' metadata, managed save and NVRAM",
            *([f"  {fate}: {self.directory}"] if self.directory else []),
            *(f"  left alone: {image}" for image in self.left_alone),
        ]


def check(config: Config, guest: Guest, *, purge: bool, force: bool, timeout_s: float) -> Plan:
    """Decide what goes, and change nothing. Raises Misused, or Refused with every reason."""
    checked(guest.name, "guest")
    zone = config.zone(guest.node.zone)
    # A read-only connection does not even show whole definitions, which decide what follows.
    reasons = reasons_not_to_change(guest.hypervisor)
    reasons += [
        f"{reason}; --purge frees space, moving to the trash does not" if " is full: " in reason else reason
        for store in zone.stores
        for reason in reasons_not_usable(store, 0, timeout_s=timeout_s)
        if not (purge and " is full: " in reason)
    ]
    if reasons:
        raise Refused(str(guest), reasons)
    if guest.active and not force:
        reasons.append(f"is {guest.state}: shutdown_guest or stop_guest first; --force pulls its plug")
    definitions, silences = _ask(config, guest, timeout_s)
    reasons += [] if force else _reasons_silent(silences)
    mine = next((d for d in definitions if d.uuid == guest.uuid and d.node == guest.node), None)
    if mine is None:
        refuse_busy(config, guest.name, zone.stores)
        if silences:
            raise Silent(f"{guest}: no answer from {silence_text(silences)}", hint="see to that node, then delete it")
        still_there(config, guest)  # or it says what became of it
        raise Refused(str(guest), ["it changed while it was looked at"], hint="try again")
    store = next((store for store in zone.stores if guest_directory(store, guest.name).is_dir()), None)
    others = [d for d in definitions if (d.uuid, d.node) != (guest.uuid, guest.node)]
    if store is not None:
        reasons += reasons_needed_by_others(store, guest.name, others, zone.stores)
    else:
        reasons += _reasons_directory_is_missed(mine, zone.stores)
    if reasons:
        raise Refused(str(guest), reasons)
    return Plan(config, guest, store, zone.stores, purge, _left_alone(mine, store), force)


def _ask(config: Config, guest: Guest, timeout_s: float) -> tuple[list[Definition], tuple[Silence, ...]]:
    """Every definition of the guest's zone, and the nodes that said nothing."""
    replies = ask_definitions(config, config.zone(guest.node.zone).nodes, timeout_s)
    return [definition for answer in replies.answers for definition in answer.value], replies.silences


def _reasons_silent(silences: Sequence[Silence]) -> list[str]:
    if not silences:
        return []
    return [f"a silent node may run or need it: {silence_text(silences)}; --force deletes it all the same"]


def _refuse_if_needed_by_now(plan: Plan) -> None:
    """Look again, now that the guest's name is held: a person may have taken an hour to say yes."""
    if plan.store is None:
        return
    guest = plan.guest
    definitions, silences = _ask(plan.config, guest, plan.config.defaults.timeout_s)
    others = [one for one in definitions if (one.uuid, one.node) != (guest.uuid, guest.node)]
    reasons = [] if plan.force else _reasons_silent(silences)
    reasons += reasons_needed_by_others(plan.store, guest.name, others, plan.claims)
    if reasons:
        raise Refused(str(guest), reasons)


def carry_out(plan: Plan, *, reason: str | None = None) -> str:
    """Delete the guest and return what became of its files. Raises Failed, saying what remains, if it stops midway."""
    guest = plan.guest
    facts = {"node": guest.node.name, "purge": plan.purge, "store": None if plan.store is None else plan.store.name}
    intent = Intent("del_guest", guest.name, guest.node.zone, guest.uuid, facts, reason)
    with at_work(plan.config, intent, plan.claims, frees_space=plan.purge) as work:
        try:
            return _delete(plan, work, reason)
        except KeyboardInterrupt:
            raise Interrupted(f"{guest}: interrupted; {_what_is_left(plan)}") from None


def _delete(plan: Plan, work: Work, reason: str | None) -> str:
    guest = plan.guest
    _stop_and_undefine(plan, work, reason)
    work.step(PUTTING_AWAY)
    try:
        return f"{guest}: {put_away(guest.name, plan.store, plan.claims, purge=plan.purge)}"
    except OSError as problem:
        raise Failed(
            f"{guest}: its definition is removed, but {plan.directory or 'its history'} is still there: {problem}",
            hint="see to the store, then move or remove what is there",
        ) from None


def _what_is_left(plan: Plan) -> str:
    """What a deletion that was broken off has left: a definition, files, both or neither."""
    try:
        within(CALL_TIMEOUT_S, str(plan.guest), lambda: refreshed(plan.guest))
        definition = "its definition is still there"
    except NotFound:
        definition = "its definition is removed"
    except VmeError as problem:
        definition = f"whether its definition is removed is not known ({problem.message})"
    files = f"; its files are still in {plan.directory}" if plan.directory and plan.directory.exists() else ""
    return f"{definition}{files}"


def put_away(name: str, store: Store | None, stores: Sequence[Store], *, purge: bool) -> str:
    """Remove an undefined guest's directory (on `store`) and history, or move both to the trash; says which."""
    if purge:
        if store is not None:
            remove_for_good(store, name)
        remove_history_for_good(history_store(stores, name), name)
        return "deleted for good"
    place = put_into_trash(name, store, stores)
    if store is None:
        return "definition removed; it had no directory on a virt-store"
    return f"deleted; its files are kept in {place}"


def put_into_trash(name: str, store: Store | None, stores: Sequence[Store]) -> Path:
    """Move a guest's directory (on `store`) and history to the trash; returns their place there."""
    has_history = history_store(stores, name)
    place = trash_place(store or has_history, name)
    if store is not None:
        move_to_trash(store, name, place)
    # On another store the history can't be moved beside the images: it gets a place in that store's own trash.
    move_history_to_trash(has_history, name, place if store in (None, has_history) else trash_place(has_history, name))
    return place


def _stop_and_undefine(plan: Plan, work: Work, reason: str | None) -> None:
    guest = still_there(plan.config, plan.guest)
    if guest.active and not plan.guest.active:
        raise Refused(str(guest), [f"is {guest.state}: it was started meanwhile"])
    _refuse_if_needed_by_now(plan)
    keep_nvram = False
    work.step(SAVING)
    if not plan.purge:
        # What is restored from the trash should be the guest as it was last.
        xml = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
        if plan.store is not None:
            write_whole(saved_xml_file(plan.store, guest.name), xml, mode=SAVED_XML_MODE)
            keep_nvram = _lies_in(nvram_of(parse(xml)), plan.store, guest.name)
        keep_versions(plan.claims, guest, xml, xml, tool="del_guest", reason=reason, always=True)
    if guest.active:
        work.step(PULLING)
        within(CALL_TIMEOUT_S, str(guest), lambda: pull_the_plug(guest))
    work.step(UNDEFINING)
    try:
        undefine_while_off(guest, keep_nvram=keep_nvram)
    except Failed as problem:
        problem.message += "; nothing of its files was touched"
        raise


def _reasons_directory_is_missed(mine: Definition, stores: Sequence[Store]) -> list[str]:
    """Why a guest that has images on a store must have a directory there: or its images would be orphans."""
    images = [PurePosixPath(disk.source or "/") for disk in disks_of(parse(mine.xml)) if disk.source_kind == "file"]
    return [
        f"{guest_directory(store, mine.name)} is not there, though {image} should be in it: is the virt-store mounted?"
        for store in stores
        for image in images
        if image.is_relative_to(seen_by_nodes(store, guest_directory(store, mine.name)))
    ]


def _lies_in(path: str | None, store: Store, name: str) -> bool:
    """Whether a file of the guest is in its directory, so that it moves to the trash with the images."""
    return path is not None and PurePosixPath(path).is_relative_to(seen_by_nodes(store, guest_directory(store, name)))


def reasons_needed_by_others(
    store: Store, name: str, others: Sequence[Definition], stores: Sequence[Store]
) -> list[str]:
    """Which other guest has an image of this guest's directory as a disk, or below one of its disks.

    Also one that is undefined, if its saved XML is beside its images.
    """
    directory = seen_by_nodes(store, guest_directory(store, name))
    reasons = []
    for other in others:
        disks = (path for disk in file_disks(other.xml) for path in chain(disk, stores))
        more = (PurePosixPath(path) for xml in other.more for path in image_paths(xml))
        reasons += [
            f"{path} is in use by guest {other.name!a} on {other.node.name}"
            for path in (*disks, *more)
            if path.is_relative_to(directory)
        ]
    defined = {name, *(other.name for other in others)}
    for undefined, xml in _undefined(stores, defined):
        reasons += [
            f"{path} is needed by guest {undefined}, which is defined on no node that answered, but has its XML here"
            for path in (path for disk in file_disks(xml) for path in chain(disk, stores))
            if path.is_relative_to(directory)
        ]
    return sorted(set(reasons))


def _undefined(stores: Sequence[Store], defined: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Name and saved XML of the guests that have directories on these stores, and could be defined again."""
    for store in stores:
        try:
            names = sorted(directory.name for directory in store.management_path.iterdir())
        except OSError as problem:
            raise Failed(f"virt-store {store.name} can't be looked through: {problem}; is it mounted?") from None
        for name in names:
            if is_allowed(name) and name not in defined:
                xml = own_text(saved_xml_file(store, name), mode=SAVED_XML_MODE)
                if xml is not None:
                    yield name, xml


def _left_alone(mine: Definition, store: Store | None) -> tuple[str, ...]:
    """The guest's images that lie elsewhere; they may be another's, so they stay."""
    directory = None if store is None else seen_by_nodes(store, guest_directory(store, mine.name))
    sources = [disk.source for disk in disks_of(parse(mine.xml)) if disk.source]
    return tuple(
        source for source in sources if directory is None or not PurePosixPath(source).is_relative_to(directory)
    )
