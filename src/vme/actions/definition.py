"""After a guest's definition was changed: its saved XML is brought up to date, and its history gets a version."""

from collections.abc import Sequence
from pathlib import Path

from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Store
from vme.diff import same_xml
from vme.errors import Failed, Refused
from vme.fleet.deadline import within
from vme.hypervisor.guest import Guest, saved_form
from vme.names import is_allowed
from vme.store import history
from vme.store.files import own_text, write_whole
from vme.store.layout import guest_directory, saved_xml_file
from vme.store.proof import reasons_not_usable

SAVED_XML_MODE = 0o600  # it holds the secrets a definition may have, such as a VNC password


def definition_changed(
    config: Config,
    guest: Guest,
    *,
    tool: str,
    before: str | None = None,
    reason: str | None = None,
    always: bool = False,
) -> None:
    """Save the guest's persistent XML beside its images, if it has a directory there, and keep it in its history.

    Call it after every change of a definition, with saved_form() from before it (None: there was none, or nobody
    knows). A definition that did not change makes no version, but with `always`. Raises Failed or Late where the node
    does not tell the XML, Failed where the store can't be written.
    """
    if not is_allowed(guest.name):
        return  # a foreign name must not become a path
    stores = config.zone(guest.node.zone).stores
    xml = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
    home = home_store(stores, guest.name)
    try:
        if home is not None and not _is_saved(saved_xml_file(home, guest.name), xml):
            write_whole(saved_xml_file(home, guest.name), xml, mode=SAVED_XML_MODE)
        keep_versions(stores, guest, before, xml, tool=tool, reason=reason, always=always)
    except OSError as problem:
        if home is None:
            return  # nothing of it is on a virt-store, and this user may not write there
        raise Failed(
            f"{guest}: its definition is changed, but that is not saved on virt-store {home.name}: {problem}",
            hint=f"see to the store, then: save_guest {guest.name}",
        ) from None


def _is_saved(file: Path, xml: str) -> bool:
    """Whether the saved XML says this: to look costs a store's servers a tenth of a new file that lasts."""
    saved = own_text(file, mode=SAVED_XML_MODE)
    return saved is not None and same_xml(saved, xml)


def keep_versions(
    stores: Sequence[Store],
    guest: Guest,
    before: str | None,
    after: str,
    *,
    tool: str,
    reason: str | None,
    always: bool = False,
) -> None:
    """Add to the guest's history what was found before a change, if that is news to it, and what the change made.

    With `always` the deed itself is worth a version, though the XML is the same: the guest was undefined, or came back.
    """
    store = history.history_store(stores, guest.name)
    node, uuid = guest.node.name, guest.uuid
    if before is not None:
        history.add_found(store, guest.name, before, node=node, uuid=uuid)
    if always or not history.is_latest(store, guest.name, after):
        history.add_version(store, guest.name, after, tool=tool, reason=reason, node=node, uuid=uuid)


def home_store(stores: Sequence[Store], name: str) -> Store | None:
    """The store that has the guest's directory."""
    return next((store for store in stores if guest_directory(store, name).is_dir()), None)


def refuse_unusable_stores(config: Config, guests: Sequence[Guest], timeout_s: float) -> None:
    """Raise Refused if a store of these guests' zones can't be used: their saved XML, history and locks are there."""
    for zone in sorted({guest.node.zone for guest in guests}):
        reasons = reasons_stores_unusable(config, zone, timeout_s)
        if reasons:
            raise Refused(f"zone {zone}", reasons)


def reasons_stores_unusable(config: Config, zone: str, timeout_s: float) -> list[str]:
    """Every reason why a store of the zone can't be written to now; empty if all can."""
    stores = config.zone(zone).stores
    return [reason for store in stores for reason in reasons_not_usable(store, 0, timeout_s=timeout_s)]
