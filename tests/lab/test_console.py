"""console_guest: the same screen as a picture, in a viewer and in a browser; and the serial console."""

import os
from pathlib import Path

import pexpect
import pytest

from lab.place import CHECKOUT
from lab.run import Process
from tests.lab.picture import differing, shape_of, shape_of_text
from tests.lab.terminal import COLUMNS, ROWS, ended, on_terminal
from tests.lab.vme import Vme, eventually

BANNER = shape_of_text("  This is a guest of the VME lab.")
PROMPT = shape_of_text("/ #")


def read(vme: Vme, path: str) -> bytes:
    """A file of the management side, to the last byte."""
    init = (vme.lab.home_of(vme.lab.host("mgmt")) / "pid").read_text().split()[0]
    return Path(f"/proc/{init}/root{path}").read_bytes()


def screen(vme: Vme, guest: str) -> list[str]:
    vme.tool("console_guest", guest, "--screenshot", "/tmp/screen.png", "--force")
    return shape_of(read(vme, "/tmp/screen.png"))


def boot_to_prompt(vme: Vme, guest: str, node: str) -> str:
    """The guest's address, once its first virtual terminal waits for a command."""
    address = vme.boot(guest, node)
    eventually(lambda: PROMPT in [row[:3] for row in screen(vme, guest)], "a prompt on its screen", timeout_s=30)
    return address


def clients_of(vme: Vme, node: str, guest: str) -> str:
    """Who looks at the guest's screen, as its QEMU says."""
    return vme.virsh(node, "qemu-monitor-command", "--hmp", guest, "info vnc")


def forwards(vme: Vme) -> list[str]:
    """Our sockets that lead to displays, and what listens on the management side."""
    sockets = vme.on("mgmt", "sh", "-c", "ls /run/user/0/vme/*-????????.*-* 2>/dev/null || true").split()
    return sockets + vme.on("mgmt", "ss", "-Hltn").splitlines()


def test_a_screenshot_shows_the_banner(vme: Vme) -> None:
    boot_to_prompt(vme, "web1", "kvm02")
    rows = screen(vme, "web1")
    uuid = vme.virsh("kvm02", "domuuid", "web1").strip()
    assert BANNER in rows
    assert shape_of_text(f"  uuid     {uuid}") in rows
    assert vme.on("mgmt", "stat", "--format", "%a", "/tmp/screen.png").strip() == "600"
    picture = read(vme, "/tmp/screen.png")
    said = vme.tool("console_guest", "web1", "--screenshot", "/tmp/screen.png", status=3).stderr
    assert "/tmp/screen.png: exists already" in said
    assert read(vme, "/tmp/screen.png") == picture
    assert "No such file" in vme.tool("console_guest", "web1", "--screenshot", "/nowhere/x.png", status=1).stderr


def test_a_guest_that_is_off_has_no_console(vme: Vme) -> None:
    vme.create("web1", "kvm02")
    for way in (["--screenshot", "/tmp/none.png"], ["--web"], ["--show-command"], []):
        said = vme.tool("console_guest", "web1", *way, status=3).stderr
        assert "web1 on kvm02: is shut off" in said
        assert "start_guest -C web1" in said
    assert vme.status_on("mgmt", "test", "-e", "/tmp/none.png") == 1
    with on_terminal(vme, "console_guest", "web1", "--serial") as terminal:
        assert ended(terminal)[0] == 3


def test_several_guests_and_no_desktop_are_refused_with_advice(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm02")
    assert "names 2 guests, and this works on one" in vme.tool("console_guest", "web*", status=2).stderr
    said = vme.tool("console_guest", "web1", status=2).stderr
    assert "no desktop" in said
    assert "console_guest web1 --web" in said
    assert "no desktop" in vme.tool("start_guest", "-C", "web2", status=2).stderr
    assert vme.running("web2") == []
    vme.tool("console_guest", "web1", "--serial", status=2)
    tunnel, viewer = vme.tool("console_guest", "web1", "--show-command").stdout.splitlines()
    assert tunnel == ("ssh -f -o ExitOnForwardFailure=yes -L 127.0.0.1:5900:127.0.0.1:5900 -l root -- kvm01 sleep 60")
    assert viewer.endswith((" vnc://127.0.0.1:5900", " 127.0.0.1::5900"))


@pytest.mark.not_under("read", "operate", reason="the tunnel that is typed by hand needs a key that may forward")
def test_the_commands_that_are_shown_work_when_they_are_typed(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    tunnel = vme.tool("console_guest", "web1", "--show-command").stdout.splitlines()[0]
    greeting = "timeout 5 busybox nc 127.0.0.1 5900 </dev/null | head -c 3"
    assert vme.on("mgmt", "bash", "-c", f"{tunnel.replace('sleep 60', 'sleep 5')}; {greeting}") == "RFB"


def test_start_guest_opens_a_viewer_that_we_alone_can_reach(vme: Vme) -> None:
    """On a desktop of its own (Xvfb). QEMU tells of the viewer; its port is shut for other users of the machine."""
    vme.create("web1", "kvm02")
    before = forwards(vme)
    desktop = vme.begin("Xvfb", ":5", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
    eventually(lambda: vme.status_on("mgmt", "test", "-e", "/tmp/.X11-unix/X5") == 0, "a desktop")
    tool = vme.begin("env", "DISPLAY=:5", "start_guest", "-C", "web1")
    assert tool.stdout is not None
    assert tool.stdout.readline() == "web1 on kvm02: started\n"
    eventually(lambda: "Client:" in clients_of(vme, "kvm02", "web1"), "a viewer on its screen", timeout_s=30)
    ports = [line.split()[3].rpartition(":")[2] for line in forwards(vme) if line.startswith("LISTEN")]
    new = [port for port in ports if not any(f":{port} " in line for line in before)]
    assert len(new) == 1, forwards(vme)
    stranger = ("setpriv", "--reuid", "65534", "--clear-groups", "busybox", "timeout", "5")
    reading = f"busybox nc 127.0.0.1 {new[0]} </dev/null | head -c 3"
    assert vme.on("mgmt", "sh", "-c", f"busybox timeout 5 {reading}") == "RFB"
    assert vme.on("mgmt", *stranger, "sh", "-c", reading) == ""
    desktop.terminate()
    tool.wait(timeout=20)
    assert forwards(vme) == before


def in_browser(vme: Vme, url: str) -> Process:
    python = str(CHECKOUT / ".venv/bin/python")
    browser = vme.begin("env", f"PYTHONPATH={CHECKOUT}", python, "-m", "tests.lab.browser", url, "/tmp/page.png")
    assert browser.stdout is not None
    assert browser.stdout.readline() == "seen\n", browser.communicate()
    return browser


@pytest.mark.skipif(
    not Path("/usr/bin/chromium").exists() and "CI" not in os.environ, reason="this system has no package chromium"
)
def test_a_browser_shows_the_same_and_what_is_typed_there_reaches_the_guest(vme: Vme) -> None:
    boot_to_prompt(vme, "web1", "kvm02")
    before = forwards(vme)
    tool = vme.begin("console_guest", "web1", "--web")
    assert tool.stdout is not None
    url = tool.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:")
    # Not scaled, so that its letters stand in the same places.
    browser = in_browser(vme, url.replace("resize=scale", "resize=off"))
    page = shape_of(read(vme, "/tmp/page.png"))
    assert BANNER in page
    assert differing(page, screen(vme, "web1")) <= 1, "but for the cursor, which blinks"
    listening = [line.split()[3] for line in forwards(vme) if line.startswith("LISTEN")]
    assert all(address.startswith("127.0.0.1:") for address in listening), listening
    # The address is good for one visit.
    origin, _, token = url.partition("/vnc.html#")[0], "", url.partition("path=")[2]
    assert "403" in handshake(vme, origin, token)
    assert "403" in handshake(vme, origin, "guess")
    assert browser.stdin is not None
    browser.stdin.write("poweroff\n")
    browser.stdin.flush()
    eventually(lambda: not vme.running("web1"), "it is off, as was typed in the browser", timeout_s=30)
    assert tool.wait(timeout=20) == 0
    vme.started.remove(browser)
    browser.communicate(timeout=20)
    assert forwards(vme) == before


def handshake(vme: Vme, origin: str, path: str) -> str:
    """The first line of what the server answers to one who asks for the display at that path."""
    headers = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    host, port = origin.removeprefix("http://").split(":")
    request = "\\r\\n".join((f"GET /{path} HTTP/1.1", f"Host: {host}:{port}", *headers, key, "", ""))
    return vme.on("mgmt", "sh", "-c", f"(printf '{request}'; sleep 2) | busybox nc {host} {port} | head -1")


def test_a_key_that_forbids_forwarding_needs_nc_for_a_screen(vme: Vme) -> None:
    """And for nothing else."""
    vme.create("web1", "kvm01", start=True)
    keys = "$HOME/.ssh/authorized_keys"
    vme.on("kvm01", "sh", "-c", f"sed -i 's/^ssh-/restrict ssh-/' {keys}")
    vme.status_on("mgmt", "pkill", "-x", "ssh")
    try:
        before = forwards(vme)
        with on_terminal(vme, "console_guest", "web1", "--web") as terminal:
            terminal.expect("http://127[^ \r]*")
            browse = (
                "import sys; from websockets.sync.client import connect as c\nwith c(sys.argv[1]) as b: print(b.recv())"
            )
            origin, _, token = str(terminal.after).replace("http", "ws").partition("/vnc.html#")
            address = f"{origin}/{token.partition('path=')[2]}"
            assert "RFB 003" in vme.on("mgmt", str(CHECKOUT / ".venv/bin/python"), "-c", browse, address)
            assert ended(terminal)[0] == 0
        assert forwards(vme) == before
        vme.on("mgmt", "rm", "-f", "/tmp/restricted.png")
        vme.tool("console_guest", "web1", "--screenshot", "/tmp/restricted.png")
        with on_terminal(vme, "console_guest", "web1", "--serial") as terminal:
            terminal.expect("Ctrl-]")
            terminal.send("\x1d")
            assert ended(terminal)[0] == 0
        assert vme.tool("vme_virsh", "domstate", "web1").stdout.strip() == "running"
    finally:
        vme.on("kvm01", "sh", "-c", f"sed -i 's/^restrict //' {keys}")
        vme.status_on("mgmt", "pkill", "-x", "ssh")


def test_ctrl_c_ends_the_web_page_and_its_way(vme: Vme) -> None:
    vme.create("web1", "kvm02", start=True)
    before = forwards(vme)
    with on_terminal(vme, "console_guest", "web1", "--web") as terminal:
        terminal.expect("http://127")
        terminal.expect("Ctrl-C ends it")
        assert forwards(vme) != before
        terminal.sendintr()
        assert ended(terminal)[0] == 130
    assert forwards(vme) == before


def test_the_serial_console_is_joined_taken_over_and_left(vme: Vme) -> None:
    vme.boot("web1", "kvm02")
    with on_terminal(vme, "bash", "--norc") as shell:
        shell.expect("# ")
        shell.sendline("console_guest web1 --serial")
        shell.expect(f"stty rows {ROWS} cols {COLUMNS}")
        shell.send("\r")
        shell.expect("/ # ")
        shell.send("echo sum-$((20+22))\r")
        shell.expect("sum-42")
        # Ctrl-C is the guest's, not ours.
        shell.send("sleep 1000\r")
        shell.expect("sleep 1000")
        shell.send("\x03")
        shell.expect("/ # ")
        with on_terminal(vme, "console_guest", "web1", "--serial") as other:
            status, said = ended(other)
            assert status == 3
            assert "its serial console is in use" in said
        with on_terminal(vme, "console_guest", "web1", "--serial", "--force") as other:
            other.expect("Ctrl-]")
            shell.expect("the serial console was cut off, and the guest is running")
            other.send("\r")
            other.expect("/ # ")
            other.send("\x1d")
            assert ended(other)[0] == 0
        assert_terminal_is_well(shell)


def test_the_serial_console_ends_with_its_guest_and_with_sigterm(vme: Vme) -> None:
    vme.boot("web1", "kvm02")
    with on_terminal(vme, "bash", "--norc") as shell:
        shell.expect("# ")
        shell.sendline("sh -c 'echo $$ >/tmp/pid; exec console_guest web1 --serial'; echo status=$?")
        shell.expect("Ctrl-]")
        vme.on("mgmt", "sh", "-c", "kill $(cat /tmp/pid)")
        shell.expect("status=130")
        assert_terminal_is_well(shell)
        shell.sendline("console_guest web1 --serial; echo status=$?")
        shell.expect("Ctrl-]")
        vme.tool("stop_guest", "web1", "--yes")
        shell.expect("serial console: the guest is shut off")
        shell.expect("status=0")
        assert_terminal_is_well(shell)


def test_a_node_that_dies_does_not_hold_the_serial_console(vme: Vme) -> None:
    vme.boot("web1", "kvm02")
    with on_terminal(vme, "console_guest", "web1", "--serial") as terminal:
        terminal.expect("Ctrl-]")
        vme.fault("power-off", "kvm02")
        terminal.send("x")
        terminal.send("\x1d")
        assert ended(terminal)[0] is not None


def assert_terminal_is_well(shell: "pexpect.spawn[str]") -> None:
    """Echo and line editing are as before."""
    shell.sendline("stty -a | tr ' ' '\\n' | grep -cE '^(echo|icanon|isig|opost|icrnl);?$'")
    shell.expect("\r5\r\n")
