"""XDR (RFC 4506), as much of it as is needed here. What is read was written by others: each length is checked."""

from struct import Struct, error

_UNSIGNED = Struct(">I")
_SIGNED = Struct(">i")
_TOO_SHORT = "it ends too early"


class Unusual(Exception):
    """An answer that is not the plain one expected. It means nothing by itself: libvirt's library is to ask again."""


def packed(number: int) -> bytes:
    """An unsigned int."""
    return _UNSIGNED.pack(number)


def packed_string(text: bytes) -> bytes:
    """A string: its length, and its bytes filled up to whole words."""
    return packed(len(text)) + text + bytes(-len(text) % 4)


class Reader:
    """Takes one value after the other from bytes. Raises Unusual where they are not what the protocol says."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def unsigned(self) -> int:
        return self._word(_UNSIGNED)

    def signed(self) -> int:
        return self._word(_SIGNED)

    def _word(self, form: Struct) -> int:
        try:
            number: int = form.unpack_from(self._data, self._at)[0]
        except error:
            raise Unusual(_TOO_SHORT) from None
        self._at += form.size
        return number

    def count(self, at_most: int) -> int:
        """A length, of an array or a string."""
        number = self.unsigned()
        if number > at_most:
            raise Unusual(f"a length of {number}, where {at_most} is the most")
        return number

    def opaque(self, length: int) -> bytes:
        """So many bytes, and the zeros that fill them up to whole words."""
        start, end = self._at, self._at + length
        self._at = end + -length % 4
        if self._at > len(self._data):
            raise Unusual(_TOO_SHORT)
        if any(self._data[end : self._at]):
            raise Unusual("a string is not filled up with zeros")
        return self._data[start:end]

    def string(self, at_most: int) -> bytes:
        return self.opaque(self.count(at_most))

    def finish(self) -> None:
        """Raise Unusual if anything is left."""
        if self._at != len(self._data):
            raise Unusual(f"{len(self._data) - self._at} bytes too many")
