"""noVNC's page for one display, on the loopback, for one visit.

Everybody may have the page itself: it is noVNC's own files. The display is behind a path that nobody can guess, which
stands in the URL's fragment, so that it is never sent but to open the connection; the first who does ends its use.
"""

import logging
import mimetypes
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from vme.errors import Failed
from vme.screen.display import open_display

# Where the package novnc of Debian, Ubuntu and Fedora has the files.
PAGE_FILES = Path("/usr/share/novnc")
_PAGE = "/vnc.html"
_CLOSING_S = 0.5


class _Visit:
    """One secret path, good for one connection."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.token = secrets.token_urlsafe(32)
        self.begun = threading.Event()
        self.over = threading.Event()
        self._lock = threading.Lock()

    def admit(self, path: str) -> bool:
        """Whether this is the secret path, asked for the first time."""
        with self._lock:
            if self.begun.is_set() or not secrets.compare_digest(path.encode(), f"/{self.token}".encode()):
                return False
            self.begun.set()
            return True

    def answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        """A file of the page, a refusal, or None to go on and open the display."""
        if request.headers.get("Upgrade") is None:
            return file_response(request.path)
        return None if self.admit(request.path) else _response(403, "Forbidden", b"this address has been used\n")

    def relay(self, browser: ServerConnection) -> None:
        """Carry the display to the browser until one of them ends it."""
        try:
            with open_display(self.endpoint) as display:
                threading.Thread(target=_to_display, args=(browser, display), daemon=True).start()
                with suppress(OSError, ConnectionClosed):
                    while data := display.recv(65536):
                        browser.send(data)
        finally:
            browser.close()
            self.over.set()


def show_page(endpoint: str, on_ready: Callable[[str], None], *, patience_s: float) -> None:
    """Serve the page on a free port of 127.0.0.1, hand its URL to `on_ready`, and return when the visit is over.

    Raises Failed where noVNC is not installed, or nobody comes within `patience_s`.
    """
    if not (PAGE_FILES / _PAGE[1:]).is_file():
        raise Failed(f"noVNC is not installed: no {PAGE_FILES}{_PAGE}", hint="apt-get install novnc")
    visit = _Visit(endpoint)
    silent = logging.Logger("vme.web", logging.CRITICAL + 1)  # browsers that go away are no news
    server = serve(
        visit.relay, "127.0.0.1", 0, process_request=visit.answer, compression=None, max_size=None, logger=silent
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.socket.getsockname()[1]
    try:
        on_ready(f"http://127.0.0.1:{port}{_PAGE}#autoconnect=1&resize=scale&path={visit.token}")
        if not visit.begun.wait(patience_s):
            raise Failed(f"nobody opened the page within {patience_s:g} s; its address is no longer good")
        visit.over.wait()
    finally:
        # It closes the port at once, then waits for connections that browsers open in advance; we need not.
        closing = threading.Thread(target=server.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSING_S)


def file_response(path: str) -> Response:
    """A file of noVNC's; nothing else of this machine can be named."""
    name = path.partition("?")[0].lstrip("/")
    file = PAGE_FILES / name
    if ".." in name.split("/") or not file.is_file():
        return _response(404, "Not Found", b"no such page\n")
    return _response(200, "OK", file.read_bytes(), mimetypes.guess_type(name)[0] or "application/octet-stream")


def _response(status: int, words: str, body: bytes, kind: str = "text/plain") -> Response:
    headers = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Connection": "close",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }
    return Response(status, words, Headers(headers), body)


def _to_display(browser: ServerConnection, display: socket.socket) -> None:
    with suppress(OSError, ConnectionClosed):
        for message in browser:
            display.sendall(message if isinstance(message, bytes) else message.encode())
    with suppress(OSError):
        display.shutdown(socket.SHUT_RDWR)
