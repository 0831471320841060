"""Starting a guest over a socket that is there already, without libvirt's library: that takes 65 ms to load."""

from vme.errors import Silent
from vme.hypervisor import guest as by_library
from vme.hypervisor.connection import kept_socket
from vme.hypervisor.guest import Guest
from vme.hypervisor.wire.channel import hear_out, reached
from vme.hypervisor.wire.deed import START, deed
from vme.hypervisor.wire.opening import opening
from vme.hypervisor.wire.protocol import CallFailed
from vme.hypervisor.wire.xdr import Unusual


def start(guest: Guest) -> None:
    """Boot the guest, or restore it from its managed save (virDomainCreate).

    By the library where no socket is there. Raises as a call of the library's does.
    """
    if not _started_by_wire(guest):
        by_library.start(guest)


def _started_by_wire(guest: Guest) -> bool:
    """Start it; False, with nothing done, where nobody answers plainly before the call."""
    kept = kept_socket(guest.node, guest.hypervisor.ssh)
    if kept is None or kept.opened:
        return False
    try:
        line = reached(kept.path)
    except Unusual:
        return False
    try:
        hear_out(line, opening())
    except Unusual:
        return False
    try:
        hear_out(line, deed(START, guest.name, guest.uuid))
    except CallFailed as refused:
        from vme.hypervisor.error_classes import error_of

        raise error_of(refused.code, refused.message, str(guest)) from None
    except Unusual as problem:
        raise Silent(
            f"{guest}: the connection was cut: {problem}", hint=f"it may run or not: list_guests {guest.name}"
        ) from None
    finally:
        line.close()
    return True
