"""A conversation with a daemon over a UNIX socket, that nobody waits for: whoever has many of them polls."""

# The class beneath socket.socket: the module around it takes 4 ms to import, a tenth of a whole listing.
from _socket import AF_UNIX, SOCK_STREAM, socket
from pathlib import Path

from vme.hypervisor.wire.bulk import Conversation, Told
from vme.hypervisor.wire.protocol import is_whole
from vme.hypervisor.wire.xdr import Unusual

_AT_ONCE = 1 << 18


class Channel:
    """A conversation under way. Whatever goes wrong raises Unusual, and it is closed."""

    def __init__(self, path: Path, conversation: Conversation) -> None:
        self._conversation = conversation
        self._received = bytearray()
        self._socket = socket(AF_UNIX, SOCK_STREAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(str(path))
        except OSError as problem:
            self.close()
            raise Unusual(str(problem)) from None
        self._say(next(conversation))

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def hear(self) -> tuple[Told, ...] | None:
        """Take what has come; returns the guests, and closes, once all has been said."""
        try:
            if not self._has_whole_message():
                return None
            message, self._received = bytes(self._received), bytearray()
            self._say(self._conversation.send(message))
        except StopIteration as end:
            self.close()
            guests: tuple[Told, ...] = end.value
            return guests
        except Unusual:
            self.close()
            raise
        return None

    def _has_whole_message(self) -> bool:
        try:
            came = self._socket.recv(_AT_ONCE)
        except BlockingIOError:
            return False
        except OSError as problem:
            raise Unusual(str(problem)) from None
        if not came:
            raise Unusual("the other end has gone")
        self._received += came
        return is_whole(self._received)

    def _say(self, message: bytes) -> None:
        """Write a message, so short that it always fits into the socket's buffer."""
        try:
            sent = self._socket.send(message)
        except OSError as problem:
            self.close()
            raise Unusual(str(problem)) from None
        if sent != len(message):
            self.close()
            raise Unusual("the other end does not read")
