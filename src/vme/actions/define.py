"""Defining a guest from XML: a new one whose name, UUID, images and MACs are nobody else's, or an old one anew."""

from collections.abc import Sequence
from pathlib import Path

from vme.actions.claims import claims_on
from vme.actions.definable import domain_problems, news_in, reasons_against
from vme.actions.definition import definition_changed, reasons_stores_unusable
from vme.actions.kept_state import Kept, bring_back_files, bring_back_rest, forget, kept_for
from vme.actions.past import readable_stores
from vme.actions.redefine import when_it_counts
from vme.actions.undo import CALL_TIMEOUT_S, Undo
from vme.config import Config, Node, Store
from vme.diff import same_xml
from vme.errors import Misused, NotFound, Refused, Silent
from vme.fleet.deadline import within
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import Silence, silence_text
from vme.fleet.guests import ask_guests
from vme.fleet.inventory import node_named
from vme.hypervisor.connection import Hypervisor, connect, reasons_not_to_change
from vme.hypervisor.domain_xml import is_uuid, parse, wanted_uuid
from vme.hypervisor.guest import Guest, define, remove_by_uuid, saved_form
from vme.hypervisor.new_domain import new_uuid, with_uuid
from vme.interrupts import deferred_interrupts
from vme.journal.entry import Intent
from vme.journal.work import Work, at_work
from vme.names import checked, shown
from vme.node.files import states_of
from vme.records import dataclass, replace
from vme.store import history
from vme.store.files import unspoilt_text
from vme.store.layout import saved_xml_file

DEFINING, BRINGING_BACK, SAVING = "defining it", "bringing back what was kept", "saving its definition"


@dataclass(frozen=True)
class Request:
    """The XML, where it came from, the guest's name if it is known beforehand, and the node if one was named."""

    xml: str
    source: str
    name: str | None
    node: str | None
    zone: str | None
    reason: str | None
    force: bool


@dataclass(frozen=True)
class Plan:
    """All that is needed. `old` and `before`: the guest as it is, where this gives it a new form."""

    config: Config
    request: Request
    hypervisor: Hypervisor
    name: str
    uuid: str
    old: Guest | None
    before: str | None
    claims: tuple[Store, ...]
    kept: Kept | None

    def lines(self) -> list[str]:
        """The plan for a person."""
        verb = "give a new definition to" if self.old else "define"
        return [
            f"{verb} guest {self.name} on {self.hypervisor.node.name}, from {self.request.source}",
            *([f"  bring back {self.kept}"] if self.kept else []),
        ]


def read_request(
    config: Config,
    word: str,
    *,
    node: str | None,
    zone: str | None,
    reason: str | None,
    force: bool,
    timeout_s: float,
) -> Request:
    """What FILE|GUEST on the command line means: with a slash it is a file, ending in .xml too, if there is one."""
    file = Path(word)
    if "/" in word or (word.endswith(".xml") and file.exists()):
        return Request(_text_in(file), word, None, node, zone, reason, force)
    name = checked(word, "guest")
    stores, problems = readable_stores(config, zone, timeout_s)
    saved = [(store, saved_xml_file(store, name)) for store in stores if saved_xml_file(store, name).is_file()]
    if not saved and problems:
        raise Refused(f"{name}: whether its XML is saved is not known", problems)
    if not saved:
        hint = f"for a file write ./{word}" if file.exists() else "name a file: one with a slash, or NAME.xml"
        raise NotFound(f"{name}: there is no saved XML of it on any virt-store", hint=hint)
    if len(saved) > 1:
        raise Misused(
            f"{name} is saved more than once: {', '.join(str(path) for _, path in saved)}",
            hint="name one of these files",
        )
    store, path = saved[0]
    text = unspoilt_text(path)
    if text is None:
        raise Refused(
            name,
            [f"{path} is not a file that only we may write: its QEMU's user may have put it there"],
            hint=f"an earlier one: history_guest {name}; or read it, and then: define_guest {path}",
        )
    return Request(text, str(path), name, node, store.zone, reason, force)


def _text_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Misused(f"{file} is not text in UTF-8, as a definition must be", hint="convert it with iconv") from None


def check(config: Config, request: Request, timeout_s: float) -> Plan:
    """Decide all and change nothing. Raises Misused, Silent, or Refused with all reasons."""
    domain_problems(request.xml, name=request.name, uuid=None, subject=request.source)
    root = parse(request.xml)
    name = checked(root.findtext("name", "").strip(), "guest")
    uuid = wanted_uuid(root) or None
    replies = ask_guests(config, config.nodes, timeout_s)
    everyone = [guest for answer in replies.answers for guest in answer.value]
    old = next((guest for guest in everyone if (guest.name, guest.uuid) == (name, uuid)), None)
    node = _node_for(config, request, name, old)
    _refuse_silent_node(name, node, replies.silences)
    reasons = _reasons_taken(node, name, uuid, everyone)
    if uuid is not None and not is_uuid(uuid):
        reasons.append(f"the UUID in it, {shown(uuid)}, is none: leave <uuid> out, and the guest gets its own")
    if replies.silences and not request.force:
        reasons.append(f"it may exist on a silent node: {silence_text(replies.silences)}; --force does not ask there")
    stores = config.zone(node.zone).stores
    reasons += reasons_stores_unusable(config, node.zone, timeout_s)
    claims, unclaimable = claims_on(config, stores, force=request.force, timeout_s=timeout_s)
    reasons += unclaimable
    if reasons:
        raise Refused(name, reasons)
    before = None if old is None else within(timeout_s, str(old), lambda: saved_form(old))
    _refuse_what_it_names(config, request, node, name, uuid, before, timeout_s)
    kept = None
    if old is None and uuid is not None:
        kept = kept_for(history.history_store(stores, name), name, uuid)
        _refuse_state_in_the_way(config, request, node, name, kept, timeout_s)
    hypervisor = within(timeout_s, node.name, lambda: connect(node, config.ssh, timeout_s=timeout_s))
    if reasons_not_to_change(hypervisor):
        raise Refused(name, reasons_not_to_change(hypervisor))
    if uuid is None:
        # Known beforehand, so that a definition that may have been made can be taken back, and no other guest's.
        uuid = new_uuid()
        request = replace(request, xml=with_uuid(request.xml, uuid))
    return Plan(config, request, hypervisor, name, uuid, old, before, claims, kept)


def carry_out(plan: Plan) -> str:
    """Define the guest, and bring back what was kept of it. On failure, and on Ctrl-C, a new definition is undone."""
    name, config = plan.name, plan.config
    node = plan.hypervisor.node
    facts = {"node": node.name, "is_new": plan.old is None}
    intent = Intent("define_guest", name, node.zone, plan.uuid, facts, plan.request.reason)
    with at_work(config, intent, plan.claims) as work:
        _refuse_if_changed_meanwhile(plan)
        work.step(DEFINING)
        guest = _define_new(plan, work) if plan.old is None else _define(plan)
        why = plan.request.reason
        work.step(SAVING, uuid=guest.uuid)
        definition_changed(config, guest, tool="define_guest", before=plan.before, reason=why, always=plan.old is None)
        if plan.kept is not None:
            forget(plan.kept)
        back = f"; brought back {plan.kept}" if plan.kept else ""
        return f"{guest}: {'its definition is changed' if plan.old else 'defined'}{when_it_counts(guest)}{back}"


def _define_new(plan: Plan, work: Work) -> Guest:
    """Define a guest that is not there yet, and bring back what was kept of it; all of it or nothing."""
    with Undo(plan.name, work) as undo:
        undo.add(f"the definition of {_subject(plan)}", lambda: _take_back(plan))
        guest = _define(plan)
        if plan.kept is not None:
            work.step(BRINGING_BACK, uuid=guest.uuid)
            bring_back_files(plan.config, guest, plan.kept)
            bring_back_rest(guest, plan.kept)
    return guest


def _define(plan: Plan) -> Guest:
    """Let libvirt define it. Ctrl-C waits until that is done or given up: nobody can undo what is still to come."""
    subject = _subject(plan)
    with deferred_interrupts():
        return within(CALL_TIMEOUT_S, subject, lambda: define(plan.hypervisor, plan.request.xml, subject=subject))


def _take_back(plan: Plan) -> None:
    """Undefine the guest again. NVRAM and TPM state stay on the node: they may have been there before, only there."""
    within(CALL_TIMEOUT_S, _subject(plan), lambda: remove_by_uuid(plan.hypervisor, plan.uuid, keep_state=True))


def _subject(plan: Plan) -> str:
    return f"{plan.name} on {plan.hypervisor.node.name}"


def _node_for(config: Config, request: Request, name: str, old: Guest | None) -> Node:
    """The node that was named, or the one that has the guest, or had it last, or the only one there is."""
    if request.node is not None:
        node = node_named(config, request.node)
        if request.zone not in (None, node.zone):
            raise Misused(f"{name} is of zone {request.zone}, and node {node.name} is in zone {node.zone}")
        return node
    if old is not None:
        return old.node
    zones = [zone for zone in config.zones if request.zone in (None, zone.name)]
    for zone in zones:
        versions = history.versions(history.history_store(zone.stores, name), name)
        if versions and versions[-1].node in {node.name for node in zone.nodes}:
            return node_named(config, versions[-1].node)
    nodes = [node for zone in zones for node in zone.nodes]
    if len(nodes) == 1:
        return nodes[0]
    raise Misused(f"{name}: nothing says on which node to define it", hint="name one with -s NODE")


def _refuse_silent_node(name: str, node: Node, silences: Sequence[Silence]) -> None:
    silent = silence_text(silence for silence in silences if silence.node == node)
    if silent:
        raise Silent(f"{name}: no answer from {silent}", hint="see to that node, or name another one with -s")


def _reasons_taken(node: Node, name: str, uuid: str | None, everyone: Sequence[Guest]) -> list[str]:
    """Why the name or the UUID is another guest's, or this guest's on another node. The same guest there is none."""
    reasons = []
    for guest in everyone:
        same_name, same_uuid = guest.name == name, guest.uuid == uuid
        if same_name and same_uuid and guest.node != node:
            reasons.append(
                f"it is {guest.state} on {guest.node.name}: migrate_guest it, or undefine_guest it there first"
            )
        elif same_name and not same_uuid:
            reasons.append(f"a guest of that name is {guest.state} on {guest.node.name}, with UUID {guest.uuid}")
        elif same_uuid and not same_name:
            reasons.append(f"{guest} ({guest.state}) has the same UUID: leave <uuid> out, and the guest gets its own")
    return reasons


def _refuse_what_it_names(
    config: Config, request: Request, node: Node, name: str, uuid: str | None, before: str | None, timeout_s: float
) -> None:
    news = news_in(request.xml, before)
    if request.force or not news:
        return
    replies = ask_definitions(config, config.nodes, timeout_s)
    others = [definition for answer in replies.answers for definition in answer.value]
    reasons = reasons_against(config, node, uuid, news, others, timeout_s)
    reasons += [f"no answer from {silence_text(replies.silences)}"] if replies.silences else []
    if reasons:
        raise Refused(f"{name} on {node.name}", reasons, hint="--force defines it all the same")


def _refuse_state_in_the_way(
    config: Config, request: Request, node: Node, name: str, kept: Kept | None, timeout_s: float
) -> None:
    """What lies on the node where kept state belongs is another guest's, or newer: nobody knows."""
    if kept is None or not kept.paths or request.force:
        return
    seen = states_of(node, config.ssh, kept.paths, timeout_s=timeout_s)
    reasons = [f"{node.name} has {path} already, which was kept in {kept.directory} too" for path in sorted(seen)]
    if reasons:
        raise Refused(f"{name} on {node.name}", reasons, hint="move it away there, or replace it with --force")


def _refuse_if_changed_meanwhile(plan: Plan) -> None:
    """Look again, now that no tool of ours can define that name."""
    replies = ask_guests(plan.config, plan.config.nodes, plan.config.defaults.timeout_s)
    everyone = [guest for answer in replies.answers for guest in answer.value]
    node = plan.hypervisor.node
    reasons = _reasons_taken(node, plan.name, plan.uuid, everyone)
    here = next((guest for guest in everyone if guest.uuid == plan.uuid and guest.node == node), None)
    if (here is None) != (plan.old is None):
        reasons.append("it was defined or undefined meanwhile")
    elif here is not None and plan.before is not None:
        now = within(CALL_TIMEOUT_S, str(here), lambda: saved_form(here))
        reasons += [] if same_xml(now, plan.before) else ["its definition was changed meanwhile"]
    if reasons:
        raise Refused(f"{plan.name} on {node.name}", reasons)
