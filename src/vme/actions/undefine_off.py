"""Removing the definition of a guest that is shut off, and of no other."""

from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import Failed, NotFound, VmeError
from vme.fleet.deadline import within
from vme.hypervisor.guest import Guest, define, refreshed, saved_form, undefine


def undefine_while_off(guest: Guest, *, keep_nvram: bool, keep_tpm: bool = False) -> None:
    """Remove the guest's definition. Raises Failed where that was not done, or where it was started meanwhile.

    Who starts a guest holds no name, and libvirt undefines one that runs too: it would be gone when it stops. So it is
    asked right before, and one that began to run in between is given its definition back.
    """
    subject = str(guest)
    xml = within(CALL_TIMEOUT_S, subject, lambda: saved_form(guest))
    before = within(CALL_TIMEOUT_S, subject, lambda: refreshed(guest))
    if before.active:
        raise Failed(f"{guest}: is {before.state}: it was started meanwhile, and keeps its definition")
    within(CALL_TIMEOUT_S, subject, lambda: undefine(guest, keep_nvram=keep_nvram, keep_tpm=keep_tpm))
    try:
        after = within(CALL_TIMEOUT_S, subject, lambda: refreshed(guest))
    except NotFound:
        return
    except VmeError as problem:
        raise Failed(
            f"{guest}: {problem.message}; whether its definition is removed is not known", hint=problem.hint
        ) from problem
    if not after.active:
        raise Failed(f"{guest}: its definition is still there after it was removed")
    within(CALL_TIMEOUT_S, subject, lambda: define(guest.hypervisor, xml, subject=subject))
    raise Failed(f"{guest}: is {after.state}: it was started while its definition was removed, and has that again")
