"""Whether the way to another store is free: room there, nothing of that guest's name, nobody who needs its images."""

from collections.abc import Iterator
from contextlib import suppress

from vme.actions.definition import home_store
from vme.actions.delete import reasons_needed_by_others
from vme.actions.migrate.precheck.needs import Needs
from vme.actions.migrate.precheck.offers import Offer
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.migrate.storage.route import Route
from vme.actions.migrate.storage.survey import Surveyed, survey
from vme.config import Config, Zone
from vme.errors import VmeError
from vme.fleet.deadline import within
from vme.fleet.definitions import ask_definitions
from vme.fleet.everywhere import silence_text
from vme.store.layout import guest_directory, history_directory, kept_directory
from vme.store.proof import reasons_not_there, reasons_not_usable

# Reading the headers of many images takes longer than a node's answer.
_SURVEY_S = 60.0


def find_route(name: str, zone: Zone, there: Zone, timeout_s: float) -> Route:
    """From the store that has the guest's directory to the one of that name in the other zone, or else its first."""
    home = None
    with suppress(VmeError, OSError):
        home = within(timeout_s, name, lambda: home_store(zone.stores, name))
    home = home or zone.stores[0]
    return Route(name, home, next((store for store in there.stores if store.name == home.name), there.stores[0]))


def surveyed_passage(
    config: Config, needs: Needs, route: Route, source: Offer, destination: Offer, timeout_s: float
) -> Surveyed:
    """What goes along, and everything that speaks against that; of stores that can't be looked into only that."""
    zone, there = config.zone(route.home.zone), config.zone(route.new_home.zone)
    blind = [
        reason
        for store in dict.fromkeys((*zone.stores, *there.stores))
        for reason in reasons_not_there(store, timeout_s=timeout_s)
    ]
    if blind:
        return Surveyed(None, tuple(Reason("store-here", reason) for reason in blind))
    if not route.directory.is_dir():
        text = f"it has no directory of its own on a virt-store of zone {zone.name} ({route.directory})"
        return Surveyed(None, (Reason("not-own", text, "move its images into one first"),))
    reasons = [*_reasons_occupied(route, there), *_reasons_needed(config, needs, route, zone, timeout_s)]
    reasons += [Reason("store-here", reason) for reason in reasons_not_usable(route.home, 0, timeout_s=timeout_s)]
    try:
        found = within(_SURVEY_S, route.guest, lambda: survey(needs, route, zone.stores, source, destination))
    except VmeError as problem:
        return Surveyed(None, (*reasons, Reason("store-here", f"its images can't be looked at: {problem.message}")))
    size = 0 if found.passage is None else found.passage.size_bytes
    reasons += [
        Reason("store-room", reason) for reason in reasons_not_usable(route.new_home, size, timeout_s=timeout_s)
    ]
    return Surveyed(found.passage, (*reasons, *found.reasons))


def _reasons_occupied(route: Route, there: Zone) -> Iterator[Reason]:
    name = route.guest
    for store in there.stores:
        if guest_directory(store, name).exists():
            text = f"{guest_directory(store, name)} is there already"
            yield Reason("store-occupied", text, "see whose it is, and move it away")
        for directory, what in (
            (history_directory(store, name), "the history of a guest of that name"),
            (kept_directory(store, name), "what was kept of an undefined guest of that name"),
        ):
            if directory.exists():
                text = f"zone {there.name} has {what} ({directory})"
                yield Reason("store-occupied", text, "see whose it is, and move it away")


def _reasons_needed(config: Config, needs: Needs, route: Route, zone: Zone, timeout_s: float) -> Iterator[Reason]:
    """Another guest may have an image of this one's directory as a disk, or below one: it stays behind."""
    replies = ask_definitions(config, zone.nodes, timeout_s)
    if replies.silences:
        text = f"a silent node may need its images: {silence_text(replies.silences)}"
        yield Reason("silent", text, "see to that node")
    others = [one for answer in replies.answers for one in answer.value if one.uuid != needs.guest.uuid]
    for reason in reasons_needed_by_others(route.home, route.guest, others, zone.stores):
        yield Reason("needed", reason, "see to that guest first")
