"""A conversation with a daemon over a socket. Whoever has many of them polls, and waits for none."""

# The class beneath socket.socket: the module around it takes 4 ms to import, a tenth of a whole listing.
from _socket import AF_UNIX, SOCK_STREAM, socket
from collections.abc import Generator
from pathlib import Path
from select import POLLIN, poll
from typing import Generic, TypeVar

from vme.hypervisor.wire.protocol import is_whole
from vme.hypervisor.wire.xdr import Unusual

T = TypeVar("T")

# What is to be written, for which the message that comes in answer is to be sent in; ends with what is made of them,
# which is never None. Raises Unusual where an answer is any but the plain one.
Conversation = Generator[bytes, bytes, T]

_AT_ONCE = 1 << 18


def reached(path: Path) -> socket:
    """A connection to the UNIX socket there. Raises Unusual if it leads nowhere."""
    made = socket(AF_UNIX, SOCK_STREAM)
    made.setblocking(False)
    try:
        made.connect(str(path))
    except OSError as problem:
        made.close()
        raise Unusual(str(problem)) from None
    return made


def hear_out(connected: socket, conversation: Conversation[T]) -> T:
    """The whole of a conversation; waits for as long as it takes. The connection stays open. Raises Unusual."""
    channel, ready = Channel(connected, conversation), poll()
    ready.register(channel, POLLIN)
    while True:
        ready.poll()
        told = channel.hear()
        if told is not None:
            return told


class Channel(Generic[T]):
    """A conversation under way. Whatever goes wrong raises Unusual, and it is closed."""

    def __init__(self, connected: socket, conversation: Conversation[T]) -> None:
        self._conversation = conversation
        self._received = bytearray()
        self._socket = connected
        self._socket.setblocking(False)  # also one that was made elsewhere
        self._say(next(conversation))

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def hear(self) -> T | None:
        """Take what has come; returns what the conversation ends with. The connection then stays open."""
        try:
            if not self._has_whole_message():
                return None
            message, self._received = bytes(self._received), bytearray()
            self._say(self._conversation.send(message))
        except StopIteration as end:
            outcome: T = end.value
            return outcome
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
