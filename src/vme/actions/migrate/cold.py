"""The move of a guest that is shut off: its definition goes to another node, where its images are already."""

from vme.actions.kept_state import parts_of
from vme.actions.migrate.plan import Plan
from vme.actions.migrate.storage.lay_out import changed_since
from vme.actions.migrate.storage.passage import Passage
from vme.actions.migrate.travel import lay_ready
from vme.actions.undefine_off import undefine_while_off
from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import Failed, Refused, Silent
from vme.fleet.deadline import within
from vme.fleet.everywhere import silence_text
from vme.fleet.guests import ask_guests
from vme.hypervisor.domain_xml import describe
from vme.hypervisor.guest import define, refreshed, saved_form
from vme.journal.work import Work
from vme.store.proof import must_be_there

# Steps of the journal's entry.
DEFINING = "defining it at the destination"
UNDEFINING = "undefining it at the source"


def refuse_if_elsewhere(plan: Plan) -> None:
    """Ask every node it may be on again, now that no other tool works on the guest. Raises Refused, or Silent."""
    config, guest = plan.config, plan.guest
    nodes = tuple(node for zone in plan.zones for node in zone.nodes)
    replies = ask_guests(config, nodes, config.defaults.timeout_s)
    if replies.silences:
        raise Silent(
            f"{guest}: no answer from {silence_text(replies.silences)}, where it may run",
            hint="nothing was changed; see to that node",
        )
    reasons = [
        f"is {other.state} on {other.node.name} {'by now' if other.node == guest.node else 'as well'}"
        for answer in replies.answers
        for other in answer.value
        if other.uuid == guest.uuid and (other.node != guest.node or other.active)
    ]
    if reasons:
        raise Refused(str(guest), reasons)


def _refuse_changed(plan: Plan, passage: Passage) -> None:
    """Raise Failed where the guest ran since it was looked at: what was copied is not what it has now."""
    guest = plan.guest
    must_be_there(passage.route.new_home, f"{guest}: its copy can't be looked at", timeout_s=CALL_TIMEOUT_S)
    now = within(CALL_TIMEOUT_S, str(guest), lambda: refreshed(guest))
    changed = changed_since(passage.route, [piece.name for piece in passage.pieces])
    if now.active or changed:
        why = f"it is {now.state} by now" if now.active else f"{', '.join(changed)} was written to"
        raise Failed(f"{guest}: {why}, while it was copied: it stays", hint="shut it down, and move it again")


def move_cold(plan: Plan, work: Work) -> None:
    """Define the guest at its destination with all it had, then undefine it at the source. What travels is kept before.

    Raises Failed where a step was not done; which one, the nodes tell: the guest is defined on one of them, or on both.
    """
    guest, config = plan.guest, plan.config
    xml = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
    if plan.passage is not None:
        xml = plan.passage.route.moved_xml(xml, plan.passage.whole)
    parts = parts_of(config, guest, CALL_TIMEOUT_S)
    subject = f"{guest.name} on {plan.destination.node.name}"
    work.step(DEFINING)
    there = within(CALL_TIMEOUT_S, subject, lambda: define(plan.destination.hypervisor, xml, subject=subject))
    if describe(within(CALL_TIMEOUT_S, subject, lambda: saved_form(there))) != describe(xml):
        raise Failed(f"{there}: libvirt there made another guest of its definition")
    lay_ready(config, there, plan.route)
    if plan.passage is not None:
        _refuse_changed(plan, plan.passage)
    work.step(UNDEFINING)
    undefine_while_off(guest, keep_nvram=parts.nvram_on_store)
