"""connect(node) -> Hypervisor: by the quickest way that node allows."""

import os
import threading
from _socket import AF_UNIX, SOCK_STREAM, socket, socketpair
from collections.abc import Callable
from pathlib import Path

from vme.config import Node, SshConfig
from vme.errors import Silent
from vme.hypervisor.late import libvirt, once
from vme.hypervisor.wire.channel import reached
from vme.records import dataclass
from vme.ssh import DAEMON_SOCKETS, Master, ensure_master, master_of, role_on, start_helper

_LOCAL = "qemu:///system"
_HELPER = "helper"
_READER = "reader"  # the helper, read-only: all that a key of these roles gets
_READING_ROLES = ("read", "storage")


@dataclass(frozen=True)
class Hypervisor:
    """A node's libvirt, which `opened` hands out. `fresh` says that the ssh connection under it was made just now.

    `read_only` says that our key may not change any guest on this node (role `read` or `storage` of its wrapper).
    """

    node: Node
    opened: "Callable[[], libvirt.virConnect]"
    ssh: SshConfig
    fresh: bool = True
    read_only: bool = False

    @property
    def libvirt(self) -> "libvirt.virConnect":
        """The connection. Where it is opened only now (connect_later), that may hang, or raise Silent."""
        return self.opened()


@dataclass(frozen=True)
class Line:
    """A connection to a node's daemon on which libvirt's protocol can be spoken, and the node, to ask more of later.

    `to_keep`: where the next tool looks for a keeper of it (wire.keeper), if it was dear to make.
    """

    connected: socket
    hypervisor: Hypervisor
    to_keep: Path | None


def connect(node: Node, ssh: SshConfig, *, timeout_s: float) -> Hypervisor:
    """Open libvirt on a node: through the daemon's forwarded socket, or virt-ssh-helper where a key forbids forwarding.

    Where the key's role is `read` or `storage`, the connection is read-only.
    May hang for as long as the node does: call it from a thread that nobody waits for (fleet.deadline). Raises Silent.
    """
    if node.local:
        return _hypervisor(node, _open_local(node), ssh)
    master = master_of(node, ssh)
    remembered = _remembered_way(master)
    kept = _opened_at_once(master, remembered)
    if kept is not None:
        return _hypervisor(node, kept, ssh, fresh=False)
    fresh = ensure_master(master, timeout_s)
    problem: libvirt.libvirtError | None = None
    for way in (remembered, *(way for way in (*DAEMON_SOCKETS, _HELPER, _READER) if way != remembered)):
        if way == _READER != remembered and role_on(node, ssh, timeout_s=timeout_s) not in _READING_ROLES:
            continue
        uri = _uri(master, way)
        try:
            opened = libvirt.openReadOnly(uri) if way == _READER else libvirt.open(uri)
        except libvirt.libvirtError as error:
            problem = problem or error  # the first way's says most: the others are tried because of it
            continue
        if way != remembered:
            master.way.write_text(way)
        return _hypervisor(node, opened, ssh, fresh=fresh, read_only=way == _READER)
    why = problem.get_error_message() if problem else "no way to its libvirt"
    raise Silent(f"{node.name}: {why}", hint="is libvirtd (or virtqemud) running there?")


def _hypervisor(
    node: Node, opened: "libvirt.virConnect", ssh: SshConfig, *, fresh: bool = True, read_only: bool = False
) -> Hypervisor:
    return Hypervisor(node, lambda: opened, ssh, fresh, read_only)


def connect_later(node: Node, ssh: SshConfig, *, timeout_s: float, fresh: bool = False) -> Hypervisor:
    """A node that has answered over the wire, for whoever wants more of it: connected to when that is asked."""
    read_only = not node.local and _remembered_way(master_of(node, ssh)) == _READER
    return Hypervisor(node, once(lambda: connect(node, ssh, timeout_s=timeout_s).libvirt), ssh, fresh, read_only)


@dataclass(frozen=True)
class KeptSocket:
    """A socket that may lead to a node's daemon at once. `opened`: libvirt is open on it, for a listing's question."""

    path: Path
    opened: bool = False


def kept_socket(node: Node, ssh: SshConfig) -> KeptSocket | None:
    """This machine's own, one that an earlier tool left forwarded, or its keeper's where forwarding is forbidden."""
    if node.local:
        return next((KeptSocket(path) for path in map(Path, DAEMON_SOCKETS.values()) if path.exists()), None)
    master = master_of(node, ssh)
    way = _remembered_way(master)
    return KeptSocket(master.forwarded(way)) if way in DAEMON_SOCKETS else KeptSocket(master.kept, opened=True)


def forget_keeper(node: Node, ssh: SshConfig) -> None:
    """Make the next tool open a line of its own."""
    master_of(node, ssh).kept.unlink(missing_ok=True)


def line_to(node: Node, ssh: SshConfig, *, timeout_s: float) -> Line:
    """A line to another node's daemon by the way that worked last time: its ssh is started if it has to be.

    Whether somebody answers shows when it is spoken on. As with connect, call it from a thread that nobody waits for.
    Raises Silent, and Unusual where the way leads nowhere.
    """
    master = master_of(node, ssh)
    fresh = ensure_master(master, timeout_s)
    way = _remembered_way(master)
    if way in DAEMON_SOCKETS:
        ours = reached(master.forwarded(way))
    else:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
        start_helper(master, theirs, read_only=way == _READER)
        theirs.close()
    return Line(
        ours, connect_later(node, ssh, timeout_s=timeout_s, fresh=fresh), None if way in DAEMON_SOCKETS else master.kept
    )


def _opened_at_once(master: Master, way: str) -> "libvirt.virConnect | None":
    """libvirt through a daemon's socket that an earlier tool left forwarded, or None if it leads nowhere.

    Nobody asks first whether its ssh lives: opening it tells.
    """
    if way not in DAEMON_SOCKETS:
        return None
    try:
        return libvirt.open(_uri(master, way))
    except libvirt.libvirtError:
        return None


def reasons_not_to_change(hypervisor: Hypervisor) -> list[str]:
    """Why nothing can be changed through this connection; empty if it can."""
    if not hypervisor.read_only:
        return []
    return [f"our key may only read on {hypervisor.node.name} (its role in vme_ssh_wrapper there)"]


def uri_for_a_program(hypervisor: Hypervisor) -> str:
    """A URI by which another program of this machine (virt-install) can open the same node, once, over the same ssh."""
    if hypervisor.node.local:
        return _LOCAL
    master = master_of(hypervisor.node, hypervisor.ssh)
    return _uri(master, _remembered_way(master))


def open_second(hypervisor: Hypervisor) -> Hypervisor:
    """Another connection to the same node: one is busy while a call on it runs long (migration)."""
    return connect(hypervisor.node, hypervisor.ssh, timeout_s=10)


def _remembered_way(master: Master) -> str:
    """What worked last time, so that what is refused is not tried each time."""
    try:
        way = master.way.read_text()
    except OSError:
        way = ""
    return way if way in (*DAEMON_SOCKETS, _HELPER, _READER) else next(iter(DAEMON_SOCKETS))


def _uri(master: Master, way: str) -> str:
    helped = way in (_HELPER, _READER)
    path = _helper_socket(master, read_only=way == _READER) if helped else master.forwarded(way)
    return f"qemu+unix:///system?socket={path}"


def _helper_socket(master: Master, *, read_only: bool) -> Path:
    """A socket of this process; the one connection to it is handed to virt-ssh-helper on the node."""
    import socket

    path = master.base.with_name(f"{master.base.name}.{os.getpid()}-{threading.get_ident() & 0xFFFF:x}")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)

    def hand_over() -> None:
        channel, _ = listener.accept()
        path.unlink(missing_ok=True)
        listener.close()
        start_helper(master, channel, read_only=read_only)
        channel.close()

    threading.Thread(target=hand_over, daemon=True).start()
    return path


def _open_local(node: Node) -> "libvirt.virConnect":
    try:
        return libvirt.open(_LOCAL)
    except libvirt.libvirtError as error:
        raise Silent(
            f"{node.name}: {error.get_error_message()}",
            hint="is libvirtd running on this machine? To manage others, write a vme.toml: vme init",
        ) from None
