"""The one table that decides which class of error of ours a code of libvirt becomes."""

import libvirt

from vme.errors import Failed, NotFound, Refused, Silent, VmeError

# Connections and calls that were cut off; what the node did with the last call is not known.
_CUT_OFF = {
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_INVALID_CONN,
}
_CUT_OFF_WORDS = (
    "end of file",
    "connection reset",
    "cannot recv data",
    "cannot write data",
    "client socket is closed",
    "broken pipe",
)

# libvirt looked at XML and would not have it: nothing was changed.
_NOT_ACCEPTED = {
    libvirt.VIR_ERR_XML_ERROR,
    libvirt.VIR_ERR_XML_DETAIL,
    libvirt.VIR_ERR_XML_INVALID_SCHEMA,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
}

_HINTS = {
    libvirt.VIR_ERR_AUTH_FAILED: "let the ssh user use libvirt on the node, for example: usermod -aG libvirt USER",
    libvirt.VIR_ERR_AUTH_UNAVAILABLE: "let the ssh user use libvirt on the node, for example: usermod -aG libvirt USER",
    libvirt.VIR_ERR_OPERATION_TIMEOUT: "another job holds the guest; look with: vme_virsh domjobinfo",
}


def as_vme_error(error: libvirt.libvirtError, subject: str) -> VmeError:
    """The error of ours for an error of libvirt's."""
    return error_of(error.get_error_code(), error.get_error_message() or str(error), subject)


def error_of(code: int | None, text: str, subject: str) -> VmeError:
    """The error of ours for a code of libvirt's (virErrorNumber) and its text."""
    message = text.strip()
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return NotFound(f"{subject}: there is no such guest")
    if code in _CUT_OFF and any(words in message.lower() for words in _CUT_OFF_WORDS):
        return Silent(f"{subject}: the connection was cut: {message}")
    if code == libvirt.VIR_ERR_OPERATION_INVALID or code in _NOT_ACCEPTED:
        return Refused(subject, [message])
    if code == libvirt.VIR_ERR_OPERATION_DENIED:
        return Refused(subject, [message], hint="does our key have role read there? See: vme keys list")
    return Failed(f"{subject}: {message}", hint=_HINTS.get(code) if code is not None else None)
