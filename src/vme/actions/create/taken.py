"""Whether a new guest's name is free in the whole VME: on every node, and on every virt-store."""

from collections.abc import Sequence

from vme.actions.create.reasons import Reasons
from vme.config import Config, Store
from vme.errors import Silent
from vme.fleet.everywhere import Silence, silence_text
from vme.hypervisor.domain_xml import describe
from vme.hypervisor.guest import Guest
from vme.journal.work import reasons_unfinished
from vme.store.layout import guest_directory
from vme.store.proof import answers


def readable_stores(config: Config, reasons: Reasons, *, force: bool, timeout_s: float) -> tuple[Store, ...]:
    """The stores of all zones that answer. One that does not may have the name: a reason against every guest.

    That is said of a zone's further stores only: what is wrong with the first is said where the name is claimed.
    """
    stores = [store for zone in config.zones for store in zone.stores]
    silent = [store for store in stores if not answers(store, timeout_s=timeout_s)]
    further = [store for store in silent if store != config.zone(store.zone).stores[0]]
    if not force:
        reasons.add_to_all(
            *(f"{_where(store)} may have a guest of that name; --force does without" for store in further)
        )
    return tuple(store for store in stores if store not in silent)


def _where(store: Store) -> str:
    return f"virt-store {store.name} of zone {store.zone} ({store.management_path} on this server) does not answer, and"


def reasons_name_is_taken(stores: Sequence[Store], name: str, everyone: Sequence[Guest]) -> list[str]:
    """Every guest that has the name already, and every directory on these stores, which must answer."""
    reasons = [
        f"a guest of that name is {guest.state} on {guest.node.name}" for guest in everyone if guest.name == name
    ]
    unfinished = reasons_unfinished(name, stores)
    if unfinished:
        return reasons + unfinished  # which also says whose directory that is
    directories = (guest_directory(store, name) for store in stores)
    return reasons + [
        f"{directory} is there already (an earlier guest's? look into it, and move it away)"
        for directory in directories
        if directory.exists()
    ]


def reasons_of_definition(name: str, xml: str, everyone: Sequence[Guest]) -> list[str]:
    """Why this XML must not be defined as that guest: what follows `--` may have given it another's name or UUID.

    Undoing removes a guest by its UUID, so it must be one that no other guest has.
    """
    said = describe(xml)
    reasons = [] if said.name == name else [f"what follows -- names it {said.name!a}: leave --name away"]
    return reasons + [
        f"its UUID {said.uuid} is that of guest {guest.name!a} on {guest.node.name}: leave --uuid away"
        for guest in everyone
        if _digits(guest.uuid) == _digits(said.uuid)
    ]


def _digits(uuid: str) -> str:
    return uuid.replace("-", "").lower()


def silence_reasons(silences: Sequence[Silence]) -> list[str]:
    """The reason that silent nodes are, to be said among others."""
    return [f"it may exist on a silent node: {silence_text(silences)}"] if silences else []


def refuse_silence(names: Sequence[str], silences: Sequence[Silence]) -> None:
    """Raise Silent if a node is: a guest of the name may be there."""
    if not silences:
        return
    from vme.nodesets import folded

    subject = names[0] if len(names) == 1 else folded(list(names))
    raise Silent(
        f"{subject}: a guest of that name may exist on a silent node: {silence_text(silences)}",
        hint="see to that node, or create it all the same with --force if you know that it does not",
    )
