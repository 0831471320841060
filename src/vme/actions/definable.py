"""Whether a definition can stand on a node: what it newly names is there, and is nobody else's."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from vme.actions.inspect import chain_of
from vme.config import Config, Node, Store
from vme.errors import Failed, Refused
from vme.fleet.definitions import Definition
from vme.hypervisor.domain_xml import Description, Disk, canonical_uuid, describe, parse
from vme.names import shown
from vme.node.files import bridges_of, states_of
from vme.records import dataclass


@dataclass(frozen=True)
class News:
    """What a definition names that the one before it did not: only that is asked about."""

    disks: tuple[Disk, ...]
    macs: frozenset[str]
    bridges: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.disks or self.macs or self.bridges)


def news_in(after: str, before: str | None) -> News:
    """Compare two definitions; with no earlier one all is new."""
    new = describe(after)
    old = None if before is None else describe(before)
    known = set() if old is None else {disk.source for disk in old.disks}
    return News(
        tuple(disk for disk in new.disks if disk.source and disk.source not in known),
        _macs(new) - (frozenset() if old is None else _macs(old)),
        _bridges(new) - (frozenset() if old is None else _bridges(old)),
    )


def domain_problems(xml: str, *, name: str | None, uuid: str | None, subject: str) -> None:
    """Raise Refused unless this is XML, of a domain, and, where these are given, of this name and this UUID."""
    try:
        root = parse(xml)
    except Failed as problem:
        raise Refused(subject, [problem.message]) from None
    if root.tag != "domain":
        raise Refused(subject, [f"this is XML of <{shown(root.tag)}>, not of a <domain>"])
    found, found_uuid = root.findtext("name", "").strip(), canonical_uuid(root.findtext("uuid", ""))
    if name is not None and found != name:
        raise Refused(
            subject,
            [f"the name in it is {shown(found)}, not {name}: a guest keeps its name"],
            hint="for another guest: put the text into a file without its <uuid> and <mac>, then define_guest FILE",
        )
    if uuid is not None and found_uuid != uuid:
        raise Refused(
            subject,
            [f"the UUID in it is {shown(found_uuid) if found_uuid else 'missing'}, not {uuid}: a guest keeps its UUID"],
            hint="put the UUID back; for another guest give it another name too, then define_guest FILE",
        )


def reasons_against(
    config: Config, node: Node, uuid: str | None, news: News, others: Sequence[Definition], timeout_s: float
) -> list[str]:
    """Every reason why these new things can't be: missing on the node, or used by one of the other guests."""
    stores = config.zone(node.zone).stores
    reasons = _reasons_not_seen(config, node, news, stores, timeout_s)
    if news.bridges:
        there = bridges_of(node, config.ssh, timeout_s=timeout_s)
        reasons += [
            f"{node.name} has no bridge {shown(bridge)}" for bridge in sorted(news.bridges) if bridge not in there
        ]
    for other in (other for other in others if other.uuid != uuid):
        whose = f"guest {shown(other.name)} on {other.node.name}"
        description = describe(other.xml)
        reasons += [f"MAC address {mac} is that of {whose}" for mac in sorted(news.macs & _macs(description))]
        if other.node.zone == node.zone:
            reasons += _reasons_images_in_use(news.disks, description.disks, whose, stores)
    return sorted(set(reasons))


def _reasons_not_seen(config: Config, node: Node, news: News, stores: tuple[Store, ...], timeout_s: float) -> list[str]:
    files = [disk for disk in news.disks if disk.source_kind == "file"]
    images = [PurePosixPath(path) for disk in files for path in (disk.source or "/", *chain_of(disk, stores))]
    seen = states_of(node, config.ssh, images, timeout_s=timeout_s) if images else {}
    return [f"{node.name} does not see image {path}" for path in images if path not in seen]


def _reasons_images_in_use(
    mine: Sequence[Disk], theirs: Sequence[Disk], whose: str, stores: tuple[Store, ...]
) -> list[str]:
    reasons = []
    for other in (disk for disk in theirs if disk.source):
        below = chain_of(other, stores)
        for disk in mine:
            harmless = (disk.read_only and other.read_only) or (disk.shareable and other.shareable)
            if disk.source == other.source and not harmless:
                reasons.append(f"image {disk.source} is disk {other.target} of {whose}")
            elif disk.source in below and not disk.read_only:
                reasons.append(f"image {disk.source} is below disk {other.target} of {whose}")
    return reasons


def _macs(description: Description) -> frozenset[str]:
    return frozenset(interface.mac.lower() for interface in description.interfaces if interface.mac)


def _bridges(description: Description) -> frozenset[str]:
    return frozenset(
        interface.attached_to
        for interface in description.interfaces
        if interface.kind == "bridge" and interface.attached_to
    )
