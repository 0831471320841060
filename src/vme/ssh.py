"""How ssh is called: one kept master a node, with private sockets, that carries everything we ask of that node.

The user's own ssh configuration (hosts, identities, known hosts) is honoured; host keys are always checked. See ssh(1),
ssh_config(5).
"""

import fcntl
import os
import shlex
import threading
import time
import zlib
from _socket import AF_UNIX, SOCK_STREAM, socket
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vme.config import Node, SshConfig
from vme.errors import Refused, Silent, VmeError
from vme.process import Dialogue, Result, TookTooLong, run, run_live
from vme.records import dataclass, replace
from vme.runtime import private_directory
from vme.spawned import run_detached, start_on_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

# The sockets a node's daemons listen on: the one daemon (or virtproxyd in its place), and the modular virtqemud.
DAEMON_SOCKETS = {"libvirtd": "/run/libvirt/libvirt-sock", "virtqemud": "/run/libvirt/virtqemud-sock"}
# What libvirt's own client sends for proxy=native, letter for letter, so that a forced command knows it.
HELPER_COMMAND = "sh -c 'virt-ssh-helper 'qemu:///system''"
READ_ONLY_HELPER_COMMAND = "sh -c 'virt-ssh-helper -r 'qemu:///system''"
# The forced command on a node, and the question it answers itself: which key of which role is this?
WRAPPER = "/usr/local/sbin/vme_ssh_wrapper"
WHOAMI = (WRAPPER, "whoami")
WRAPPER_LOG = "/var/log/vme/wrapper.log"
_REFUSED_STATUS = 126
REFUSED_WORDS = "vme_ssh_wrapper: refused"
_PERSIST_S = 600
_KEYS_COME_S = 0.003
# Lenient on purpose: a migration runs over the master, and must outlive a switch that restarts.
_KEEPALIVE = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")


class SshFailed(Silent):
    """ssh itself could not reach the node or log in; the message has its last words."""


class NotAdmitted(Refused):
    """The node's vme_ssh_wrapper refused the command: our key's role there does not admit it."""


@dataclass(frozen=True)
class Master:
    """The kept connection to one node: how to call ssh over it, and where the node's daemons are forwarded to."""

    node: Node
    ssh: SshConfig
    base: Path

    @property
    def control(self) -> Path:
        return self.base.with_name(self.base.name + ".ctl")

    def forwarded(self, daemon: str) -> Path:
        """Our socket for a daemon of DAEMON_SOCKETS."""
        return self.base.with_name(f"{self.base.name}.{daemon}")

    @property
    def kept(self) -> Path:
        """The socket of a process that keeps a session to the node's daemon (hypervisor.wire.keeper)."""
        return self.base.with_name(self.base.name + ".kept")

    @property
    def way(self) -> Path:
        """A note that names what worked last time, if it was not the first choice."""
        return self.base.with_name(self.base.name + ".way")

    @property
    def log(self) -> Path:
        return self.base.with_name(self.base.name + ".log")


def master_of(node: Node, ssh: SshConfig) -> Master:
    """Where the master of this node is, or would be; starts nothing."""
    login = f"{ssh.user}|{ssh.key}|{ssh.port}|{node.name}"
    # Control sockets get 17 characters more while they are made, and 107 bytes is all a path may have.
    return Master(node, ssh, private_directory() / f"{node.name[:40]}-{zlib.crc32(login.encode()):08x}")


def is_alive(master: Master) -> bool:
    """Whether a master listens. It may still have lost its node: only a question tells."""
    return _touched(master.control)


def _touched(path: Path) -> bool:
    """Connect to a UNIX socket and let go of it at once; whether somebody listens there."""
    probe = socket(AF_UNIX, SOCK_STREAM)
    try:
        probe.connect(str(path))
    except OSError:
        return False
    finally:
        probe.close()
    return True


def ensure_master(master: Master, timeout_s: float) -> bool:
    """Start the node's master unless one listens; returns whether it was started now. Raises SshFailed."""
    if is_alive(master):
        return False
    with _only_one_starts(master):
        if is_alive(master):
            return False
        _remove_sockets(master)
        _start(master, timeout_s)
    if master.node.zone:  # a storage server has no libvirt to ask for
        threading.Thread(target=_hasten, args=(master,), daemon=True).start()
    return True


def _hasten(master: Master) -> None:
    """Have a new connection's ssh say something more, just after what it is asked first.

    sshd begins with its host keys. Until they are acknowledged its kernel holds back all that is small (Nagle: without
    a session sshd does not turn that off), so the first answer too; and our kernel acknowledges 40 ms later, if ssh has
    nothing to say. A channel that is opened and let go of is enough: seen in the lab, 44 ms less 40. A node that is
    farther away than this has not sent its keys by then, and nothing is lost.
    """
    time.sleep(_KEYS_COME_S)
    _touched(master.forwarded(next(iter(DAEMON_SOCKETS))))


def abandon(master: Master) -> None:
    """Make the next tool open a new connection to this node; what runs over the old one goes on.

    Used when ssh itself fell silent: the old connection may have lost its peer unawares (power loss). Yet another
    tool's migration may be running over it, so it is not killed; it ends by its keepalive, or when it is idle.
    """
    argv = ("ssh", "-o", f"ControlPath={master.control}", "-O", "stop", "--", master.node.name)
    with suppress(TookTooLong):  # its sockets go all the same, and with them every way to use it
        run(argv, timeout_s=1)
    _remove_sockets(master)


def run_on_node(
    node: Node, ssh: SshConfig, argv: Sequence[str], *, timeout_s: float, stdin: str | None = None
) -> Result:
    """Run a command on a node, over its master (on a local node: here). Each word is quoted for the node's shell.

    Raises SshFailed where ssh could not get there, NotAdmitted where the node's wrapper refuses, TookTooLong at the
    deadline.
    """
    if node.local:
        return run(argv, timeout_s=timeout_s, stdin=stdin)
    master = master_of(node, ssh)
    ensure_master(master, timeout_s)
    done = run((*_call(master), "--", node.name, shlex.join(argv)), timeout_s=timeout_s, stdin=stdin)
    if done.status == 255:  # ssh's own; a command of ours never ends with it
        raise SshFailed(f"{node.name}: {done.last_words}")
    if done.status == _REFUSED_STATUS and REFUSED_WORDS in done.error:
        raise NotAdmitted(node.name, [done.last_words], hint=f"see {WRAPPER_LOG} there, and docs/ssh.md for the roles")
    return done


@contextmanager
def forwarded(node: Node, ssh: SshConfig, target: str, *, timeout_s: float) -> "Iterator[Path]":
    """A private UNIX socket of this machine that leads to `target` on a node while the block runs, over its master.

    `target` is HOST:PORT as the node reaches it, or the path of a UNIX socket there. Whether the node allows it (sshd's
    AllowTcpForwarding, a key with `restrict`) shows only when the socket is used. Raises SshFailed.
    """
    master = master_of(node, ssh)
    ensure_master(master, timeout_s)
    path = _passing_socket(master)
    forward = ("-L", f"{path}:{target}", "--", node.name)
    done = run((*_call(master), "-O", "forward", *forward), timeout_s=timeout_s)
    try:
        if done.status != 0:
            raise SshFailed(f"{node.name}: {done.last_words}")
        yield path
    finally:
        with suppress(TookTooLong):
            run((*_call(master), "-O", "cancel", *forward), timeout_s=timeout_s)
        path.unlink(missing_ok=True)  # ssh leaves it


@contextmanager
def relayed(node: Node, ssh: SshConfig, argv: Sequence[str]) -> "Iterator[Path]":
    """A private UNIX socket of this machine; each connection to it is a session on the node that runs `argv`.

    Where a key forbids forwarding. Lasts while the block runs.
    """
    import socket

    master = master_of(node, ssh)
    path = _passing_socket(master)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
        listener.bind(str(path))
        listener.listen()

        def attend() -> None:
            with suppress(OSError):  # closed at the end of the block
                while True:
                    channel, _ = listener.accept()
                    start_on_socket((*_call(master), "--", node.name, shlex.join(argv)), channel)
                    channel.close()

        threading.Thread(target=attend, daemon=True).start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            path.unlink(missing_ok=True)


def _passing_socket(master: Master) -> Path:
    """A name for a socket of this process's, beside the master's own."""
    return master.base.with_name(f"{master.base.name}.{os.getpid()}-{os.urandom(2).hex()}")


def by_hand(node: Node, ssh: SshConfig, *options: str) -> tuple[str, ...]:
    """The ssh command a person could type to reach a node as we do, but over a connection of its own."""
    return ("ssh", *options, *_login(ssh), "--", node.name)


def role_on(node: Node, ssh: SshConfig, *, timeout_s: float) -> str | None:
    """The role that the node's wrapper gives our key: `read`, `operate`, `admin`; None if it is not forced there."""
    import json

    try:
        done = run_on_node(node, ssh, WHOAMI, timeout_s=timeout_s)
        role = json.loads(done.output)["role"] if done.status == 0 else None
    except (VmeError, ValueError, KeyError, TypeError):
        return None
    return role if isinstance(role, str) and role != "any" else None


def run_live_on_node(
    node: Node, ssh: SshConfig, argv: Sequence[str], *, timeout_s: float, on_output: Callable[[bytes, bool], None]
) -> int:
    """Like run_on_node, but hand over the output as it comes (the flag: it was stderr); returns the exit status."""
    if node.local:
        return run_live(argv, timeout_s=timeout_s, on_output=on_output)
    master = master_of(node, ssh)
    ensure_master(master, timeout_s)
    call = (*_call(master), "--", node.name, shlex.join(argv))
    return run_live(call, timeout_s=timeout_s, on_output=on_output)


def dialogue_on_node(node: Node, ssh: SshConfig, argv: Sequence[str], *, timeout_s: float) -> Dialogue:
    """Start a command on a node that is spoken to line by line, over the node's master. Raises SshFailed."""
    master = master_of(node, ssh)
    ensure_master(master, timeout_s)
    return Dialogue((*_call(master), "--", node.name, shlex.join(argv)))


def run_by_key(node: Node, ssh: SshConfig, key: Path, argv: Sequence[str], *, timeout_s: float) -> Result:
    """Run a command over a connection of its own, let in by this key and no other. Raises TookTooLong.

    The proof that a key works: no master, no agent, no other identity helps.
    """
    only = ("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", f"ConnectTimeout={max(1, round(timeout_s))}")
    call = _call(master_of(node, replace(ssh, key=key)), control="none")
    return run((*call, *only, "--", node.name, shlex.join(argv)), timeout_s=timeout_s)


def run_anew(node: Node, ssh: SshConfig, argv: Sequence[str], *, timeout_s: float) -> Result:
    """Run a command over a new connection, as the next tool would make it: proof that we still get in."""
    timeout = ("-o", f"ConnectTimeout={max(1, round(timeout_s))}")
    call = _call(master_of(node, ssh), control="none")
    return run((*call, *timeout, "--", node.name, shlex.join(argv)), timeout_s=timeout_s)


def settings_of(node: Node, ssh: SshConfig, *, timeout_s: float) -> dict[str, str]:
    """What the user's own ssh configuration and ours say for this node (`ssh -G`), by lower-case keyword."""
    call = _call(master_of(node, ssh), control="none")
    done = run((*call, "-G", "--", node.name), timeout_s=timeout_s)
    pairs = (line.partition(" ") for line in done.output.splitlines())
    return {keyword: value for keyword, _, value in pairs}


def start_helper(master: Master, channel: "socket", *, read_only: bool = False) -> None:
    """Start virt-ssh-helper on the node, speaking libvirt's protocol on this socket: where a key forbids forwarding."""
    command = READ_ONLY_HELPER_COMMAND if read_only else HELPER_COMMAND
    start_on_socket((*_call(master), "--", master.node.name, command), channel)


def _call(master: Master, *, as_master: bool = False, control: str = "") -> tuple[str, ...]:
    """ssh with every option that is ours, up to the host's name; `control` none: not over the master."""
    return (
        "ssh",
        *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
        *("-o", f"ControlPath={control or master.control}", "-o", f"ControlMaster={'yes' if as_master else 'no'}"),
        *("-T", "-e", "none"),
        # Whatever the user's own configuration gives to nodes that he logs in to.
        *("-o", "ForwardAgent=no", "-o", "ForwardX11=no"),
        *_login(master.ssh),
    )


def _login(ssh: SshConfig) -> tuple[str, ...]:
    return (
        *(("-l", ssh.user) if ssh.user else ()),
        *(("-i", str(ssh.key)) if ssh.key else ()),
        *(("-p", str(ssh.port)) if ssh.port else ()),
    )


def _start(master: Master, timeout_s: float) -> None:
    master.log.unlink(missing_ok=True)
    forwards = (("-L", f"{master.forwarded(daemon)}:{path}") for daemon, path in DAEMON_SOCKETS.items())
    argv = (
        *_call(master, as_master=True),
        *("-f", "-N", "-E", str(master.log)),
        *("-o", f"ControlPersist={_PERSIST_S}", "-o", f"ConnectTimeout={max(1, round(timeout_s))}"),
        *("-o", "StreamLocalBindUnlink=yes", "-o", "ExitOnForwardFailure=yes"),
        *_KEEPALIVE,
        *(word for forward in forwards for word in forward),
        *("--", master.node.name),
    )
    if run_detached(argv, timeout_s=timeout_s) != 0:
        raise SshFailed(_reason(master))


def _reason(master: Master) -> str:
    try:
        lines = [line.strip() for line in master.log.read_text(errors="backslashreplace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1] if lines else "ssh could not connect"


def _remove_sockets(master: Master) -> None:
    for path in (master.control, master.way, master.kept, *(master.forwarded(daemon) for daemon in DAEMON_SOCKETS)):
        path.unlink(missing_ok=True)


@contextmanager
def _only_one_starts(master: Master) -> "Iterator[None]":
    """Hold the lock under which this node's master is started; it dies with its holder.

    Waiting here is bounded by the other one's own deadline, and each caller has one around it.
    """
    handle = os.open(master.base.with_name(master.base.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
