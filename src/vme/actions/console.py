"""A guest's screen and serial console, brought to this machine. Nothing of a guest listens anywhere by our doing."""

import os
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config
from vme.errors import Failed, Misused, Refused
from vme.fleet.deadline import within
from vme.hypervisor.console import attach
from vme.hypervisor.console import screenshot as take_screenshot
from vme.hypervisor.domain_xml import Graphics, describe
from vme.hypervisor.guest import Guest, live_form, refreshed
from vme.node.display import relay_argv
from vme.process import run_on_terminal
from vme.programs import find_program
from vme.records import dataclass
from vme.screen.display import greets, private_port
from vme.screen.picture import as_png
from vme.screen.terminal import raw_terminal
from vme.ssh import by_hand, forwarded, relayed, role_on

# In this order; each is told 127.0.0.1 and a port, the one way that all of them know.
_VIEWERS: dict[str, Callable[[int], tuple[str, ...]]] = {
    "remote-viewer": lambda port: (f"vnc://127.0.0.1:{port}",),
    "vncviewer": lambda port: (f"127.0.0.1::{port}",),
}
_EVERYWHERE = ("0.0.0.0", "::")
_PATIENCE_S = 600.0
_SETTLED_S = 3.0


@dataclass(frozen=True)
class Display:
    """A running guest's VNC display: where it is on its node, HOST:PORT or a socket's path, as ssh -L writes it."""

    guest: Guest
    target: str
    warning: str | None = None


def check_display(guest: Guest, timeout_s: float) -> Display:
    """Where the guest's VNC display is. Raises Refused if it is off, or has none."""
    _must_run(guest)
    displays = describe(within(timeout_s, str(guest), lambda: live_form(guest))).graphics
    for graphics in displays:
        if graphics.kind == "vnc" and (graphics.port or graphics.socket):
            return Display(guest, graphics.socket or _address(graphics), _warning(guest, graphics))
    kinds = ", ".join(graphics.kind for graphics in displays)
    has = f"its display is {kinds}, not VNC" if kinds else "it has no display"
    raise Refused(str(guest), [has], hint=f"console_guest --serial {guest.name}, if its system uses a serial console")


def _address(graphics: Graphics) -> str:
    listen = graphics.listen or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)
    return f"[{host}]:{graphics.port}" if ":" in host else f"{host}:{graphics.port}"


def _warning(guest: Guest, graphics: Graphics) -> str | None:
    if graphics.listen not in _EVERYWHERE:
        return None
    return (
        f"{guest}: its VNC listens on {graphics.listen}: whoever reaches {guest.node.name} can open it; "
        "let it listen on 127.0.0.1"
    )


def _must_run(guest: Guest) -> None:
    if not guest.active:
        raise Refused(str(guest), [f"is {guest.state}"], hint=f"start it: start_guest -C {guest.name}")


@contextmanager
def _reached(config: Config, display: Display, timeout_s: float) -> Iterator[str]:
    """The display as this machine reaches it, while the block runs. Raises Failed where no VNC server answers."""
    guest = display.guest
    if guest.node.local:
        yield display.target
        return
    with forwarded(guest.node, config.ssh, display.target, timeout_s=timeout_s) as path:
        if greets(str(path), timeout_s):
            yield str(path)
            return
    # A key may forbid forwarding (`restrict`), and still let a command run.
    with relayed(guest.node, config.ssh, relay_argv(display.target)) as path:
        if not greets(str(path), timeout_s):
            raise Failed(
                f"{guest}: its display {display.target} on {guest.node.name} does not answer through ssh",
                hint="if the key or sshd forbids forwarding (restrict, AllowTcpForwarding, PermitOpen), the node needs "
                "nc, and with a role the display must be on 127.0.0.1 or ::1; else its QEMU may hang. --screenshot and "
                "--serial go without",
            )
        yield str(path)


def find_viewer(guest: Guest) -> Path:
    """The viewer to open the guest's display with. Raises Misused where there is no desktop, Failed for no viewer."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise Misused(
            "there is no desktop here to open a viewer on ($DISPLAY is not set)",
            hint=f"console_guest {guest.name} --web (a browser), --screenshot FILE.png, --serial (this terminal), "
            "or --show-command",
        )
    viewer = find_program(*_VIEWERS)
    if viewer is None:
        raise Failed(
            f"none of {', '.join(_VIEWERS)} is installed on this machine",
            hint=f"apt-get install virt-viewer, or: console_guest {guest.name} --web",
        )
    return viewer


def view(config: Config, display: Display, viewer: Path, timeout_s: float) -> int:
    """Open the display in a viewer on the user's desktop until it is closed; returns the viewer's exit status."""
    with _reached(config, display, timeout_s) as endpoint, private_port(endpoint) as port:
        status = run_on_terminal((viewer, *_VIEWERS[viewer.name](port)), own_environment=True)
    return status if status >= 0 else 128 - status


def show_in_browser(config: Config, display: Display, timeout_s: float, on_ready: Callable[[str], None]) -> None:
    """Serve noVNC's page for the display until the browser leaves; `on_ready` gets its URL."""
    from vme.screen.web import show_page  # late: 60 ms of websockets

    with _reached(config, display, timeout_s) as endpoint:
        show_page(endpoint, on_ready, patience_s=_PATIENCE_S)


def may_not_forward(config: Config, display: Display, timeout_s: float) -> bool:
    """Whether our key has a role on the guest's node, so that a tunnel by hand is refused there."""
    node = display.guest.node
    return not node.local and role_on(node, config.ssh, timeout_s=timeout_s) is not None


def commands_by_hand(config: Config, display: Display) -> list[str]:
    """Commands that a person can type to see the display without us: a tunnel, and a viewer."""
    guest = display.guest
    viewer = find_program(*_VIEWERS)
    name = viewer.name if viewer else next(iter(_VIEWERS))
    host, _, port = display.target.rpartition(":")
    if guest.node.local and host:
        return [shlex.join((name, *_VIEWERS[name](int(port))))]
    local = int(port) if host else 5900
    if guest.node.local:
        return [f"vncviewer {shlex.quote(display.target)}"]
    options = ("-f", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{local}:{display.target}")
    tunnel = (*by_hand(guest.node, config.ssh, *options), "sleep", "60")
    return [shlex.join(tunnel), shlex.join((name, *_VIEWERS[name](local)))]


def join_serial(guest: Guest, *, force: bool, on_ready: Callable[[], None]) -> str:
    """Join the guest's serial console to this terminal until Ctrl-] or the guest's end; returns which it was.

    Raises what attach() does, and Failed if the console was cut off while the guest goes on.
    """
    _must_run(guest)
    with raw_terminal() as (keyboard, screen):
        left = attach(guest, keyboard, screen, force=force, on_ready=on_ready)
    if left:
        return "left"
    now = _soon_off(guest)
    if now.active:
        raise Failed(
            f"{guest}: the serial console was cut off, and the guest is {now.state}",
            hint="another took it over with --force, or the guest has just been reset; open it again",
        )
    return f"the guest is {now.state}"


def _soon_off(guest: Guest) -> Guest:
    """The guest as it is when its QEMU's end has got around: the console hears of it before libvirt's state says so."""
    deadline_s = time.monotonic() + _SETTLED_S
    while (now := as_it_is_now(guest, CALL_TIMEOUT_S)).active and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return now


def as_it_is_now(guest: Guest, timeout_s: float) -> Guest:
    """The guest with its state asked again. Raises NotFound if it is gone."""
    return within(timeout_s, str(guest), lambda: refreshed(guest))


def screenshot(guest: Guest, file: Path, *, replace: bool, timeout_s: float) -> None:
    """Write a picture (PNG) of the guest's first screen: the whole file or none. Raises Refused if the file exists."""
    if file.exists() and not replace:
        raise Refused(str(file), ["exists already"], hint="name another file, or replace it with --force")
    _must_run(guest)
    picture = as_png(within(timeout_s, str(guest), lambda: take_screenshot(guest)))
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        # Others may not read it: a screen can show secrets.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as opened:
            opened.write(picture)
        if replace:
            temporary.rename(file)
        else:
            file.hardlink_to(temporary)  # unlike a rename, it never replaces what has come there meanwhile
    except FileExistsError:
        raise Refused(str(file), ["exists already"], hint="name another file, or replace it with --force") from None
    finally:
        temporary.unlink(missing_ok=True)
