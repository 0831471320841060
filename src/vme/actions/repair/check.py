"""What was left unfinished in the whole VME, and what is to be done about each; nothing is changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vme.actions.repair import created, definitions, deleted, disks, migrated
from vme.actions.repair.remedy import Ground, Remedy, blocked
from vme.config import Config, Store, Zone
from vme.errors import Failed, Refused, Silent, VmeError
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import silence_text
from vme.fleet.guests import ask_guests
from vme.journal.entry import Entry, is_begun, parsed
from vme.journal.lock import held
from vme.journal.work import remove_entry
from vme.names import is_allowed
from vme.records import dataclass
from vme.store.layout import OWN_FILES, journal_file
from vme.store.proof import reasons_not_there

_REMEDIES: dict[str, Callable[[Ground], Remedy]] = {
    "create_guest": created.remedy,
    "del_guest": deleted.remedy,
    "add_disk_guest": disks.added,
    "remove_disk_guest": disks.removed,
    "resize_disk_guest": disks.resized,
    "define_guest": definitions.defined,
    "undefine_guest": definitions.undefined,
    "edit_guest": definitions.changed,
    "history_guest": definitions.changed,
    "tag_guest": definitions.changed,
    "migrate_guest": migrated.remedy,
}


@dataclass(frozen=True)
class Place:
    """A guest's entry, or what is left of a lock on it, on one store."""

    guest: str
    store: Store

    def __str__(self) -> str:
        return f"{self.guest} (zone {self.store.zone})"


@dataclass(frozen=True)
class Case:
    """Work that was left unfinished, and what is to be done about it. `note`: what says so in another zone."""

    entry: Entry
    remedy: Remedy
    note: Path | None = None

    def lines(self) -> list[str]:
        """The case for a person."""
        return [
            f"{self.entry.intent.guest}: unfinished: {self.entry}",
            f"  found: {self.remedy.finding}",
            f"  {'not for a tool to decide' if self.remedy.blocked else 'repair'}: {self.remedy.cure}",
        ]


def places(config: Config, guests: Sequence[str]) -> tuple[tuple[Place, ...], list[str]]:
    """Where entries and locks are, of these guests or (with none named) of all; and why some stores can't be read."""
    found: list[Place] = []
    problems: list[str] = []
    for store in (store for zone in config.zones for store in zone.stores):
        reasons = reasons_not_there(store, timeout_s=config.defaults.timeout_s)
        problems += reasons
        if reasons:
            continue
        own = store.management_path / OWN_FILES
        names = {file.name for kind in ("journal", "locks") if (own / kind).is_dir() for file in (own / kind).iterdir()}
        wanted = names & set(guests) if guests else names
        found += [Place(name, store) for name in sorted(wanted) if is_allowed(name)]
    # Work that is noted in a second zone is found where its entry is.
    return tuple(place for place in found if _place_of_entry(config, place) is None), problems


def _place_of_entry(config: Config, place: Place) -> Place | None:
    """Where the entry is that a note at this place tells of; None where it is no note, or a note without an entry."""
    entry = _entry_at(place)
    if entry is None or entry.entry_zone is None:
        return None
    zone = next((one for one in config.zones if one.name == entry.entry_zone), None)
    there = [Place(place.guest, store) for store in zone.stores] if zone is not None else []
    return next((one for one in there if journal_file(one.store, one.guest).exists()), None)


def _entry_at(place: Place) -> Entry | None:
    """The entry or note at a place, as far as it can be read by somebody who does not hold the guest."""
    try:
        text = journal_file(place.store, place.guest).read_text(encoding="utf-8")
        return parsed(place.store, place.guest, text) if is_begun(text) else None
    except (OSError, Failed):
        return None


def _other_zone(config: Config, place: Place) -> Zone | None:
    """The second zone that the work at a place concerns, if there is one and the configuration knows it."""
    entry = _entry_at(place)
    name = None if entry is None else entry.fact("to_zone")
    return next((zone for zone in config.zones if zone.name == name), None)


@contextmanager
def case_held(config: Config, place: Place) -> Iterator[Case | None]:
    """The case at a place, while nobody else can work on that guest; None if nothing was left unfinished there.

    Raises Refused while another tool is at work on it, Silent where a node that matters says nothing, Failed.
    """
    other = _other_zone(config, place)
    stores = (*config.zone(place.store.zone).stores, *(other.stores if other is not None else ()))
    with held(place.guest, stores, f"vme repair {place.guest}", wait_s=config.defaults.turn_wait_s):
        try:
            text = journal_file(place.store, place.guest).read_text(encoding="utf-8")
        except FileNotFoundError:
            yield None
            return
        if not is_begun(text):
            journal_file(place.store, place.guest).unlink()
            yield None
            return
        entry = parsed(place.store, place.guest, text)
        if entry.entry_zone is not None:
            alone = _place_of_entry(config, place) is None
            finding = f"zone {entry.entry_zone} has no entry of it: nothing was begun, or all is done"
            yield Case(entry, Remedy(finding, f"remove this note of it in zone {place.store.zone}")) if alone else None
            return
        note = None if other is None else journal_file(other.stores[0], place.guest)
        yield Case(entry, _remedy(config, entry, other), note)


def _remedy(config: Config, entry: Entry, other: Zone | None) -> Remedy:
    judge = _REMEDIES.get(entry.intent.tool)
    if judge is None:
        return blocked(f"{entry.intent.tool} is no tool of this version", "repair it with the version that began it")
    timeout_s = config.defaults.timeout_s
    zones = (config.zone(entry.store.zone), *([other] if other is not None else []))
    nodes = tuple(node for zone in zones for node in zone.nodes)
    guests = ask_guests(config, nodes, timeout_s)
    definitions_seen = ask_definitions(config, nodes, timeout_s)
    silences = {silence.node: silence for silence in (*guests.silences, *definitions_seen.silences)}
    if silences:
        raise Silent(
            f"{entry.intent.guest}: left unfinished: {entry}; no answer from {silence_text(silences.values())}",
            hint="what is to be done depends on it: see to that node, then repair again; nothing was changed",
        )
    try:
        return judge(
            Ground(
                config,
                entry,
                tuple(guest for answer in guests.answers for guest in answer.value),
                tuple(one for answer in definitions_seen.answers for one in answer.value),
            )
        )
    except (TypeError, ValueError, KeyError) as problem:
        raise Failed(
            f"{entry.intent.guest}: the journal's entry {entry.file} says what can't be: {problem!a}",
            hint="look into it, at its guest and at its images; then remove that file",
        ) from None


def cure(case: Case) -> str:
    """Do what is to be done, close the entry, and say how it went. Raises Refused where that is a person's to do."""
    guest, remedy = case.entry.intent.guest, case.remedy
    if remedy.blocked:
        raise Refused(
            guest,
            [f"left unfinished: {case.entry}; {remedy.finding}: {remedy.cure}"],
            hint=f"when that is done: vme repair {guest}; nothing was changed",
        )
    try:
        said = remedy.deed() if remedy.deed is not None else None
        remove_entry(case.entry.file)
        if case.note is not None:
            remove_entry(case.note)
    except OSError as problem:
        raise Failed(f"{guest}: {remedy.cure}: {problem}", hint=f"see to the store, then: vme repair {guest}") from None
    except VmeError as problem:
        raise Failed(
            f"{guest}: {remedy.finding}; {problem.message}", hint=problem.hint or f"vme repair {guest} again"
        ) from None
    return f"{guest}: {case.entry.intent.tool} was left unfinished; {remedy.finding}; {said or f'done: {remedy.cure}'}"
