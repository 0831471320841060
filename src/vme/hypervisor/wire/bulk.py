"""All guests of a node with their states, in three questions: src/remote/remote_protocol.x of libvirt's sources.

Each question waits for the answer to the one before. All in one write were no quicker: the daemon answers the calls of
one client side by side, so that one may come before the connection is open, and of three small answers sshd's kernel
holds the second back until the first is acknowledged, which ours does 40 ms later (Nagle; seen in the lab).
"""

from collections.abc import Generator

from vme.hypervisor.wire.opening import NEXT, exchange, opening
from vme.hypervisor.wire.protocol import call
from vme.hypervisor.wire.xdr import Reader, Unusual, packed

# REMOTE_PROC_CONNECT_GET_ALL_DOMAIN_STATS.
_ALL_STATS = 344
# REMOTE_STRING_MAX, REMOTE_DOMAIN_LIST_MAX, REMOTE_CONNECT_GET_ALL_DOMAIN_STATS_MAX.
_LONGEST_STRING, _MOST_GUESTS, _MOST_VALUES = 4194304, 16384, 4096
# VIR_DOMAIN_STATS_STATE.
_STATE = 1
# virTypedParameterType: what each but a string takes; these are an int, unsigned, long long, unsigned, double, boolean.
_SIZES = {1: 4, 2: 4, 3: 8, 4: 8, 5: 8, 6: 4}
_INT, _STRING = 1, 7

# remote_connect_get_all_domain_stats_args: of no guests in particular, so of all; which groups; flags.
_STATES_OF_ALL = packed(0) + packed(_STATE) + packed(0)

# The serial number that states_again asks with.
STATES_AGAIN = NEXT

# A guest's name and UUID, and the numbers of its state and the reason for it.
Told = tuple[str, str, int, int]
Listing = Generator[bytes, bytes, tuple[Told, ...]]


def states_of_all(*, read_only: bool = False) -> Listing:
    """What is to be written, for which the message that comes in answer is to be sent in; returns all guests.

    Raises Unusual where the answer is any but the plain one.
    """
    yield from opening(read_only=read_only)
    return (yield from states_again())


def states_again() -> Listing:
    """The last of these questions alone, where libvirt is open already."""
    return _guests_in((yield from exchange(_ALL_STATS, STATES_AGAIN, _STATES_OF_ALL)))


def states_call(serial: int) -> bytes:
    """That question as a message."""
    return call(_ALL_STATS, serial, _STATES_OF_ALL)


def _guests_in(result: bytes) -> tuple[Told, ...]:
    """remote_connect_get_all_domain_stats_ret: a domain and its typed parameters for each guest."""
    reader = Reader(result)
    guests = tuple(_guest(reader) for _ in range(reader.count(_MOST_GUESTS)))
    reader.finish()
    return guests


def _guest(reader: Reader) -> Told:
    name = _text(reader)
    digits = reader.opaque(16).hex()
    reader.signed()  # its number, while it runs
    numbers = dict([_value(reader) for _ in range(reader.count(_MOST_VALUES))])
    uuid = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    if b"state.state" not in numbers:
        raise Unusual("a guest without a state")
    return name, uuid, numbers[b"state.state"], numbers.get(b"state.reason", 0)


def _value(reader: Reader) -> tuple[bytes, int]:
    """A typed parameter: its name, and its number if it is an int."""
    name, kind = reader.string(_LONGEST_STRING), reader.signed()
    if kind == _INT:
        return name, reader.signed()
    if kind == _STRING:
        reader.string(_LONGEST_STRING)
    elif kind in _SIZES:
        reader.opaque(_SIZES[kind])
    else:
        raise Unusual(f"a value of kind {kind}")
    return b"other than an int", 0


def _text(reader: Reader) -> str:
    value = reader.string(_LONGEST_STRING)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise Unusual("a name that is not UTF-8") from None
    if "\0" in text:
        raise Unusual("a name with a zero in it")
    return text
