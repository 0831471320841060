"""Where each guest goes: its zone, its virt-store, its node; memory that is promised in this plan counts too."""

from collections.abc import Mapping, Sequence

from vme.actions.create.clone import Original
from vme.actions.create.wish import BridgeWish, Request
from vme.actions.placement import best_node
from vme.config import Config, Store, Zone
from vme.errors import Misused, Silent
from vme.fleet.everywhere import Replies, silence_text
from vme.fleet.inventory import node_named, store_named, zone_of
from vme.fleet.report import NodeReport
from vme.records import dataclass, replace


@dataclass(frozen=True)
class Site:
    """A guest and its place. `request` has the sizes and bridges of the original where the guest is a copy.

    `promised_mib` is what guests before this one in the plan were promised on the same node.
    """

    request: Request
    zone: Zone
    store: Store
    report: NodeReport
    placement: str
    promised_mib: int
    original: Original | None


def choose_sites(
    config: Config, requests: Sequence[Request], originals: Mapping[str, Original], replies: Replies[NodeReport]
) -> tuple[Site, ...]:
    """A place for each guest, one after the other. Raises Misused, Silent or Refused where there is none."""
    promised: dict[str, int] = {}
    sites = []
    for wish in requests:
        original = None if wish.source is None else originals[wish.source]
        request = wish if original is None else _sized_as(wish, original)
        zone = zone_for(config, request, original)
        report, placement = _place(config, request, zone, replies, promised)
        name = report.node.name
        before_mib = promised.get(name, 0)
        sites.append(Site(request, zone, store_named(zone, request.store), report, placement, before_mib, original))
        promised[name] = before_mib + request.memory_mib
    return tuple(sites)


def zone_for(config: Config, request: Request, original: Original | None = None) -> Zone:
    """The zone to create in: the node's, or the one that was named, or the original's, or the only one."""
    if request.node is not None:
        zone = zone_of(config, node_named(config, request.node))
        if request.zone not in (None, zone.name):
            raise Misused(f"node {request.node} is in zone {zone.name}, not in {request.zone}")
        return zone
    named = request.zone or (original.guest.node.zone if original else None) or config.defaults.zone
    if named is not None:
        return config.zone(named)
    if len(config.zones) == 1:
        return config.zones[0]
    hint = f"name a node with -s or a zone with --zone ({', '.join(zone.name for zone in config.zones)})"
    raise Misused("there is more than one zone, and nothing says which to create in", hint=hint)


def _place(
    config: Config, request: Request, zone: Zone, replies: Replies[NodeReport], promised: Mapping[str, int]
) -> tuple[NodeReport, str]:
    """The chosen node's report, and why it was chosen."""
    if request.node is None:
        in_zone = [answer for answer in replies.answers if answer.node.zone == zone.name]
        silences = [silence for silence in replies.silences if silence.node.zone == zone.name]
        report = best_node(request.name, in_zone, silences, promised)
        left_mib = (report.available_mib or 0) - promised.get(report.node.name, 0)
        return report, f"most memory available in zone {zone.name}: {left_mib} MiB"
    for silence in replies.silences:
        if silence.node.name == request.node:
            raise Silent(
                f"{request.name}: no answer from {silence_text([silence])}",
                hint="choose another node, or see to this one",
            )
    node = node_named(config, request.node)
    return next(answer.value for answer in replies.answers if answer.node == node), "as asked"


def _sized_as(request: Request, original: Original) -> Request:
    description = original.description
    bridges = tuple(
        BridgeWish(interface.attached_to)
        for interface in description.interfaces
        if interface.kind == "bridge" and interface.attached_to
    )
    return replace(request, vcpus=description.vcpus, memory_mib=description.memory_mib, bridges=bridges)
