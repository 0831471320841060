"""What was left unfinished in the whole VME, and what is to be done about each; nothing is changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from vme.actions.repair import created, definitions, deleted, disks, migrated
from vme.actions.repair.remedy import Ground, Remedy, blocked
from vme.config import Config, Store
from vme.errors import Failed, Refused, Silent, VmeError
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import silence_text
from vme.fleet.guests import ask_guests
from vme.journal.entry import Entry, is_begun, parsed
from vme.journal.lock import held
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
    """Work that was left unfinished, and what is to be done about it."""

    entry: Entry
    remedy: Remedy

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
    return tuple(found), problems


@contextmanager
def case_held(config: Config, place: Place) -> Iterator[Case | None]:
    """The case at a place, while nobody else can work on that guest; None if nothing was left unfinished there.

    Raises Refused while another tool is at work on it, Silent where a node that matters says nothing, Failed.
    """
    stores = config.zone(place.store.zone).stores
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
        yield Case(entry, _remedy(config, entry))


def _remedy(config: Config, entry: Entry) -> Remedy:
    judge = _REMEDIES.get(entry.intent.tool)
    if judge is None:
        return blocked(f"{entry.intent.tool} is no tool of this version", "repair it with the version that began it")
    zone, timeout_s = config.zone(entry.store.zone), config.defaults.timeout_s
    guests = ask_guests(config, zone.nodes, timeout_s)
    definitions_seen = ask_definitions(config, zone.nodes, timeout_s)
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
        case.entry.file.unlink()
    except OSError as problem:
        raise Failed(f"{guest}: {remedy.cure}: {problem}", hint=f"see to the store, then: vme repair {guest}") from None
    except VmeError as problem:
        raise Failed(
            f"{guest}: {remedy.finding}; {problem.message}", hint=problem.hint or f"vme repair {guest} again"
        ) from None
    return f"{guest}: {case.entry.intent.tool} was left unfinished; {remedy.finding}; {said or f'done: {remedy.cure}'}"
