"""How every conversation begins: libvirt is opened, by two questions of src/remote/remote_protocol.x."""

from collections.abc import Generator

from vme.hypervisor.wire.protocol import call, result_in
from vme.hypervisor.wire.xdr import Reader, Unusual, packed, packed_string

# What is to be written, for which the message that comes in answer is to be sent in; ends with the last one's result.
Exchange = Generator[bytes, bytes, bytes]

# REMOTE_PROC_AUTH_LIST, REMOTE_PROC_CONNECT_OPEN.
_AUTH_LIST, _OPEN = 66, 1
# REMOTE_AUTH_NONE of remote_auth_type; REMOTE_AUTH_TYPE_LIST_MAX.
_NO_AUTH, _MOST_AUTH_TYPES = 0, 20
# remote_connect_open_args: the name may be NULL, so a 1 says that it is there; flags (VIR_CONNECT_RO) come after it.
_SYSTEM = packed(1) + packed_string(b"qemu:///system")
_READ_ONLY = 1
# The serial number of the first call after these.
NEXT = 3


def opening(*, read_only: bool = False) -> Exchange:
    """Open qemu:///system. Raises Unusual where the answer is any but the plain one."""
    # Also where nobody is asked for a password: with polkit, root is let in by this question, and by nothing else.
    _refuse_other_auth((yield from exchange(_AUTH_LIST, 1, b"")))
    result = yield from exchange(_OPEN, 2, _SYSTEM + packed(_READ_ONLY if read_only else 0))
    Reader(result).finish()
    return result


def exchange(procedure: int, serial: int, arguments: bytes) -> Exchange:
    """One call."""
    return result_in((yield call(procedure, serial, arguments)), procedure, serial)


def _refuse_other_auth(result: bytes) -> None:
    reader = Reader(result)
    kinds = [reader.unsigned() for _ in range(reader.count(_MOST_AUTH_TYPES))]
    reader.finish()
    if kinds != [_NO_AUTH]:
        raise Unusual("its socket asks who we are")
