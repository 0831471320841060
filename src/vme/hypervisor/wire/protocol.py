"""Messages of libvirt's protocol: src/rpc/virnetprotocol.x of its sources, the same since 0.9.

A message is its length in bytes (this word included), six words of header, and what the procedure is given or returns.
"""

from struct import Struct

from vme.hypervisor.wire.xdr import Reader, Unusual

_LENGTH = Struct(">I")
_HEADER = Struct(">6I")  # program, version, procedure, type, serial, status
_SHORTEST = _LENGTH.size + _HEADER.size
# VIR_NET_MESSAGE_MAX and VIR_NET_MESSAGE_LEN_MAX.
_LONGEST = 33554432 + 4
# REMOTE_PROGRAM and REMOTE_PROTOCOL_VERSION of src/remote/remote_protocol.x.
_PROGRAM, _VERSION = 0x20008086, 1
_CALL, _REPLY, _OK, _ERROR = 0, 1, 0, 1
# VIR_NET_MESSAGE_STRING_MAX.
_LONGEST_STRING = 4194304


def call(procedure: int, serial: int, arguments: bytes) -> bytes:
    """The message that calls a procedure."""
    header = _HEADER.pack(_PROGRAM, _VERSION, procedure, _CALL, serial, _OK)
    return _LENGTH.pack(_SHORTEST + len(arguments)) + header + arguments


def is_whole(received: bytes | bytearray) -> bool:
    """Whether a message has come to its end. Raises Unusual if it can't be one of ours, or if more follows."""
    if len(received) < _LENGTH.size:
        return False
    length: int = _LENGTH.unpack_from(received)[0]
    if not _SHORTEST <= length <= _LONGEST or len(received) > length:
        raise Unusual(f"a message of {length} bytes, of which {len(received)} have come")
    return len(received) == length


def taken(received: bytearray) -> bytes | None:
    """The first message of what has come, which is taken out of it; None while it has not come whole."""
    if len(received) < _LENGTH.size:
        return None
    length: int = _LENGTH.unpack_from(received)[0]
    if not _SHORTEST <= length <= _LONGEST:
        raise Unusual(f"a message of {length} bytes")
    if len(received) < length:
        return None
    message = bytes(received[:length])
    del received[:length]
    return message


def serial_of(message: bytes) -> int:
    """Which call this whole message answers."""
    serial: int = _HEADER.unpack_from(message, _LENGTH.size)[4]
    return serial


def with_serial(message: bytes, serial: int) -> bytes:
    """The same message, as the answer to another call."""
    program, version, procedure, kind, _, status = _HEADER.unpack_from(message, _LENGTH.size)
    return (
        message[: _LENGTH.size] + _HEADER.pack(program, version, procedure, kind, serial, status) + message[_SHORTEST:]
    )


class CallFailed(Unusual):
    """The daemon's error in answer to a call, as virNetMessageError says it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def result_in(message: bytes, procedure: int, serial: int) -> bytes:
    """What the procedure returned. Raises CallFailed, and Unusual if this whole message is no reply to that call."""
    *heads, status = _HEADER.unpack_from(message, _LENGTH.size)
    if heads != [_PROGRAM, _VERSION, procedure, _REPLY, serial] or status not in (_OK, _ERROR):
        raise Unusual(f"not the reply to call {serial} of procedure {procedure}")
    result = message[_SHORTEST:]
    if status == _ERROR:
        raise _error_in(result)
    return result


def _error_in(result: bytes) -> CallFailed:
    """Its number (virErrorNumber), and its text if there is one; what follows is not for people."""
    reader = Reader(result)
    code, _origin = reader.signed(), reader.signed()
    text = reader.string(_LONGEST_STRING) if reader.unsigned() else b""
    return CallFailed(code, text.decode("utf-8", "backslashreplace"))
