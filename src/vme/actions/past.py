"""A guest's earlier definitions, found by its name on the stores, whether it is defined now or not."""

from vme.config import Config, Store
from vme.errors import Ambiguous, NotFound, Refused
from vme.names import checked
from vme.store import history
from vme.store.history import Version
from vme.store.proof import reasons_not_usable


def readable_stores(config: Config, zone: str | None, timeout_s: float) -> tuple[list[Store], list[str]]:
    """The stores, of one zone or of all, that can be looked into now; and why the others can't."""
    zones = config.zones if zone is None else (config.zone(zone),)
    stores = [store for one in zones for store in one.stores]
    problems = {store: reasons_not_usable(store, 0, timeout_s=timeout_s) for store in stores}
    bad = {store: [reason for reason in problems[store] if " is full: " not in reason] for store in stores}
    return [store for store in stores if not bad[store]], [reason for store in stores for reason in bad[store]]


def store_with_history(config: Config, name: str, zone: str | None, timeout_s: float) -> Store:
    """The store that has the history of a guest of this name. No node is asked.

    Raises NotFound or Ambiguous, and Refused where it may be on a store that can't be looked into.
    """
    checked(name, "guest")
    stores, problems = readable_stores(config, zone, timeout_s)
    found = [store for store in stores if history.versions(store, name)]
    if not found and problems:
        raise Refused(f"{name}: whether it has a history is not known", problems)
    if not found:
        raise NotFound(
            f"{name}: it has no history on any virt-store",
            hint="it begins with the first change made by these tools, or with save_guest",
        )
    if len(found) > 1:
        places = ", ".join(f"{store.name} of zone {store.zone}" for store in found)
        raise Ambiguous(f"{name}: it has a history in more than one place: {places}", hint="name the zone with --zone")
    return found[0]


def xml_of_version(store: Store, name: str, number: int) -> str:
    """The XML of one version. Raises NotFound, saying which there are."""
    try:
        return history.xml_file(store, name, number).read_text(encoding="utf-8")
    except FileNotFoundError:
        numbers = [version.number for version in history.versions(store, name)]
        raise NotFound(f"{name}: there is no version {number}; there are {numbers[0]} to {numbers[-1]}") from None


def last_two(store: Store, name: str) -> tuple[Version, Version]:
    """The last two versions. Raises NotFound where there is but one."""
    versions = history.versions(store, name)
    if len(versions) < 2:
        raise NotFound(f"{name}: there is one version only, {versions[-1].number}")
    return versions[-2], versions[-1]
