"""A process that keeps lines to nodes' daemons for whoever lists guests next: where a key forbids forwarding.

A session for each question is dear there: four processes on the node, one of them Python. So the first listing leaves
its lines to this process, which asks that one question on them for others, and ends when nobody has asked for ten
minutes. Nothing depends on it: a tool that does not find it, or gets no plain answer, makes a line of its own.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from select import POLLIN, POLLOUT, poll
from socket import AF_UNIX, SOCK_STREAM, socket
from typing import TYPE_CHECKING

from vme.hypervisor.wire.bulk import STATES_AGAIN, states_call
from vme.hypervisor.wire.protocol import serial_of, taken, with_serial
from vme.hypervisor.wire.xdr import Unusual
from vme.spawned import start_apart

if TYPE_CHECKING:
    import _socket

# As long as ssh keeps a connection that nobody uses.
_IDLE_S = 600.0
_AT_ONCE = 1 << 18


def leave_to_a_keeper(lines: Sequence[tuple["_socket.socket", Path]]) -> None:
    """Start a keeper of these lines, on which libvirt is open; each is then asked through a socket at its path."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from vme.hypervisor.wire.keeper import main; main(sys.argv[1:])"
    words = (f"{line.fileno()}:{path}" for line, path in lines)
    start_apart((sys.executable, "-P", "-S", "-c", code, *words), [line.fileno() for line, _ in lines])


def main(words: Sequence[str]) -> None:
    """The keeper: each word is a line's file descriptor, and where its socket is to be."""
    os.chdir("/")  # no file system is held by it
    watch = Watch()
    for word in words:
        number, _, path = word.partition(":")
        KeptLine(watch, socket(fileno=int(number)), Path(path))
    watch.until_idle(_IDLE_S)


class Watch:
    """What is waited for: a descriptor, and what is done when it is ready."""

    def __init__(self) -> None:
        self._poll = poll()
        self._deeds: dict[int, Callable[[], None]] = {}
        self._asked_s = time.monotonic()
        self.lines: list[KeptLine] = []

    def when(self, connected: socket, events: int, deed: Callable[[], None]) -> None:
        self._poll.register(connected, events)
        self._deeds[connected.fileno()] = deed

    def no_more(self, connected: socket) -> None:
        self._poll.unregister(connected)
        del self._deeds[connected.fileno()]
        connected.close()

    def note_question(self) -> None:
        self._asked_s = time.monotonic()

    def until_idle(self, idle_s: float) -> None:
        """Work until nobody has asked for so long, or no line is left."""
        while self.lines and (left_s := self._asked_s + idle_s - time.monotonic()) > 0:
            for number, _ in self._poll.poll(1000 * left_s):
                if number in self._deeds:  # what was done for the one before may have ended it
                    self._deeds[number]()
        for line in tuple(self.lines):
            line.end()


class KeptLine:
    """A node's line, the socket that others ask through, and who waits for which answer."""

    def __init__(self, watch: Watch, line: socket, path: Path) -> None:
        self._watch, self._line = watch, line
        self._line.setblocking(False)
        self._received = bytearray()
        self._serial = STATES_AGAIN
        self._asking: dict[int, Asking] = {}
        self._everyone: list[Asking] = []
        self._path, self._listener = path, _listening(path)
        self._inode = path.stat().st_ino
        watch.lines.append(self)
        watch.when(self._line, POLLIN, self._hear)
        watch.when(self._listener, POLLIN, self._accept)

    def ask(self, asking: "Asking") -> None:
        self._serial = self._serial % 0x7FFFFFFF + 1
        self._asking[self._serial] = asking
        self._watch.note_question()
        try:
            self._line.send(states_call(self._serial))  # so short that it fits
        except OSError:
            self.end()

    def forget(self, asking: "Asking") -> None:
        self._everyone.remove(asking)

    def _accept(self) -> None:
        with suppress(OSError):
            self._everyone.append(Asking(self._watch, self, self._listener.accept()[0]))

    def _hear(self) -> None:
        try:
            came = self._line.recv(_AT_ONCE)
            self._received += came
            while came and (message := taken(self._received)):
                asking = self._asking.pop(serial_of(message), None)
                if asking in self._everyone:
                    asking.answer(with_serial(message, STATES_AGAIN))
        except BlockingIOError:
            return
        except (OSError, Unusual):
            came = b""
        if not came:
            self.end()

    def end(self) -> None:
        """Close all of it; the socket's file goes, if it is still ours."""
        if self not in self._watch.lines:
            return
        self._watch.lines.remove(self)
        for asking in tuple(self._everyone):
            asking.end()
        for connected in (self._line, self._listener):
            self._watch.no_more(connected)
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


class Asking:
    """A tool that asks."""

    def __init__(self, watch: Watch, line: KeptLine, connected: socket) -> None:
        self._watch, self._line, self._socket = watch, line, connected
        self._socket.setblocking(False)
        self._received, self._to_say = b"", b""
        watch.when(connected, POLLIN, self._hear)

    def answer(self, message: bytes) -> None:
        self._to_say += message
        self._say()

    def end(self) -> None:
        self._line.forget(self)
        self._watch.no_more(self._socket)

    def _hear(self) -> None:
        """Nothing but the one question is taken from it."""
        question = states_call(STATES_AGAIN)
        try:
            came = self._socket.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            came = b""
        self._received += came
        if not came or not question.startswith(self._received):
            self.end()
        elif self._received == question:
            self._received = b""
            self._line.ask(self)

    def _say(self) -> None:
        try:
            self._to_say = self._to_say[self._socket.send(self._to_say) :]
        except BlockingIOError:
            pass
        except OSError:
            self.end()
            return
        self._watch.when(self._socket, *((POLLOUT, self._say) if self._to_say else (POLLIN, self._hear)))


def _listening(path: Path) -> socket:
    """A listening socket at the path, in place of what was there."""
    made = socket(AF_UNIX, SOCK_STREAM)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    made.bind(str(aside))
    made.listen()
    made.setblocking(False)
    aside.rename(path)
    return made
