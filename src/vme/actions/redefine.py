"""Changing the definition of a guest that is there: unless somebody else changed it meanwhile."""

from vme.actions.definable import domain_problems, news_in, reasons_against
from vme.actions.definition import definition_changed
from vme.actions.found_again import found_again
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config
from vme.diff import same_xml
from vme.errors import Refused
from vme.fleet.deadline import within
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import silence_text
from vme.hypervisor.guest import Guest, define, persistence_of, saved_form
from vme.hypervisor.metadata import is_persistent
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.names import checked
from vme.records import dataclass
from vme.store import history


@dataclass(frozen=True)
class Plan:
    """A guest, its persistent XML as it was looked at, and what it is to become. `tool` and `reason`: why."""

    config: Config
    guest: Guest
    before: str
    after: str
    tool: str
    reason: str | None


class ChangedMeanwhile(Refused):
    """The definition is not any more what was looked at; nothing was changed."""


def definition_of(guest: Guest, timeout_s: float) -> str:
    """The guest's persistent XML. Raises Misused for a name that can't be a path, Refused where there is none."""
    checked(guest.name, "guest")
    if not within(timeout_s, str(guest), lambda: is_persistent(guest)):
        raise Refused(
            str(guest), ["is transient: it has no definition, and is gone when it stops"], hint="define_guest FILE"
        )
    return within(timeout_s, str(guest), lambda: saved_form(guest))


def check(
    config: Config,
    guest: Guest,
    before: str,
    after: str,
    *,
    tool: str,
    reason: str | None,
    force: bool,
    timeout_s: float,
) -> Plan:
    """Whether the guest may become that; changes nothing. Raises Refused with all reasons."""
    domain_problems(after, name=guest.name, uuid=guest.uuid, subject=str(guest))
    news = news_in(after, before)
    if news and not force:
        replies = ask_definitions(config, config.nodes, timeout_s)
        others = [definition for answer in replies.answers for definition in answer.value]
        reasons = reasons_against(config, guest.node, guest.uuid, news, others, timeout_s)
        if replies.silences:
            reasons.append(f"what it newly has may be in use on a silent node: {silence_text(replies.silences)}")
        if reasons:
            raise Refused(str(guest), reasons, hint="--force changes it all the same")
    return Plan(config, guest, before, after, tool, reason)


def carry_out(plan: Plan) -> str:
    """Define the guest anew, where it is now. Raises ChangedMeanwhile, or Refused with libvirt's own reason."""
    config, name = plan.config, plan.guest.name
    zone = config.zone(plan.guest.node.zone)
    intent = Intent(plan.tool, name, zone.name, plan.guest.uuid, reason=plan.reason)
    with at_work(config, intent, zone.stores) as work:
        # It may have moved: who looks at XML for an hour does not keep it from that.
        guest = found_again(config, plan.guest)
        now = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
        if not same_xml(now, plan.before):
            raise ChangedMeanwhile(str(guest), [f"its definition was changed meanwhile{_by_whom(config, guest, now)}"])
        hypervisor = guest.hypervisor
        work.step("changing its definition")
        guest = within(CALL_TIMEOUT_S, str(guest), lambda: define(hypervisor, plan.after, subject=str(guest)))
        definition_changed(config, guest, tool=plan.tool, before=plan.before, reason=plan.reason)
        return f"{guest}: its definition is changed{when_it_counts(guest)}"


def when_it_counts(guest: Guest) -> str:
    """`; it runs, and ...`: the words about a change that is not in effect yet; empty if it is at the next start."""
    if guest.active:
        return f"; it is {guest.state}, so the change takes effect at its next start"
    if within(CALL_TIMEOUT_S, str(guest), lambda: persistence_of(guest)).has_saved_memory:
        return "; it has a managed save, so its next start still restores it as it was"
    return ""


def _by_whom(config: Config, guest: Guest, now: str) -> str:
    store = history.history_store(config.zone(guest.node.zone).stores, guest.name)
    versions = history.versions(store, guest.name)
    if not versions or not history.is_latest(store, guest.name, now) or versions[-1].user is None:
        return ""
    last = versions[-1]
    return f" by {last.user} with {last.tool} at {last.time}{f' ({last.reason})' if last.reason else ''}"
