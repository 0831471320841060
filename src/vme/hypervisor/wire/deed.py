"""A call that changes one guest: src/remote/remote_protocol.x of libvirt's sources."""

from vme.hypervisor.wire.opening import NEXT, Exchange, exchange
from vme.hypervisor.wire.xdr import packed_string

# REMOTE_PROC_DOMAIN_CREATE.
START = 9
# The number in remote_nonnull_domain of a guest that does not run, an int; the daemon goes by the UUID.
_NO_NUMBER = b"\xff\xff\xff\xff"


def deed(procedure: int, name: str, uuid: str) -> Exchange:
    """The call, once libvirt is open. Raises CallFailed; after anything else Unusual it may or may not be done."""
    guest = packed_string(name.encode()) + bytes.fromhex(uuid.replace("-", "")) + _NO_NUMBER
    return (yield from exchange(procedure, NEXT, guest))
