"""Pictures, displays' addresses, the private port and noVNC's page, without a guest."""

import io
import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import png
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from lab.run import run
from vme.actions.console import _address
from vme.errors import Failed
from vme.hypervisor.domain_xml import Graphics, describe
from vme.node.display import relay_argv
from vme.screen import web
from vme.screen.display import greets, open_display, owner_of_connection, private_port
from vme.screen.picture import as_png

PIXELS = bytes(range(2 * 3 * 3))


def test_a_ppm_becomes_a_png_of_the_same_pixels() -> None:
    picture = as_png(b"P6\n# made by QEMU\n3 2\n255\n" + PIXELS)
    width, height, rows, _info = png.Reader(io.BytesIO(picture)).asRGB8()
    assert (width, height) == (3, 2)
    assert b"".join(bytes(row) for row in rows) == PIXELS
    assert as_png(picture) == picture


@pytest.mark.parametrize("picture", [b"", b"GIF89a", b"P6\n3 2\n255\n" + PIXELS[:-1], b"P6\n3 2\n65535\n" + PIXELS * 2])
def test_anything_else_is_no_picture(picture: bytes) -> None:
    with pytest.raises(Failed, match="the node sent"):
        as_png(picture)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1", "127.0.0.1:5901"),
        (None, "127.0.0.1:5901"),
        ("0.0.0.0", "127.0.0.1:5901"),
        ("::", "[::1]:5901"),
        ("10.1.2.3", "10.1.2.3:5901"),
    ],
)
def test_a_display_is_reached_where_it_listens(listen: str | None, address: str) -> None:
    assert _address(Graphics("vnc", listen, 5901)) == address


@pytest.mark.parametrize(
    "xml",
    [
        "<graphics type='vnc' socket='/run/web1.sock'/>",
        "<graphics type='vnc' port='-1'><listen type='socket' socket='/run/web1.sock'/></graphics>",
    ],
)
def test_a_display_may_be_a_socket(xml: str) -> None:
    (graphics,) = describe(f"<domain><devices>{xml}</devices></domain>").graphics
    assert (graphics.port, graphics.socket) == (None, "/run/web1.sock")


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """A server that greets as VNC servers do, then says what it hears."""
    path = str(tmp_path / "display")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def attend() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(client,), daemon=True).start()

        threading.Thread(target=attend, daemon=True).start()
        yield path


def echo(client: socket.socket) -> None:
    with client:
        client.sendall(b"RFB 003.008\n")
        while data := client.recv(1024):
            client.sendall(data)


def test_a_display_is_known_by_its_greeting(display: str, tmp_path: Path) -> None:
    assert greets(display, 1)
    assert not greets(str(tmp_path / "none"), 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert not greets(f"127.0.0.1:{mute.getsockname()[1]}", 0.2)
    with pytest.raises(Failed, match="can't be reached"):
        open_display(str(tmp_path / "none"))


def test_the_private_port_leads_to_the_display(display: str) -> None:
    with private_port(display) as port, socket.create_connection(("127.0.0.1", port)) as viewer:
        viewer.settimeout(5)
        assert viewer.recv(12) == b"RFB 003.008\n"
        viewer.sendall(b"typed")
        assert viewer.recv(12) == b"typed"
        viewer.shutdown(socket.SHUT_WR)
        assert viewer.recv(12) == b""
        assert owner_of_connection(viewer.getsockname()[1], port) == os.geteuid()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert owner_of_connection(1, port) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_the_private_port_is_shut_for_other_users(display: str) -> None:
    ask = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print(s.recv(12))"
    with private_port(display) as port:
        for stranger, heard in (
            ([], "b'RFB 003.008\\n'\n"),
            (["setpriv", "--reuid", "65534", "--clear-groups"], "b''\n"),
        ):
            assert run([*stranger, "/usr/bin/python3", "-I", "-c", ask, str(port)]).stdout == heard


@pytest.fixture
def page(display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, threading.Thread]]:
    files = tmp_path / "novnc"
    files.mkdir()
    (files / "vnc.html").write_text("<html>")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(web, "PAGE_FILES", files)
    ready = threading.Event()
    urls: list[str] = []

    def on_ready(url: str) -> None:
        urls.append(url)
        ready.set()

    serving = threading.Thread(target=lambda: web.show_page(display, on_ready, patience_s=20), daemon=True)
    serving.start()
    assert ready.wait(10)
    yield urls[0], serving


def test_the_page_is_for_one_visit(page: tuple[str, threading.Thread]) -> None:
    url, serving = page
    origin, token = url.partition("/vnc.html#")[0], url.partition("path=")[2]
    with urllib.request.urlopen(f"{origin}/vnc.html?x=1", timeout=5) as answer:
        assert answer.read() == b"<html>"
    for other in ("/../secret", "/%2e%2e/secret", "//etc/passwd", "/", f"/{token}"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{origin}{other}", timeout=5)
        assert caught.value.code == 404
    address = origin.replace("http", "ws")
    with pytest.raises(InvalidStatus, match="403"), connect(f"{address}/guess"):
        pass
    with connect(f"{address}/{token}") as browser:
        assert browser.recv(timeout=5) == b"RFB 003.008\n"
        browser.send(b"typed")
        assert browser.recv(timeout=5) == b"typed"
        with pytest.raises(InvalidStatus, match="403"), connect(f"{address}/{token}"):
            pass
    serving.join(10)
    assert not serving.is_alive()


def test_a_page_that_nobody_opens_is_taken_down(display: str) -> None:
    urls: list[str] = []
    if not (web.PAGE_FILES / "vnc.html").exists():
        pytest.fail("novnc is not installed: run ./set-up")
    with pytest.raises(Failed, match="nobody opened the page"):
        web.show_page(display, urls.append, patience_s=0.1)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(urls[0], timeout=5)


def test_without_novnc_it_says_what_to_install(display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PAGE_FILES", tmp_path)
    with pytest.raises(Failed) as caught:
        web.show_page(display, print, patience_s=1)
    assert caught.value.hint == "apt-get install novnc"


@pytest.mark.parametrize(
    ("target", "argv"),
    [
        ("127.0.0.1:5900", ("nc", "127.0.0.1", "5900")),
        ("[::1]:5900", ("nc", "::1", "5900")),
        ("/run/web1.sock", ("nc", "-U", "/run/web1.sock")),
    ],
)
def test_a_relay_has_one_form(target: str, argv: tuple[str, ...]) -> None:
    assert relay_argv(target) == argv
