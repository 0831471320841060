"""Asking about one guest over a socket that is there already, without libvirt's library, whose load is dear (late)."""

from _socket import socket

from vme.hypervisor.connection import kept_socket
from vme.hypervisor.guest import Guest, live_form
from vme.hypervisor.wire.channel import hear_out, reached
from vme.hypervisor.wire.one_guest import xml_of
from vme.hypervisor.wire.opening import opening
from vme.hypervisor.wire.xdr import Unusual


def open_line(guest: Guest) -> socket | None:
    """A line to the guest's node on which libvirt is open; None where nobody answers plainly. May hang as calls do."""
    kept = kept_socket(guest.node, guest.hypervisor.ssh)
    if kept is None or kept.opened:
        return None
    try:
        line = reached(kept.path)
        hear_out(line, opening())
    except Unusual:
        return None
    return line


def form_now(guest: Guest) -> str:
    """The same as live_form(), by the library only where no socket is there or its answer is not the plain one."""
    line = open_line(guest)
    if line is None:
        return live_form(guest)
    try:
        return hear_out(line, xml_of(guest.name, guest.uuid))
    except Unusual:
        return live_form(guest)
    finally:
        line.close()
