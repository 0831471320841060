"""A headless Chromium that opens one page, types, and takes a picture: run on the management side of the lab.

usage: python -m tests.lab.browser URL PICTURE.png      prints "seen" when the picture is written; then types
each line of stdin, and ends with the browser when stdin closes. Speaks Chrome's DevTools protocol.
"""

import base64
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from lab.run import start

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--window-size=1024,768", "--remote-debugging-port=0"),
)
# noVNC says so on its root element; then the first picture is drawn.
CONNECTED = "document.documentElement.classList.contains('noVNC_connected')"
PLACE_OF_SCREEN = """\
(place => JSON.stringify([place.x, place.y, place.width, place.height]))(
    document.querySelector('#noVNC_container canvas').getBoundingClientRect())"""


class Page:
    """The browser's one page."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.number = 0

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        self.connection.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.connection.recv(timeout=30))
            if answer.get("id") == self.number:
                return dict(answer["result"])

    def value_of(self, expression: str) -> Any:
        return self.ask("Runtime.evaluate", expression=expression)["result"].get("value")

    def type(self, text: str) -> None:
        for character in text:
            self.press(character, 13 if character == "\r" else 0, character)

    def press(self, key: str, code: int, text: str) -> None:
        name = "Enter" if key == "\r" else key
        key_code = {"windowsVirtualKeyCode": code} if code else {}
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=name, text=text, **key_code)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=name, **key_code)
        time.sleep(0.05)


def main(url: str, picture: str) -> None:
    with tempfile.TemporaryDirectory() as profile:
        command = ("setpriv", "--pdeathsig", "KILL", "chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank")
        browser = start(command)
        try:
            with connect(address_of_page(Path(profile) / "DevToolsActivePort"), max_size=None) as connection:
                page = Page(connection)
                look(page, url, Path(picture))
                for line in sys.stdin:
                    page.type(line.replace("\n", "\r"))
        finally:
            browser.terminate()
            browser.wait(10)


def look(page: Page, url: str, picture: Path) -> None:
    page.ask("Page.navigate", url=url)
    until(lambda: page.value_of(CONNECTED), "noVNC is connected")
    time.sleep(3)  # until the first picture has come, which nothing tells
    page.value_of("document.getElementById('noVNC_control_bar_anchor').style.display = 'none'")
    left, top, width, height = json.loads(page.value_of(PLACE_OF_SCREEN))
    clip = {"x": left, "y": top, "width": width, "height": height, "scale": 1}
    picture.write_bytes(base64.b64decode(page.ask("Page.captureScreenshot", clip=clip)["data"]))
    print("seen", flush=True)


def address_of_page(port_file: Path) -> str:
    until(port_file.exists, "Chromium listens")
    until(lambda: port_file.read_text().count("\n"), "Chromium says where")
    port = port_file.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
        pages = [target for target in json.load(answer) if target["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"])


def until(question: Any, what: str, timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not question():
        if time.monotonic() > deadline_s:
            sys.exit(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
