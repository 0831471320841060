"""A guest's VNC display as this machine reaches it: a UNIX socket's path, or HOST:PORT of the loopback."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vme.errors import Failed, VmeError

_TIMEOUT_S = 5.0
# What a VNC server says first (RFC 6143, 7.1.1).
_GREETING = b"RFB "


def open_display(endpoint: str) -> socket.socket:
    """A connection to a display. Raises Failed where nobody listens."""
    host, _, port = endpoint.rpartition(":")
    try:
        if not endpoint.startswith("/"):
            display = socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S)
        else:
            display = _open_socket(endpoint)
    except OSError as problem:
        raise Failed(f"the display at {endpoint} can't be reached: {problem.strerror or problem}") from None
    display.settimeout(None)
    return display


def _open_socket(path: str) -> socket.socket:
    display = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    display.settimeout(_TIMEOUT_S)
    try:
        display.connect(path)
    except OSError:
        display.close()
        raise
    return display


def greets(endpoint: str, timeout_s: float) -> bool:
    """Whether a VNC server answers there; the connection is given up before anything is asked of it."""
    with suppress(OSError, VmeError), open_display(endpoint) as display:
        display.settimeout(timeout_s)
        return display.recv(12).startswith(_GREETING)
    return False


@contextmanager
def private_port(endpoint: str) -> Iterator[int]:
    """A port of 127.0.0.1 that leads to a display while the block runs, for this user's programs only.

    For viewers that know no UNIX sockets. Anyone on this machine can connect to a port of the loopback; whoever is not
    us is shown out.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def attend() -> None:
            with suppress(OSError):  # closed at the end of the block
                while True:
                    client, address = listener.accept()
                    if owner_of_connection(address[1], listener.getsockname()[1]) == os.geteuid():
                        threading.Thread(target=_serve, args=(client, endpoint), daemon=True).start()
                    else:
                        client.close()

        threading.Thread(target=attend, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def owner_of_connection(port: int, to_port: int) -> int | None:
    """The user whose program has the end `port` of a connection on 127.0.0.1, from /proc/net/tcp (proc(5))."""
    ends = [f"0100007F:{port:04X}", f"0100007F:{to_port:04X}"]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == ends:
            return int(fields[7])
    return None


def _serve(client: socket.socket, endpoint: str) -> None:
    with client, suppress(OSError, VmeError), open_display(endpoint) as display:
        back = threading.Thread(target=_copy, args=(display, client), daemon=True)
        back.start()
        _copy(client, display)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy until there is no more, and pass that on; what the other end still says comes by its own way."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
