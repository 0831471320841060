"""Carrying a migration out: the guest runs at its destination or stays, and it is said which."""

import time
from pathlib import PurePosixPath
from typing import Any

from vme.actions.definition import definition_changed
from vme.actions.kept_state import parts_of
from vme.actions.migrate.cold import move_cold, refuse_if_elsewhere
from vme.actions.migrate.left_behind import remove_nvram
from vme.actions.migrate.live import begin_to_watch, handed_over, move
from vme.actions.migrate.owners import give_owners, keep_owners
from vme.actions.migrate.plan import Moved, Plan
from vme.actions.migrate.reconcile import reconcile, seen_on
from vme.actions.migrate.storage.clear import CLEARING, bring_history, put_old_away, take_back
from vme.actions.migrate.storage.lay_out import await_seen, lay_out, refuse_if_occupied
from vme.actions.migrate.storage.passage import Passage
from vme.actions.migrate.travel import (
    BRINGING_BACK,
    KEEPING,
    MOVING,
    TAKING_DOWN,
    baggage_of,
    bring_back,
    files_kept,
    keep,
    reasons_not_to_travel,
    take_down,
)
from vme.actions.together import Stop
from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import Failed, Interrupted, Refused, VmeError
from vme.fleet.deadline import Late, within
from vme.hypervisor import migration
from vme.hypervisor.guest import Guest, migratable_form, saved_form
from vme.hypervisor.migration import Carried
from vme.interrupts import deferred_interrupts
from vme.journal.entry import Intent
from vme.journal.work import Work, at_work
from vme.progress import Advance
from vme.records import replace


def carry_out(plan: Plan, advance: Advance, stop: Stop, *, reason: str | None = None) -> Moved:
    """Move the guest; on Ctrl-C cancel. However it ends, both nodes are asked where the guest is before it is said.

    What was kept on the store for it is given back to it where it is then.
    """
    guest = plan.guest
    noted_on = None if plan.passage is None else plan.config.zone(plan.destination.node.zone).stores[0]
    with at_work(plan.config, _intent(plan, reason), plan.stores, noted_on=noted_on) as work:
        give_owners(plan.owners, plan.destination.node, plan.config.ssh, timeout_s=CALL_TIMEOUT_S)
        started_s = time.monotonic()
        if not plan.live:
            refuse_if_elsewhere(plan)
        if plan.passage is not None:
            refuse_if_occupied(plan.passage.route)
        try:
            packed = _pack(plan, work)
            if plan.passage is not None:
                lay_out(plan.passage, plan.config.zone(guest.node.zone).stores, work, advance, stop)
                await_seen(plan.passage, plan.destination.node, plan.config.ssh)
            helped_by: tuple[str, ...] = ()
            if plan.live:
                helped_by = _move_live(plan, work, advance, stop)
            else:
                move_cold(plan, work)
        except KeyboardInterrupt:
            raise Interrupted(f"{guest}: interrupted; {_reckoned(plan, work)}") from None
        except Late as problem:
            if work.begun:
                # The call that is under way could bring back what is undone now: `vme repair` looks later.
                problem.message += "; it may still be done, so nothing was undone"
            raise
        except VmeError as problem:
            if isinstance(problem, Interrupted) or not work.begun:
                raise
            raise Failed(f"{problem.message}; {_reckoned(plan, work)}", hint=problem.hint) from None
        there = seen_on(plan.destination.hypervisor, guest.uuid)
        if not isinstance(there, Guest) or (plan.live and not there.active):
            name = plan.destination.node.name
            raise Failed(f"{guest}: libvirt says it moved, but {name} does not have it; {_reckoned(plan, work)}")
        elapsed_s = time.monotonic() - started_s
        try:
            with deferred_interrupts():
                mended = _settle_in(plan, work, there, reason, packed=packed)
                left_behind = _clear_source(plan, there)
                old_files = "" if plan.passage is None else _put_old_away(plan, plan.passage, work)
                work.done()
        except KeyboardInterrupt:
            so_far = "but not all it had may have come along" if work.begun else "with all it had"
            raise Interrupted(f"{there}: interrupted, but it had moved already, {so_far}") from None
        outcome = _outcome(plan, there, elapsed_s, mended)
        return replace(outcome, helped_by=helped_by, left_behind=left_behind, old_files=old_files)


def _intent(plan: Plan, reason: str | None) -> Intent:
    guest = plan.guest
    facts: dict[str, Any] = {
        "source": plan.source.node.name,
        "destination": plan.destination.node.name,
        "live": plan.live,
    }
    if plan.passage is not None:
        facts |= plan.passage.route.facts()
        facts["files"] = [piece.name for piece in plan.passage.pieces]
    return Intent("migrate_guest", guest.name, guest.node.zone, guest.uuid, facts, reason)


def _move_live(plan: Plan, work: Work, advance: Advance, stop: Stop) -> tuple[str, ...]:
    if plan.baggage.snapshots.xmls:
        work.step(TAKING_DOWN)
        take_down(plan.guest)
    watched = begin_to_watch(plan)
    carried = None if plan.passage is None else _carried(plan, plan.passage)
    work.step(MOVING)
    return move(plan, watched(), advance, stop, carried)


def _carried(plan: Plan, passage: Passage) -> Carried:
    guest, route = plan.guest, passage.route
    live = within(CALL_TIMEOUT_S, str(guest), lambda: migratable_form(guest))
    saved = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
    disks = tuple(piece.target for piece in passage.mirrored)
    return Carried(disks, route.moved_xml(live, passage.whole), route.moved_xml(saved, passage.whole))


def _pack(plan: Plan, work: Work) -> bool:
    """Keep on the store what travels; whether there is any. Raises Refused if it is not any more what was looked at."""
    baggage = baggage_of(plan.guest, CALL_TIMEOUT_S)
    stores = plan.config.zone(plan.guest.node.zone).stores
    reasons = [str(reason) for reason in reasons_not_to_travel(stores, baggage)]
    if baggage != plan.baggage:
        reasons.append("its snapshots, checkpoints or autostart were changed meanwhile: try again")
    if reasons:
        raise Refused(str(plan.guest), reasons)
    paths = () if plan.live else parts_of(plan.config, plan.guest, CALL_TIMEOUT_S).paths
    if baggage or paths:
        work.step(KEEPING)
    try:
        # With nothing to keep it puts away what was kept of earlier, which is not to be brought back to this guest.
        return keep(plan.config, plan.guest, baggage, paths) is not None
    except (VmeError, OSError) as problem:
        raise Failed(f"{plan.guest}: what travels with it can't be kept on the store, so it stays: {problem}") from None


def _settle_in(plan: Plan, work: Work, there: Guest, reason: str | None, *, packed: bool) -> list[str]:
    """Give the guest that has arrived what was kept, see that its images are still whose they were, and save its XML.

    Returns what was set right of its images.
    """
    moved = "it moved and runs" if plan.live else "it moved"
    try:
        if packed:
            work.step(BRINGING_BACK)
            bring_back(plan.config, there, plan.route)
    except (VmeError, OSError) as problem:
        raise Failed(f"{there}: {moved}, but not all of what it had came along: {problem}") from None
    mended = keep_owners(plan.owners)
    work.step("saving its definition")
    try:
        if plan.route is not None:
            bring_history(plan.route, *(zone.stores for zone in plan.zones))
        definition_changed(plan.config, there, tool="migrate_guest", reason=reason)
    except (VmeError, OSError) as problem:
        raise Failed(f"{there}: {moved}, but its saved XML is the old one: {problem}") from None
    return mended


def _clear_source(plan: Plan, there: Guest) -> str:
    """Remove what libvirt leaves at the source of a live move. Returns what is left even so."""
    if plan.nvram is None or not plan.live:
        return ""
    return remove_nvram(plan.nvram, plan.source.node, there.node, plan.config.ssh, timeout_s=CALL_TIMEOUT_S)


def _put_old_away(plan: Plan, passage: Passage, work: Work) -> str:
    work.step(CLEARING)
    names = [piece.name for piece in passage.pieces]
    try:
        return put_old_away(passage.route, names, plan.config.zone(passage.route.home.zone).stores)
    except OSError as problem:
        raise Failed(
            f"{plan.guest.name}: it moved, but its old files in {passage.route.directory} are still there: {problem}"
        ) from None


def _reckoned(plan: Plan, work: Work) -> str:
    """Where the guest is and what was put right; the journal keeps the entry unless all is."""
    try:
        reckoning = reconcile(plan.source, plan.destination.hypervisor, plan.guest.uuid, _files_kept(plan))
        if not reckoning.clear:
            return reckoning.says
        says = reckoning.says
        work.step(BRINGING_BACK)
        place = _where_it_is(plan)
        bring_back(plan.config, place, plan.route)
        says += f", {plan.baggage}" if plan.baggage else ""
        if plan.passage is not None:
            says += f"; {_clear_either_end(plan, plan.passage, work, place)}"
    except KeyboardInterrupt:
        raise handed_over(plan) from None
    except (VmeError, OSError) as problem:
        return f"{reckoning.says}, but not all of what it had is given back: {problem}"
    try:
        work.settled()
    except OSError as problem:
        again = f"vme repair {plan.guest.name} removes it"
        return f"{says}; its entry in the journal is still there ({problem.strerror}): {again}"
    return says


def _clear_either_end(plan: Plan, passage: Passage, work: Work, place: Guest) -> str:
    """Of the two directories the one stays that the guest is with."""
    if place.node == plan.guest.node:
        return take_back(passage.route, [piece.name for piece in passage.pieces])
    bring_history(passage.route, *(zone.stores for zone in plan.zones))
    definition_changed(plan.config, place, tool="migrate_guest", reason=work.intent.reason)
    return _put_old_away(plan, passage, work)


def _files_kept(plan: Plan) -> tuple[PurePosixPath, ...]:
    try:
        return files_kept(plan.config, plan.guest, plan.route)
    except (VmeError, OSError):
        return ()  # so that no copy on a node is removed; whoever brings them back says what is wrong with the store's


def _where_it_is(plan: Plan) -> Guest:
    places = [seen_on(hypervisor, plan.guest.uuid) for hypervisor in (plan.destination.hypervisor, plan.source)]
    found = next((place for place in places if isinstance(place, Guest)), None)
    if found is None:
        raise Failed(f"{plan.guest}: it is on neither node, or they don't say")
    return found


def _outcome(plan: Plan, moved: Guest, elapsed_s: float, mended: list[str]) -> Moved:
    return Moved(moved, plan.source.node.name, elapsed_s, _downtime_ms(plan, moved), plan.baggage, tuple(mended))


def _downtime_ms(plan: Plan, moved: Guest) -> int | None:
    if not plan.live:
        return None
    try:
        return within(5.0, str(moved), lambda: migration.finished_job(moved)).get("downtime")
    except VmeError:
        return None  # nice to have; the guest is where it should be
