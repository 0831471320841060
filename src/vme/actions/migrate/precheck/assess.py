"""Guests and nodes brought together: for each guest and each node it might go to, everything that speaks against it."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from vme.actions.migrate.precheck.needs import Needs, files_of, needs_of
from vme.actions.migrate.precheck.nonces import Nonces
from vme.actions.migrate.precheck.offers import Offer, ask_offers, ask_reach, begin_to_look
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.migrate.precheck.reasons_guest import reasons_of_guest
from vme.actions.migrate.precheck.reasons_node import reasons_of_node
from vme.actions.migrate.precheck.reasons_ownership import reasons_of_ownership
from vme.actions.migrate.precheck.reasons_passage import reasons_of_passage
from vme.actions.migrate.precheck.reasons_storage import reasons_of_storage, store_of
from vme.actions.migrate.precheck.reasons_way import endpoint_of, reasons_of_way
from vme.actions.migrate.storage.ground import find_route, surveyed_passage
from vme.actions.migrate.storage.passage import Passage
from vme.actions.migrate.storage.route import Route
from vme.actions.migrate.travel import baggage_of, reasons_not_to_travel
from vme.actions.placement import OnItsWay, Promised, promised_beside
from vme.actions.together import Stop, together
from vme.config import Config, Node, Store, Zone
from vme.errors import VmeError
from vme.fleet.deadline import Late, begun, within
from vme.hypervisor.at_once import form_now
from vme.hypervisor.guest import Guest
from vme.hypervisor.movable import movable
from vme.node.sight import Reached, may_be_asked
from vme.records import dataclass
from vme.store.nonce import Nonce

T = TypeVar("T")

# Source -> what it reaches: wait for it.
Reaching = Callable[[], dict[Node, dict[str, Reached]]]

_AT_ONCE = 4


@dataclass(frozen=True)
class Verdict:
    """One guest and one node: what speaks against the node, and what only warns.

    `passage`: what goes along to a node of another zone, if that could be looked at.
    """

    offer: Offer
    against: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    passage: Passage | None = None

    @property
    def node(self) -> Node:
        return self.offer.node

    @property
    def silent(self) -> bool:
        """Whether the node's libvirt said nothing at all."""
        return self.offer.told is None


@dataclass(frozen=True)
class Assessment:
    """One guest: what speaks against moving it anywhere, and a verdict for each node it might go to.

    `needs` is None where the guest's own libvirt or QEMU did not tell what it needs.
    """

    guest: Guest
    needs: Needs | None
    anywhere: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    source: Offer | None
    verdicts: tuple[Verdict, ...]

    @property
    def possible(self) -> tuple[Verdict, ...]:
        """The nodes that nothing speaks against."""
        return () if self.anywhere else tuple(verdict for verdict in self.verdicts if not verdict.against)


def assess(
    config: Config,
    guests: Sequence[Guest],
    wanted: Node | None,
    timeout_s: float,
    on_their_way: Sequence[OnItsWay] = (),
) -> tuple[Assessment, ...]:
    """Find everything that speaks against moving each guest to `wanted`, or to each other node of its zone.

    A `wanted` that is of another zone means that the guest takes its images along.
    `on_their_way`: guests that were given room on a node, which counts beside what the nodes say.
    """
    found: dict[str, Assessment] = {}
    for zone in config.zones:
        inside = [guest for guest in guests if guest.node.zone == zone.name]
        if inside:
            found |= _assess_in(config, zone, inside, wanted, timeout_s, on_their_way)
    return tuple(found[guest.uuid] for guest in guests)


def _assess_in(
    config: Config,
    zone: Zone,
    guests: Sequence[Guest],
    wanted: Node | None,
    timeout_s: float,
    on_their_way: Sequence[OnItsWay],
) -> dict[str, Assessment]:
    forms, problems = _ask_each(guests, lambda guest: within(timeout_s, str(guest), lambda: form_now(guest)))
    told = [guest for guest in guests if guest.uuid in forms]
    candidates = zone.nodes if wanted is None else (wanted,)
    sources = [node for node in zone.nodes if any(guest.node == node for guest in told)]
    nodes = list(dict.fromkeys((*(node for node in zone.nodes if node in (*candidates, *sources)), *candidates)))
    files = {file.path for xml in forms.values() for file in files_of(xml)}
    stores = [store for store in zone.stores if any(store_of(path, [store]) for path in files)]
    routes = _routes(config, zone, told, wanted, timeout_s)
    for route in routes.values():
        files |= {route.moved(path) for path in files}
        stores += [store for store in (route.home, route.new_home) if store not in stores]
    paths = sorted(path for path in files if may_be_asked(str(path)))
    with Nonces(stores, timeout_s) as nonces:
        put = nonces.put()
        looking = begin_to_look(config, nodes, [*(nonce.path for nonce in put), *paths], timeout_s)
        # Libvirt's library is loaded for this, while the nodes look.
        found, more = _ask_each(told, lambda guest: _needs(guest, forms[guest.uuid], timeout_s))
        needs, problems = list(found.values()), [*problems, *more]
        offers = ask_offers(config, nodes, needs, looking, timeout_s)
        nonces.take()
        reached = _begin_to_reach(config, needs, candidates, offers, timeout_s)
        reports = [offer.told.report for offer in offers.values() if offer.told is not None]
        proofs = _Proofs(config, zone.stores, put, promised_beside(reports, on_their_way), routes, timeout_s)
        assessed = {one.guest.uuid: _assessment(one, candidates, offers, reached, proofs) for one in needs}
    for guest, problem in problems:
        stuck = Reason("stuck", f"it can't be asked what it needs ({problem})", "see why: info_guest")
        assessed[guest.uuid] = Assessment(guest, None, (stuck,), (), None, ())
    return assessed


@dataclass(frozen=True)
class _Proofs:
    config: Config
    stores: Sequence[Store]
    nonces: Sequence[Nonce]
    promised: Promised
    routes: dict[str, Route]
    timeout_s: float


def _routes(
    config: Config, zone: Zone, guests: Sequence[Guest], wanted: Node | None, timeout_s: float
) -> dict[str, Route]:
    """UUID -> the way to a store of the other zone, where `wanted` is of another."""
    if wanted is None or wanted.zone == zone.name:
        return {}
    there = config.zone(wanted.zone)
    return {guest.uuid: find_route(guest.name, zone, there, timeout_s) for guest in guests}


def _assessment(
    needs: Needs,
    candidates: Sequence[Node],
    offers: dict[Node, Offer],
    reached: Reaching,
    proofs: _Proofs,
) -> Assessment:
    source = offers[needs.guest.node]
    found: dict[Node, list[Reason]] = {}
    for node in candidates:
        if node == source.node:
            continue
        offer = offers[node]
        reasons = reasons_of_node(needs, source, offer, proofs.promised)
        if node.zone != source.node.zone:
            return _with_passage(needs, source, offer, reached, proofs, reasons)
        reasons += reasons_of_storage(needs, proofs.stores, proofs.nonces, source, offer)
        reasons += reasons_of_ownership(needs, proofs.stores, source, offer, may_set=os.geteuid() == 0)
        if needs.live:
            reasons += reasons_of_way(source, offer, reached().get(source.node, {}))
        found[node] = reasons
    everywhere = _common(list(found.values()))
    verdicts = (
        Verdict(offers[node], *_parted([one for one in reasons if one not in everywhere]))
        for node, reasons in found.items()
    )
    anywhere = [*reasons_of_guest(needs), *reasons_not_to_travel(proofs.stores, needs.baggage), *everywhere]
    return Assessment(needs.guest, needs, *_parted(anywhere), source, tuple(verdicts))


def _with_passage(
    needs: Needs,
    source: Offer,
    offer: Offer,
    reached: Reaching,
    proofs: _Proofs,
    reasons: list[Reason],
) -> Assessment:
    """The same for the one node of another zone."""
    route = proofs.routes[needs.guest.uuid]
    reasons += reasons_of_passage(needs, route, proofs.nonces, source, offer)
    surveyed = surveyed_passage(proofs.config, needs, route, source, offer, proofs.timeout_s)
    reasons += surveyed.reasons
    if needs.live:
        reasons += reasons_of_way(source, offer, reached().get(source.node, {}))
    verdict = Verdict(offer, *_parted(reasons), surveyed.passage)
    anywhere = [*reasons_of_guest(needs), *reasons_not_to_travel(proofs.stores, needs.baggage)]
    return Assessment(needs.guest, needs, *_parted(anywhere), source, (verdict,))


def _common(lists: Sequence[Sequence[Reason]]) -> list[Reason]:
    """What is said of each of several nodes is not about any of them: the source's file system, its own silence."""
    first, *others = lists or ([],)
    return [one for one in first if others and all(one in other for other in others)]


def _parted(reasons: Sequence[Reason]) -> tuple[tuple[Reason, ...], tuple[Reason, ...]]:
    """Those that speak against it, and those that only warn; each once."""
    each = dict.fromkeys(reasons)
    return tuple(one for one in each if not one.warns), tuple(one for one in each if one.warns)


def _needs(guest: Guest, xml: str, timeout_s: float) -> Needs:
    found = within(timeout_s, str(guest), lambda: movable(guest, xml))
    return needs_of(guest, found, baggage_of(guest, timeout_s))


def _ask_each(guests: Sequence[Guest], question: Callable[[Guest], T]) -> tuple[dict[str, T], list[tuple[Guest, str]]]:
    """UUID -> answer, in the order of the guests; and those that gave none, with the reason."""
    answers: dict[str, T] = {}
    problems: list[tuple[Guest, str]] = []

    def ask(guest: Guest) -> None:
        answers[guest.uuid] = question(guest)

    def failed(guest: Guest, problem: VmeError) -> None:
        problems.append((guest, problem.message))

    together(guests, lambda guest: guest.node, ask, failed, Stop(), _AT_ONCE)
    return {guest.uuid: answers[guest.uuid] for guest in guests if guest.uuid in answers}, problems


def _begin_to_reach(
    config: Config, needs: Sequence[Needs], candidates: Sequence[Node], offers: dict[Node, Offer], timeout_s: float
) -> Reaching:
    """What each source reaches of the nodes its guests might go to; what else is asked of them is weighed meanwhile."""
    ways: dict[Node, list[str]] = {}
    for source in dict.fromkeys(one.guest.node for one in needs if one.live):
        endpoints = [endpoint_of(offers[node]) for node in candidates if node != source]
        ways[source] = [endpoint for endpoint in endpoints if endpoint is not None]
    asked = {node: found for node, found in ways.items() if found}
    reaching = begun(2 * timeout_s, "reaching", lambda: ask_reach(config, asked, timeout_s))

    def reached() -> dict[Node, dict[str, Reached]]:
        try:
            return reaching()
        except Late:
            return {}

    return reached
