"""Calls about one guest: src/remote/remote_protocol.x of libvirt's sources."""

from collections.abc import Generator

from vme.hypervisor.wire.opening import NEXT, Exchange, exchange
from vme.hypervisor.wire.xdr import Reader, Unusual, packed, packed_string

# REMOTE_PROC_DOMAIN_CREATE.
START = 9
# REMOTE_PROC_DOMAIN_GET_XML_DESC, REMOTE_STRING_MAX.
_XML, _LONGEST_XML = 14, 4194304
# The number in remote_nonnull_domain of a guest that does not run, an int; the daemon goes by the UUID.
_NO_NUMBER = b"\xff\xff\xff\xff"


def deed(procedure: int, name: str, uuid: str) -> Exchange:
    """A call that changes it, once libvirt is open. Raises CallFailed; after anything else Unusual it may be done."""
    return (yield from exchange(procedure, NEXT, _guest(name, uuid)))


def xml_of(name: str, uuid: str) -> Generator[bytes, bytes, str]:
    """Its XML as it runs, or as it is defined, without secrets; once libvirt is open. Raises Unusual."""
    reader = Reader((yield from exchange(_XML, NEXT, _guest(name, uuid) + packed(0))))
    text = reader.string(_LONGEST_XML)
    reader.finish()
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Unusual("XML that is not UTF-8") from None


def _guest(name: str, uuid: str) -> bytes:
    return packed_string(name.encode()) + bytes.fromhex(uuid.replace("-", "")) + _NO_NUMBER
