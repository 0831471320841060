"""The journal's entry of one guest: what a tool set out to do, and each step it came to. Pure text, read and written.

JSON lines in .vme/journal/GUEST on a virt-store: the first says the intent, each other one a step, written before it is
done. The entry goes when all is done or undone; one that is there while nobody holds the guest was left unfinished.

Work that concerns a second zone leaves a note there, which is an entry that says where the entry is.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vme.config import Store
from vme.errors import Failed
from vme.invoker import person, this_host
from vme.records import dataclass, field, replace
from vme.store.layout import journal_file

Facts = Mapping[str, Any]
# The fact of a note: the zone whose store has the entry.
_ENTRY_IN = "entry_in"
# The fact, beside the last step, of a tool that gave up with a call to a node still under way: when that was.
_GAVE_UP = "gave_up_at_s"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Intent:
    """What a tool is going to do to a guest. `facts`: what JSON can hold, and repairing needs to know."""

    tool: str
    guest: str
    zone: str
    uuid: str | None = None
    facts: Facts = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Step:
    """One step that was come to: it may have been done, in part or wholly, or not at all."""

    name: str
    facts: Facts


@dataclass(frozen=True)
class Entry:
    """An entry as it was read. `who` did it, and since when, is for people; `host` is the server it was done from."""

    store: Store
    intent: Intent
    who: str
    host: str
    since: str
    steps: tuple[Step, ...]

    @property
    def file(self) -> Path:
        return journal_file(self.store, self.intent.guest)

    @property
    def last_step(self) -> str:
        """The last step it came to."""
        return self.steps[-1].name

    def came_to(self, name: str) -> bool:
        """Whether it came to that step."""
        return any(step.name == name for step in self.steps)

    def fact(self, name: str) -> Any:
        """The newest value of a fact, whether of the intent or of a step; None if there is none."""
        for facts in (*(step.facts for step in reversed(self.steps)), self.intent.facts):
            if name in facts:
                return facts[name]
        return None

    @property
    def uuid(self) -> str | None:
        """The guest's UUID, which a tool that makes one knows only later."""
        return self.fact("uuid") or self.intent.uuid

    @property
    def gave_up_at_s(self) -> float | None:
        """When the tool gave up with a call to a node still under way; None if it did not, or could not say so."""
        when = self.fact(_GAVE_UP)
        return None if when is None else float(when)

    @property
    def entry_zone(self) -> str | None:
        """Of a note the zone that has the entry; None for an entry."""
        zone = self.intent.facts.get(_ENTRY_IN)
        return None if zone is None else str(zone)

    def __str__(self) -> str:
        intent = self.intent
        came_to = f", which came to: {self.last_step}" if self.entry_zone is None else f" ({self.last_step})"
        return f"{intent.tool} {intent.guest} by {self.who} at {self.since}{came_to}"


def opening_line(intent: Intent) -> str:
    """The first line of an entry."""
    record = {
        "tool": intent.tool,
        "guest": intent.guest,
        "zone": intent.zone,
        "uuid": intent.uuid,
        "facts": intent.facts,
        "reason": intent.reason,
        "user": person(),
        "host": this_host(),
        "pid": os.getpid(),
        "boot": _boot_id(),
        "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return json.dumps(record) + "\n"


def note(intent: Intent, zone: str) -> str:
    """The text of a note for another zone."""
    there = replace(intent, zone=zone, facts={_ENTRY_IN: intent.zone})
    return opening_line(there) + step_line(f"its steps are in the journal of zone {intent.zone}", {})


def step_line(name: str, facts: Facts) -> str:
    """A line of an entry about one step."""
    return json.dumps({"step": name, "facts": facts}) + "\n"


def gave_up_line(last_step: str) -> str:
    """A line of an entry that says that a node was silent when it was asked to do the last step, and may do it yet."""
    return step_line(last_step, {_GAVE_UP: time.time()})


def text_of(store: Store, guest: str) -> str:
    """The text of the guest's entry. What is not UTF-8 in it becomes what is not JSON either. Raises OSError."""
    return journal_file(store, guest).read_text(encoding="utf-8", errors="backslashreplace")


def is_begun(text: str) -> bool:
    """Whether an entry came to its first step, which is written in one piece with the intent."""
    return text.count("\n") > 1


def parsed(store: Store, guest: str, text: str) -> Entry:
    """An entry from its text. A last line that was not written whole is as good as none: its step was not begun.

    Raises Failed where it can't be read otherwise.
    """
    try:
        first, *rest = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        intent = Intent(
            str(first["tool"]), guest, store.zone, _text_or_none(first["uuid"]), dict(first["facts"]), first["reason"]
        )
        steps = tuple(Step(str(line["step"]), dict(line["facts"])) for line in rest)
        if first["guest"] != guest or first["zone"] != store.zone or not steps:
            raise ValueError("it is about another guest, or says nothing")
        host = str(first["host"])
        return Entry(store, intent, f"{first['user']} on {host}", host, str(first["since"]), steps)
    except (ValueError, KeyError, TypeError) as problem:
        file = journal_file(store, guest)
        raise Failed(
            f"{guest}: the journal's entry {file} can't be read: {problem!a}",
            hint="look into it, at its guest and at its images; then remove that file",
        ) from None


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return None
