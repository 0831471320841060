"""What was left unfinished in the whole VME, and what is to be done about each; nothing is changed."""

from collections.abc import Callable, Sequence

from vme.actions.repair import created, definitions, deleted, disks, migrated
from vme.actions.repair.remedy import Ground, Remedy, blocked
from vme.actions.repair.settled import Look, settled
from vme.actions.repair.unfinished import Unfinished
from vme.config import Config
from vme.errors import Failed, Refused, VmeError
from vme.journal.work import remove_entry
from vme.records import dataclass

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
class Case:
    """Work that was left unfinished, and what is to be done about it."""

    work: Unfinished
    remedy: Remedy

    def lines(self) -> list[str]:
        """The case for a person."""
        entry = self.work.entry
        return [
            f"{entry.intent.guest}: unfinished: {entry}",
            f"  found: {self.remedy.finding}",
            f"  {'not for a tool to decide' if self.remedy.blocked else 'repair'}: {self.remedy.cure}",
        ]


def check(
    config: Config, works: Sequence[Unfinished], timeout_s: float, tell: Callable[[str], None]
) -> list[Case | VmeError]:
    """What is to be done about each, or the error that says why nothing is: Silent where a node that matters is.

    Their guests are held. `tell` is told what is waited for.
    """
    looks = settled(config, works, timeout_s, tell)
    return [_case(config, work, look) for work, look in zip(works, looks, strict=True)]


def _case(config: Config, work: Unfinished, look: Look | VmeError) -> Case | VmeError:
    if isinstance(look, VmeError):
        return look
    try:
        return Case(work, _remedy(config, work, look))
    except VmeError as problem:
        return problem


def _remedy(config: Config, work: Unfinished, look: Look) -> Remedy:
    entry = work.entry
    if entry.entry_zone is not None:
        finding = f"zone {entry.entry_zone} has no entry of it: nothing was begun, or all is done"
        return Remedy(finding, f"remove this note of it in zone {entry.store.zone}")
    judge = _REMEDIES.get(entry.intent.tool)
    if judge is None:
        return blocked(f"{entry.intent.tool} is no tool of this version", "repair it with the version that began it")
    try:
        return judge(Ground(config, entry, look.guests, look.definitions))
    except (TypeError, ValueError, KeyError) as problem:
        raise Failed(
            f"{entry.intent.guest}: the journal's entry {entry.file} says what can't be: {problem!a}",
            hint="look into it, at its guest and at its images; then remove that file",
        ) from None


def cure(case: Case) -> str:
    """Do what is to be done, close the entry, and say how it went. Raises Refused where that is a person's to do."""
    entry, remedy = case.work.entry, case.remedy
    guest = entry.intent.guest
    if remedy.blocked:
        raise Refused(
            guest,
            [f"left unfinished: {entry}; {remedy.finding}: {remedy.cure}"],
            hint=f"when that is done: vme repair {guest}; nothing was changed",
        )
    try:
        said = remedy.deed() if remedy.deed is not None else None
        remove_entry(entry.file)
        if case.work.note is not None:
            remove_entry(case.work.note)
    except OSError as problem:
        raise Failed(f"{guest}: {remedy.cure}: {problem}", hint=f"see to the store, then: vme repair {guest}") from None
    except VmeError as problem:
        raise Failed(
            f"{guest}: {remedy.finding}; {problem.message}", hint=problem.hint or f"vme repair {guest} again"
        ) from None
    return f"{guest}: {entry.intent.tool} was left unfinished; {remedy.finding}; {said or f'done: {remedy.cure}'}"
