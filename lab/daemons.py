"""Which daemons a host runs, how each is started, and which processes of a host they are."""

import socket
import time
from dataclasses import dataclass

from lab import run
from lab.errors import LabError
from lab.host import console, environment_of, inside, powered, root_of
from lab.place import Lab
from lab.process_table import Process, processes_in
from lab.topology import Host, Role


@dataclass(frozen=True, slots=True)
class Daemon:
    """A program that puts itself into the background and then answers on a socket (a path or a TCP port)."""

    name: str
    argv: tuple[str, ...]
    socket: str | None = None


# As under systemd, one that crashes is started anew. One that is killed, as a fault (SIGKILL), stays dead.
CRASHED = 139  # by SIGSEGV, as a shell says it
LIBVIRTD = f"while libvirtd; [ $? -eq {CRASHED} ]; do :; done"

DAEMONS = {
    daemon.name: daemon
    for daemon in (
        Daemon("virtlogd", ("virtlogd", "--daemon"), "run/libvirt/virtlogd-sock"),
        Daemon("libvirtd", ("setsid", "--fork", "sh", "-c", LIBVIRTD), "run/libvirt/libvirt-sock"),
        # sshd insists on being called by its full path: it starts itself again for each connection.
        Daemon("sshd", ("/usr/sbin/sshd",)),
        Daemon("glusterd", ("glusterd",), "run/glusterd.socket"),
        Daemon("dnsmasq", ("dnsmasq", "--conf-file={home}/dnsmasq.conf")),
    )
}
DAEMONS_OF = {
    Role.SWITCH: ("dnsmasq",),
    Role.STORAGE: ("glusterd", "sshd"),
    Role.NODE: ("virtlogd", "libvirtd", "sshd"),
    Role.MANAGEMENT: (),
}


def start_daemons(lab: Lab, host: Host) -> None:
    """Start those of the host's daemons that don't run."""
    for name in DAEMONS_OF[host.role]:
        start_daemon(lab, host, name)


def start_daemon(lab: Lab, host: Host, name: str) -> None:
    """Start a daemon if it doesn't run, and wait until it answers. Raise LabError if the host has no such daemon."""
    if name not in DAEMONS_OF[host.role]:
        known = ", ".join(DAEMONS_OF[host.role]) or "none"
        raise LabError(f"{host.name} has no daemon {name!r}", hint=f"its daemons are: {known}")
    init = powered(lab, host)
    if find(lab, host, name):
        return
    daemon = DAEMONS[name]
    argv = [word.format(home=lab.home_of(host)) for word in daemon.argv]
    run.run_daemon(inside(init, argv), environment_of(lab, host), console(lab, host))
    if daemon.socket:
        wait_for_socket(f"{root_of(init)}/{daemon.socket}", f"{name} on {host.name}")


def wait_for_socket(path: str, who: str, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
                return
            except OSError:
                time.sleep(0.01)
    raise LabError(f"{who} does not answer on its socket after {timeout_s:g} s")


def find(lab: Lab, host: Host, name: str) -> list[Process]:
    """The processes of that name on a host, or with `qemu:GUEST` the guest's. Only the topmost: not sshd's sessions."""
    kind, _, guest = name.partition(":")
    everything = processes_in(powered(lab, host))
    if kind == "qemu" and guest:
        return [process for process in everything if process.is_guest(guest)]
    found = [process for process in everything if process.is_called(name)]
    pids = {process.pid for process in found}
    return [process for process in found if process.parent not in pids]


def must_find(lab: Lab, host: Host, name: str) -> list[Process]:
    """The processes of that name on a host. Raise LabError if there are none."""
    found = find(lab, host, name)
    if not found:
        raise LabError(f"no process {name!r} runs on {host.name}")
    return found
