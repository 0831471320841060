"""Writing tags, a title and a description on a guest: kept by its own libvirt, so that they travel with it."""

from vme.actions.definition import definition_changed
from vme.actions.found_again import found_again
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config
from vme.errors import Misused
from vme.fleet.deadline import within
from vme.hypervisor.guest import Guest, Labels, saved_form
from vme.hypervisor.metadata import is_persistent, labels_of, set_labels
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.names import checked, shown
from vme.records import dataclass


@dataclass(frozen=True)
class Change:
    """What is to be different. Of title and description None leaves what there is, and an empty text removes it."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    clear: bool = False
    title: str | None = None
    description: str | None = None

    @property
    def is_none(self) -> bool:
        """Whether nothing is to be different."""
        return self == Change()

    def applied_to(self, labels: Labels) -> Labels:
        """The labels as they are to be. `clear` goes first, so that tags can be replaced."""
        kept = set() if self.clear else set(labels.tags) - set(self.remove)
        return Labels(
            tags=tuple(sorted(kept | set(self.add))),
            title=labels.title if self.title is None else self.title or None,
            description=labels.description if self.description is None else self.description or None,
        )


@dataclass(frozen=True)
class Plan:
    """One guest, its labels now and as they are to be."""

    guest: Guest
    change: Change
    before: Labels
    after: Labels

    def __str__(self) -> str:
        if self.before == self.after:
            return f"{self.guest}: {labels_text(self.after)} already"
        return f"{self.guest}: {labels_text(self.after)} (was: {labels_text(self.before)})"


def checked_change(config: Config, change: Change) -> Change:
    """The same change, if it can be made to any guest. Raises Misused."""
    for tag in (*change.add, *change.remove):
        checked(tag, "tag")
    for tag in change.add:
        if tag in {zone.name for zone in config.zones}:
            raise Misused(f"{tag} can't be a tag: it is a zone", hint="@TAG must never be taken for a zone's guests")
    both = sorted(set(change.add) & set(change.remove))
    if both:
        raise Misused(f"{', '.join(both)}: to be added and removed", hint="say one of the two")
    if change.title is not None and not (change.title.isprintable() and len(change.title) <= 200):
        raise Misused("a title is one line of at most 200 characters", hint="what is longer belongs in --description")
    if any(not character.isprintable() and character not in "\n\t" for character in change.description or ""):
        raise Misused("a description is printable text, with line ends and tabs")
    return change


def check(guest: Guest, change: Change, timeout_s: float) -> Plan:
    """What the change makes of this guest's labels. Raises Misused for a foreign name, Late at the deadline."""
    checked(guest.name, "guest")
    before = within(timeout_s, str(guest), lambda: labels_of(guest))
    return Plan(guest, change, before, change.applied_to(before))


def carry_out(config: Config, plan: Plan, *, reason: str | None = None) -> str:
    """Write the labels, now and for good, and save the definition; returns what the guest has then.

    They are read again while the guest's name is held: of two people who add a tag at once, both tags stay.
    """
    if plan.before == plan.after:
        return str(plan)
    stores = config.zone(plan.guest.node.zone).stores
    guest = plan.guest
    intent = Intent("tag_guest", guest.name, guest.node.zone, guest.uuid, reason=reason)
    with at_work(config, intent, stores) as work:
        guest = found_again(config, guest)
        xml = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
        work.step("changing its definition")
        after = within(CALL_TIMEOUT_S, str(guest), lambda: _set(guest, plan.change))
        definition_changed(config, guest, tool="tag_guest", before=xml, reason=reason)
    return f"{guest}: {labels_text(after)}"


def _set(guest: Guest, change: Change) -> Labels:
    after = change.applied_to(labels_of(guest))
    set_labels(guest, after, persistent=is_persistent(guest))
    return after


def labels_text(labels: Labels) -> str:
    """`tags prod, web; title 'Shop'`: labels for a person, in one line."""
    parts = [f"tags {', '.join(labels.tags)}" if labels.tags else "no tags"]
    parts += [f"title {shown(labels.title)}"] if labels.title else []
    parts += [f"description {shown(labels.description)}"] if labels.description else []
    return "; ".join(parts)
