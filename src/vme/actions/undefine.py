"""Undefining a guest so that nothing is lost: its images stay, and what only its node has goes to the store."""

from vme.actions.definition import SAVED_XML_MODE, home_store, keep_versions, reasons_stores_unusable
from vme.actions.found_again import still_there
from vme.actions.kept_state import Kept, Parts, keep_state, parts_of
from vme.actions.undefine_off import undefine_while_off
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Store
from vme.errors import Failed, Refused, VmeError
from vme.fleet.deadline import within
from vme.hypervisor.guest import Guest, Persistence, persistence_of, saved_form
from vme.hypervisor.snapshots import Snapshots, snapshots_of
from vme.journal.entry import Intent
from vme.journal.work import at_work
from vme.names import checked
from vme.records import dataclass, replace
from vme.store.files import write_whole
from vme.store.history import history_store, versions, xml_file
from vme.store.layout import saved_xml_file

KEEPING, UNDEFINING = "keeping what its node has", "removing its definition"


@dataclass(frozen=True)
class Plan:
    """What goes and what is kept. With `left_on_node` the node's own files stay there instead of being copied."""

    config: Config
    guest: Guest
    stores: tuple[Store, ...]
    parts: Parts
    snapshots: Snapshots
    persistence: Persistence
    force: bool
    left_on_node: bool = False

    def lines(self) -> list[str]:
        """The plan for a person."""
        number = len(self.snapshots.xmls)
        return [
            f"undefine guest {self.guest}",
            *(f"  image stays: {image}" for image in self.parts.images),
            *(f"  copy to the store, then remove: {path}" for path in self.parts.paths),
            *([f"  keep on the store: the descriptions of {number} snapshot(s)"] if number else []),
            *(["  discard its saved memory"] if self.persistence.has_saved_memory else []),
            *(f"  forget checkpoint {name}" for name in self.persistence.checkpoints),
        ]


def check(config: Config, guest: Guest, *, force: bool, timeout_s: float) -> Plan:
    """Decide what is kept, and change nothing. Raises Misused, or Refused with every reason."""
    checked(guest.name, "guest")
    stores = config.zone(guest.node.zone).stores
    reasons = reasons_stores_unusable(config, guest.node.zone, timeout_s)
    if guest.active:
        reasons.append(f"is {guest.state}: shutdown_guest or stop_guest first")
    persistence = within(timeout_s, str(guest), lambda: persistence_of(guest))
    if persistence.has_saved_memory and not force:
        reasons.append(
            "has a managed save, which is its memory, and that would be lost: start_guest and shutdown_guest first; "
            "--force discards it"
        )
    if persistence.checkpoints and not force:
        names = ", ".join(persistence.checkpoints)
        reasons.append(f"has checkpoints ({names}), on which incremental backups rest; --force forgets them")
    if reasons:
        raise Refused(str(guest), reasons)
    snapshots = within(timeout_s, str(guest), lambda: snapshots_of(guest))
    return Plan(config, guest, stores, parts_of(config, guest, timeout_s), snapshots, persistence, force)


def carry_out(plan: Plan, *, reason: str | None) -> str:
    """Undefine the guest, and say what remains and how it comes back. Raises Refused, or Failed saying what remains."""
    guest = plan.guest
    facts = {"node": guest.node.name}
    intent = Intent("undefine_guest", guest.name, guest.node.zone, guest.uuid, facts, reason)
    with at_work(plan.config, intent, plan.stores) as work:
        now = still_there(plan.config, guest)
        if now.active:
            raise Refused(str(guest), [f"is {now.state}: it was started meanwhile"])
        work.step(KEEPING)
        kept, plan = _kept(plan)
        xml = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
        home = home_store(plan.stores, guest.name)
        if home is not None:
            write_whole(saved_xml_file(home, guest.name), xml, mode=SAVED_XML_MODE)
        keep_versions(plan.stores, guest, xml, xml, tool="undefine_guest", reason=reason, always=True)
        work.step(UNDEFINING)
        _undefine(plan)
        return _outcome(plan, home, kept)


def _kept(plan: Plan) -> tuple[Kept | None, Plan]:
    """Keep the node's own files on the store; by force, where that can't be done, leave them on the node."""
    store = history_store(plan.stores, plan.guest.name)
    snapshots, autostart = plan.snapshots, plan.persistence.autostart
    try:
        return keep_state(plan.config, plan.guest, store, plan.parts.paths, snapshots, autostart), plan
    except VmeError as problem:
        if not plan.force:
            raise Refused(
                str(plan.guest), [f"{problem.message}; --force leaves it on {plan.guest.node.name}"], hint=problem.hint
            ) from None
    return keep_state(plan.config, plan.guest, store, (), snapshots, autostart), replace(plan, left_on_node=True)


def _undefine(plan: Plan) -> None:
    keep_nvram = plan.left_on_node or plan.parts.nvram_on_store
    try:
        undefine_while_off(plan.guest, keep_nvram=keep_nvram, keep_tpm=plan.left_on_node)
    except Failed as problem:
        problem.message += "; its images were not touched"
        raise


def _outcome(plan: Plan, home: Store | None, kept: Kept | None) -> str:
    guest = plan.guest
    if home is not None:
        back = f"define_guest {guest.name}"
        xml = saved_xml_file(home, guest.name)
    else:
        store = history_store(plan.stores, guest.name)
        xml = xml_file(store, guest.name, versions(store, guest.name)[-1].number)
        back = f"define_guest {xml} -s {guest.node.name}"
    remains = [
        f"definition in {xml}",
        *(f"image {image}" for image in plan.parts.images),
        *([f"in {kept.directory}: {kept}"] if kept is not None else []),
        *(f"on {guest.node.name}: {path}" for path in plan.parts.paths if plan.left_on_node),
    ]
    return "\n".join(
        [f"{guest}: undefined; what remains:", *(f"  {one}" for one in remains), f"  it comes back with: {back}"]
    )
