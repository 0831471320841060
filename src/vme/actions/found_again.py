"""A guest looked for again: whoever waited, for a turn or for an answer, knows where it was before."""

from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config
from vme.errors import NotFound, Refused, Silent
from vme.fleet.deadline import within
from vme.fleet.everywhere import silence_text
from vme.fleet.guests import ask_guests
from vme.hypervisor.guest import Guest, refreshed


def found_again(config: Config, guest: Guest) -> Guest:
    """The guest as it is now, on the node of its zone that has it now.

    Raises NotFound if it is nowhere any more, Silent if it may be on a silent node, Refused if it left its zone.
    """
    try:
        return within(CALL_TIMEOUT_S, str(guest), lambda: refreshed(guest))
    except NotFound:
        now = elsewhere(config, guest)
    if now is None:
        raise NotFound(f"{guest}: it is gone by now, and on no other node", hint="list_guests shows those there are")
    if now.node.zone != guest.node.zone:
        raise _moved(guest, now)
    return now


def still_there(config: Config, guest: Guest) -> Guest:
    """The guest as it is now, for who has planned for its node. Raises as found_again, and Refused if it has moved."""
    now = found_again(config, guest)
    if now.node != guest.node:
        raise _moved(guest, now)
    return now


def elsewhere(config: Config, guest: Guest) -> Guest | None:
    """The guest on another node, by its UUID: where it runs, if there are several. Raises Silent where it may be."""
    replies = ask_guests(config, config.nodes, config.defaults.timeout_s)
    everyone = (one for answer in replies.answers for one in answer.value)
    found = sorted(
        (one for one in everyone if one.uuid == guest.uuid and one.node != guest.node), key=lambda one: not one.active
    )
    if not found and replies.silences:
        raise Silent(
            f"{guest}: it is there no more, and no answer from {silence_text(replies.silences)}, where it may be now",
            hint=f"see to that node, then: list_guests {guest.name}",
        )
    return found[0] if found else None


def _moved(guest: Guest, now: Guest) -> Refused:
    return Refused(str(guest), [f"it moved to {now.node.name} while this waited"], hint="try again")
