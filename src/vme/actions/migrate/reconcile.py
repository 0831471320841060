"""Where a guest is after a migration, asked of both nodes; and what is to be done about it, done."""

import time
from collections.abc import Sequence
from pathlib import PurePosixPath

from vme.actions.kept_state import is_tpm_state
from vme.actions.migrate.ending import Ending, Seen, ending_of
from vme.actions.undefine_off import undefine_while_off
from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import VmeError
from vme.fleet.deadline import within
from vme.hypervisor.connection import Hypervisor, open_second
from vme.hypervisor.guest import Guest, guests_on, pull_the_plug, unpause
from vme.records import dataclass

_POLL_S = 0.25
# How long libvirt may take to remove the half of a guest that did not arrive, and systemd to start a daemon that died:
# libvirt 9.0's crashes now and then where a guest's QEMU dies while it moves away.
_SETTLE_S = 5.0


@dataclass(frozen=True)
class Reckoning:
    """What is so after a migration, in words; `clear` if nothing is left that a person or `vme repair` must see to."""

    says: str
    clear: bool

    def __str__(self) -> str:
        return self.says


def reconcile(
    source: Hypervisor, destination: Hypervisor, uuid: str, files_kept: Sequence[PurePosixPath] = ()
) -> Reckoning:
    """Ask both nodes where the guest is; do what is to be done about it, and say how it is then (files: act_on)."""
    ending = look(source, destination, uuid)
    deadline_s = time.monotonic() + _SETTLE_S
    while _may_settle(ending) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)  # what the node puts right by itself needs nothing of us
        ending = look(source, destination, uuid)
    return act_on(ending, files_kept)


def look(source: Hypervisor, destination: Hypervisor, uuid: str) -> Ending:
    """What both nodes say of the guest, and what follows from it; nothing is touched."""
    seen = seen_on(source, uuid), seen_on(destination, uuid)
    return ending_of(*seen, source.node.name, destination.node.name)


def act_on(ending: Ending, files_kept: Sequence[PurePosixPath] = ()) -> Reckoning:
    """Do the deeds of an ending, in their order; the first that fails ends it.

    NVRAM and TPM state of which the store keeps a copy (`files_kept`) go with a definition that is removed: whoever
    calls this brings them back to where the guest is.
    """
    keep_tpm = not any(is_tpm_state(path) for path in files_kept)
    keep_nvram = all(is_tpm_state(path) for path in files_kept)
    try:
        if ending.remove is not None:
            twin = ending.remove
            within(CALL_TIMEOUT_S, str(twin), lambda: pull_the_plug(twin))
        if ending.undefine is not None:
            # Others may lie on the store, where they are the guest's that goes on.
            undefine_while_off(ending.undefine, keep_nvram=keep_nvram, keep_tpm=keep_tpm)
        if ending.resume is not None:
            waiting = ending.resume
            within(CALL_TIMEOUT_S, str(waiting), lambda: unpause(waiting))
    except VmeError as problem:
        return Reckoning(f"{ending.otherwise} ({problem.message})", clear=False)
    return Reckoning(ending.says, ending.clear)


def seen_on(hypervisor: Hypervisor, uuid: str) -> Seen:
    """The guest as a node has it now, None if it has it not, or why that can't be said."""
    try:
        # A new connection: the old one may be what failed.
        return within(CALL_TIMEOUT_S, hypervisor.node.name, lambda: find(open_second(hypervisor), uuid))
    except VmeError as problem:
        return problem.message


def find(hypervisor: Hypervisor, uuid: str) -> Guest | None:
    """The guest of that UUID on a node, if it is there."""
    return next((one for one in guests_on(hypervisor) if one.uuid == uuid), None)


def _may_settle(ending: Ending) -> bool:
    return not ending.known or ending.remove is not None or ending.undefine is not None
