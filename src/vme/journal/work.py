"""Work on one guest: its name is held, and each step is written down before it is done, so that a crash leaves a trace.

    with at_work(config, Intent("del_guest", ...), stores) as work:
        work.step("undefining")
        ...

The first step makes the entry; the end of the work, or `settled()`, removes it. An error leaves it, but for one that
says that nothing was changed: `vme repair` then finishes or undoes what was begun.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vme.config import Config, Store
from vme.errors import Failed, Interrupted, Misused, Refused, VmeError
from vme.fleet.deadline import Late
from vme.interrupts import deferred_interrupts
from vme.journal.entry import Intent, gave_up_line, is_begun, note, opening_line, parsed, step_line, text_of
from vme.journal.lock import held
from vme.names import is_allowed
from vme.store.files import opened_among_ours, sync_directory
from vme.store.layout import journal_file
from vme.store.proof import answers

# Of a node that fell silent, or a guest that was gone, after the first step nobody knows what was done.
_NOTHING_CHANGED = (Refused, Misused)


class Work:
    """Work on a guest that is held; its entry is on one store, and with `noted_on` a note of it on another.

    `frees_space`: it may go on where a full store has no room for the entry."""

    def __init__(
        self, intent: Intent, store: Store, *, frees_space: bool = False, noted_on: Store | None = None
    ) -> None:
        self.intent = intent
        self._store = store
        self._file = journal_file(store, intent.guest)
        self._noted_on = noted_on
        self._frees_space = frees_space
        self._handle: int | None = None
        self._begun = False
        self._last_step = ""

    @property
    def begun(self) -> bool:
        """Whether there is an entry: a step was written, and not all is settled."""
        return self._begun

    def step(self, name: str, **facts: Any) -> None:
        """Write down what is done next; it lasts (fsync) when this returns. Raises Refused or Failed if it can't."""
        try:
            if self._handle is None:
                self._begin(step_line(name, facts))
                self._begun = True
            else:
                _append(self._handle, step_line(name, facts))
            self._last_step = name
        except OSError as problem:
            if self._frees_space and problem.errno == errno.ENOSPC:
                return
            where = f"the journal on virt-store {self._store.name} ({self._file}) can't be written: {problem.strerror}"
            if self._handle is None:
                raise Refused(self.intent.guest, [where]) from None
            raise Failed(f"{self.intent.guest}: {where}") from None

    def gave_up(self) -> None:
        """Write down that a node may still do what it was asked, if the store lets us: who repairs it must wait."""
        if self._handle is not None:
            with suppress(OSError):
                _append(self._handle, gave_up_line(self._last_step))

    def settled(self) -> None:
        """Remove the entry: all is done or undone, and nothing is left that needs repair."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        with suppress(OSError):
            os.close(handle)
        remove_entry(self._file)
        if self._noted_on is not None:
            remove_entry(journal_file(self._noted_on, self.intent.guest))
        self._begun = False

    def done(self) -> None:
        """Remove the entry of work that came to its end. Raises Failed or Interrupted, both saying that it did."""
        guest = self.intent.guest
        try:
            with deferred_interrupts():
                self.settled()
        except OSError as problem:
            raise Failed(
                f"{guest}: done, but its entry in the journal is still there: {problem}", hint=f"vme repair {guest}"
            ) from None
        except KeyboardInterrupt:
            raise Interrupted(f"{guest}: interrupted, but it was done by then{self._entry_stays()}") from None

    def _entry_stays(self) -> str:
        return f"; its entry in the journal is still there: vme repair {self.intent.guest}" if self.begun else ""

    def _begin(self, first_step: str) -> None:
        if self._noted_on is None:
            self._handle = _opened(self._file, opening_line(self.intent) + first_step)
            return
        # First: a note without an entry says that nothing was begun, and an entry without its note would not be seen.
        there = journal_file(self._noted_on, self.intent.guest)
        os.close(_opened(there, note(self.intent, self._noted_on.zone)))
        try:
            self._handle = _opened(self._file, opening_line(self.intent) + first_step)
        except OSError:
            with suppress(OSError):
                there.unlink()
            raise


@contextmanager
def at_work(
    config: Config,
    intent: Intent,
    stores: Sequence[Store],
    *,
    frees_space: bool = False,
    noted_on: Store | None = None,
) -> Iterator[Work]:
    """Hold the guest's name on these stores, and keep the journal's entry of the work on it, while the block runs.

    Raises what claimed() and accounted() raise.
    """
    with claimed(config, intent, stores, frees_space=frees_space, noted_on=noted_on) as work, accounted(work):
        yield work


@contextmanager
def claimed(
    config: Config,
    intent: Intent,
    stores: Sequence[Store],
    *,
    frees_space: bool = False,
    noted_on: Store | None = None,
) -> Iterator[Work]:
    """Hold the guest's name on these stores while the block runs; the work itself is done in accounted(), once.

    The entry is on the first of them that is of the guest's zone; a note of it is on `noted_on`, of another zone.
    Raises Refused if another tool holds the guest (after waiting as long as the configuration says), or if earlier work
    on it was left unfinished.
    """
    guest = intent.guest
    why = f"{intent.tool} {guest}"
    with held(guest, stores, why, frees_space=frees_space, wait_s=config.defaults.turn_wait_s):
        refuse_unfinished(guest, stores)
        own = next(store for store in stores if store.zone == intent.zone)
        yield Work(intent, own, frees_space=frees_space, noted_on=noted_on)


@contextmanager
def accounted(work: Work) -> Iterator[None]:
    """Remove the journal's entry when the block, which does the work, ends well; an error leaves it and names the mend.

    Of several guests each has a block of its own, around what is done for that guest alone.
    """
    guest = work.intent.guest
    try:
        yield
    except VmeError as problem:
        if isinstance(problem, _NOTHING_CHANGED):
            _settled_quietly(work)
            raise
        if work.begun:
            if _comes_of_silence(problem):
                work.gave_up()
            problem.hint = f"{problem.hint}; " if problem.hint else ""
            problem.hint += f"vme repair {guest} finishes or undoes what was begun"
        raise
    except OSError as problem:
        if not work.begun:
            raise
        hint = f"see to the store, then: vme repair {guest} finishes or undoes what was begun"
        raise Failed(f"{guest}: {problem}", hint=hint) from None
    except KeyboardInterrupt:
        if not work.begun:
            raise
        hint = f"vme repair {guest} finishes or undoes what was begun"
        raise Interrupted(f"{guest}: interrupted midway", hint=hint) from None
    work.done()


def refuse_busy(config: Config, guest: str, stores: Sequence[Store]) -> None:
    """Say who is at work on a guest before what that work makes of it is taken for something else.

    Raises AtWork after waiting as long as the configuration says, Refused if earlier work was left unfinished.
    """
    if reasons_unfinished(guest, stores):
        with held(guest, stores, f"a look at {guest}", wait_s=config.defaults.turn_wait_s):
            refuse_unfinished(guest, stores)


def refuse_busy_anywhere(config: Config, guests: Sequence[str]) -> None:
    """Say who is at work on guests that no node has: that may be why. As refuse_busy, in every zone that can tell."""
    for zone in config.zones:
        stores = [store for store in zone.stores if answers(store, timeout_s=config.defaults.timeout_s)]
        for guest in guests:
            with suppress(OSError):  # whoever may not look there is told what was found
                refuse_busy(config, guest, stores)


def refuse_unfinished(guest: str, stores: Sequence[Store]) -> None:
    """Raise Refused if earlier work on the guest was left unfinished; for who holds it: nobody else works on it."""
    reasons = reasons_unfinished(guest, stores)
    if reasons:
        raise Refused(guest, reasons)


def reasons_unfinished(guest: str, stores: Sequence[Store]) -> list[str]:
    """What is begun of earlier work on the guest, on each of these stores; it may still be under way."""
    reasons = []
    for store in stores if is_allowed(guest) else ():
        with suppress(FileNotFoundError):
            text = text_of(store, guest)
            what = str(parsed(store, guest, text)) if is_begun(text) else "of which nothing was begun"
            reasons.append(
                f"earlier work on it is not finished (zone {store.zone}): {what}; "
                f"if nobody is at it, vme repair {guest} finishes or undoes it"
            )
    return reasons


def remove_entry(file: Path) -> None:
    """Remove an entry or a note, so that it stays removed."""
    file.unlink(missing_ok=True)
    sync_directory(file.parent)


def _opened(file: Path, text: str) -> int:
    """Make an entry that begins with this text, to be written on; it lasts."""
    handle = opened_among_ours(file, os.O_WRONLY | os.O_EXCL | os.O_APPEND, 0o600, directory_mode=0o700)
    try:
        _append(handle, text)
        sync_directory(file.parent)
    except OSError:
        with suppress(OSError):
            file.unlink()
        with suppress(OSError):
            os.close(handle)
        raise
    return handle


def _append(handle: int, text: str) -> None:
    content = text.encode()
    if os.write(handle, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(handle)


def _comes_of_silence(problem: BaseException | None) -> bool:
    """Whether a call that took too long, and may still go on, is the error or what led to it."""
    while problem is not None and not isinstance(problem, Late):
        problem = problem.__context__
    return problem is not None


def _settled_quietly(work: Work) -> None:
    """What was refused changed nothing: an entry that can't be removed now says so to `vme repair`."""
    with suppress(OSError):
        work.settled()
