"""Starting a guest, over a socket that is there already if there is one."""

from vme.errors import Silent
from vme.hypervisor import guest as by_library
from vme.hypervisor.at_once import open_line
from vme.hypervisor.guest import Guest
from vme.hypervisor.wire.channel import hear_out
from vme.hypervisor.wire.one_guest import START, deed
from vme.hypervisor.wire.protocol import CallFailed
from vme.hypervisor.wire.xdr import Unusual


def start(guest: Guest) -> None:
    """Boot the guest, or restore it from its managed save (virDomainCreate).

    By the library where no socket is there. Raises as a call of the library's does.
    """
    line = open_line(guest)
    if line is None:
        by_library.start(guest)
        return
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
