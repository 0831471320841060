"""Whether something that this machine sent to a node's sshd has not come there yet.

A call that a tool gave up may still be done when a broken link heals: TCP goes on sending, even for a process that has
ended. The kernel's tables tell (proc_net_tcp(5); tcp4_seq_show and tcp6_seq_show in the kernel).
"""

import socket
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from vme.config import Node, SshConfig
from vme.ssh import settings_of

# The address, and the port of its sshd.
Peer = tuple[str, int]

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
# States (include/net/tcp_states.h) in which nothing was sent yet, and in which what is left may be the FIN alone.
_SYN_SENT, _SYN_RECEIVED, _LISTENING = "02", "03", "0A"
_ENDING = ("04", "09", "0B")


def way_to(node: Node, ssh: SshConfig, *, timeout_s: float) -> frozenset[Peer] | None:
    """What ssh connects to for this node; None where that can't be told from here: another machine lies in between."""
    settings = settings_of(node, ssh, timeout_s=timeout_s)
    if any(settings.get(word, "none") != "none" for word in ("proxyjump", "proxycommand")):
        return None
    try:
        port = int(settings.get("port", "22"))
        found = socket.getaddrinfo(settings.get("hostname", node.name), port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return None
    return frozenset((_plain(str(address[0])), port) for *_, address in found)


def overdue_here() -> set[Peer]:
    """The peers to which something is overdue from this machine, whichever process sent it, and be it gone."""
    return {peer for table in _TABLES if table.exists() for peer in overdue(table.read_text())}


def overdue(table: str) -> Iterator[Peer]:
    """The peers of one table to which bytes were sent more than once, or which take in no more, and not confirmed yet.

    What was sent a moment ago and is not confirmed yet is no sign of anything.
    """
    for line in table.splitlines()[1:]:
        _number, _own, peer, state, queues, _timer, repeats, _user, probes = line.split()[:9]
        if state in (_SYN_SENT, _SYN_RECEIVED, _LISTENING):
            continue
        unconfirmed = int(queues.partition(":")[0], 16) - (state in _ENDING)
        if unconfirmed > 0 and (int(repeats, 16) or int(probes)):
            yield _peer(peer)


def _peer(text: str) -> Peer:
    """`0100007F:0016` is 127.0.0.1 port 22: words of four bytes, each in this machine's own order."""
    address, _, port = text.partition(":")
    content = bytes.fromhex(address)
    words = [content[start : start + 4] for start in range(0, len(content), 4)]
    ordered = (word[::-1] if sys.byteorder == "little" else word for word in words)
    return _plain(str(ip_address(b"".join(ordered)))), int(port, 16)


def _plain(address: str) -> str:
    """One spelling of an address: without a scope, and IPv4 as such."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
