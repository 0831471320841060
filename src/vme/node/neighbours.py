"""Which addresses a node has heard of, by hardware address: its ARP table (proc(5), /proc/net/arp; IPv4 only).

libvirt asks the kernel for the same (virDomainInterfaceAddresses, ARP), and its 9.0 can't read what kernels of today
say.
"""

from vme.config import Node, SshConfig
from vme.node.verbs import NEIGHBOURS, ask


def addresses_heard_of(node: Node, ssh: SshConfig, *, timeout_s: float) -> dict[str, tuple[str, ...]]:
    """MAC in small letters -> addresses. Raises Failed or Silent where the node can't be asked."""
    return parse_arp(ask(node, ssh, NEIGHBOURS, timeout_s=timeout_s).output)


def parse_arp(text: str) -> dict[str, tuple[str, ...]]:
    """The rows of /proc/net/arp that are complete (flag 0x2)."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 6 and words[2] in ("0x2", "0x6"):
            mac = words[3].lower()
            found[mac] = (*found.get(mac, ()), words[0])
    return found
