"""Saving the XML of a guest beside its images, as its node has it now."""

import os

from vme.actions.definition import SAVED_XML_MODE, home_store, refuse_unusable_stores
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config
from vme.diff import same_xml
from vme.fleet.deadline import within
from vme.hypervisor.guest import Guest, saved_form
from vme.journal.lock import held
from vme.journal.work import refuse_unfinished
from vme.names import checked
from vme.store import history
from vme.store.files import own_text, write_whole
from vme.store.layout import saved_xml_file


def save(config: Config, guest: Guest, *, timeout_s: float, dry_run: bool = False) -> str:
    """Save the guest's persistent XML, and keep it in its history if that is news; says what became of the file.

    Raises Misused for a name that can't be a path, Refused where the store can't be used or another tool has the guest.
    """
    checked(guest.name, "guest")
    stores = config.zone(guest.node.zone).stores
    refuse_unusable_stores(config, [guest], timeout_s)
    with held(guest.name, stores, f"save_guest {guest.name}", wait_s=config.defaults.turn_wait_s):
        refuse_unfinished(guest.name, stores)
        xml = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
        home = home_store(stores, guest.name)
        file = None if home is None else saved_xml_file(home, guest.name)
        outcome = "saved"
        if file is not None and os.path.lexists(file):
            old = own_text(file, mode=SAVED_XML_MODE)
            outcome = "unchanged" if old is not None and same_xml(old, xml) else "updated"
        if not dry_run:
            if file is not None and outcome != "unchanged":
                write_whole(file, xml, mode=SAVED_XML_MODE)
            with_history = history.history_store(stores, guest.name)
            history.add_found(with_history, guest.name, xml, node=guest.node.name, uuid=guest.uuid)
    if file is None:
        return f"{guest}: has no directory on a virt-store of zone {guest.node.zone}; kept in its history only"
    return f"{guest}: {outcome}: {file}"
