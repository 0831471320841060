"""Cables between the hosts and the switch, and cutting them.

All of it is in network namespaces that only processes hold; the machine's own never sees an interface of the lab.
"""

from lab import run
from lab.errors import LabError
from lab.host import init_of, powered
from lab.place import Lab
from lab.topology import GUESTS, LAN, Host, Role

TABLE = "table bridge lab"
# In the bridge's forward hook a dropped frame is just gone: no reset, no ICMP, as with a pulled cable.
CUTS = f"""{TABLE} {{
    set cuts {{ type ifname . ifname; }}
    chain forward {{ type filter hook forward priority 0; iifname . oifname @cuts drop; }}
}}
"""


def set_up_switch(lab: Lab) -> None:
    """Make both bridges, and the table of cuts."""
    init = powered(lab, lab.topology.switch)
    lines = ["link set lo up"]
    for network in (LAN, GUESTS):
        lines += [bridge(network.name), without_ipv6(network.name), f"link set {network.name} up"]
    number = lab.topology.switch.number
    lines += [f"address add {GUESTS.address(number)}/24 dev {GUESTS.name}"]
    ip(init, lines)
    must_in(init, ["nft", "-f", "-"], stdin=CUTS)
    without_bridge_netfilter(init)


def plug_in(lab: Lab, host: Host) -> None:
    """Join the host to its networks and bring its interfaces up."""
    init = powered(lab, host)
    switch = powered(lab, lab.topology.switch)
    cables, inner = [], ["link set lo up"]
    for number, network in enumerate(host.networks):
        port, inside = host.port(network), f"eth{number}"
        mac = f"52:54:00:4c:{number:02x}:{host.number:02x}"
        cables += [
            f"link add {port} type veth peer name {inside} address {mac} netns {init}",
            without_ipv6(port),
            f"link set {port} master {network.name} up",
        ]
        inner += [without_ipv6(inside), f"link set {inside} up"]
        if network is GUESTS and host.role is Role.NODE:
            inner += [
                bridge("br0"),
                without_ipv6("br0"),
                f"link set {inside} master br0",
                f"link set br0 address {mac} up",
            ]
        else:
            inner += [f"address add {network.address(host.number)}/24 dev {inside}"]
    ip(switch, cables)
    ip(init, inner)
    if host.role is Role.NODE:
        without_bridge_netfilter(init)


def pull_out(lab: Lab, host: Host) -> None:
    """Take the host's cables away, so that its peers hear nothing more of it, not even that connections end."""
    switch = powered(lab, lab.topology.switch)
    for network in host.networks:
        run.run(["nsenter", "-t", str(switch), "--net", "ip", "link", "delete", host.port(network)])


def cut(lab: Lab, one: Host, other: Host) -> None:
    """Let no frame pass between two hosts, nor between their guests. Nothing happens if none passes already."""
    change_cuts(lab, "add", one, other)


def heal(lab: Lab, one: Host, other: Host) -> None:
    """Let frames pass again. Nothing happens if they already do."""
    if sorted((one.name, other.name)) in [sorted(pair) for pair in cuts(lab)]:
        change_cuts(lab, "delete", one, other)


def change_cuts(lab: Lab, verb: str, one: Host, other: Host) -> None:
    shared = [network for network in one.networks if network in other.networks]
    if one == other or not shared:
        raise LabError(f"there is no link between {one.name} and {other.name}")
    pairs = [(one.port(network), other.port(network)) for network in shared]
    elements = ", ".join(f'"{a}" . "{b}", "{b}" . "{a}"' for a, b in pairs)
    must_in(powered(lab, lab.topology.switch), ["nft", verb, "element", "bridge", "lab", "cuts", f"{{ {elements} }}"])


def cuts(lab: Lab) -> list[tuple[str, str]]:
    """The pairs of hosts between which no frame passes."""
    switch = init_of(lab, lab.topology.switch)
    if switch is None:
        return []
    ruleset = must_in(switch, ["nft", "list", "set", "bridge", "lab", "cuts"])
    hosts = {host.port(LAN): host.name for host in lab.topology.hosts}
    found = set()
    for element in ruleset.partition("elements = {")[2].partition("}")[0].split(","):
        ends = [end.strip().strip('"') for end in element.split(" . ")]
        if len(ends) == 2 and ends[0] in hosts and ends[1] in hosts:
            found.add((min(hosts[ends[0]], hosts[ends[1]]), max(hosts[ends[0]], hosts[ends[1]])))
    return sorted(found)


def bridge(name: str) -> str:
    """A bridge that forwards at once: with spanning tree's delay a guest's first 30 s would be without a network."""
    return (
        f"link add {name} type bridge"
        " stp_state 0 forward_delay 0 mcast_snooping 0 nf_call_iptables 0 nf_call_ip6tables 0 nf_call_arptables 0"
    )


def without_ipv6(interface: str) -> str:
    """No link-local address: it would come a second later, with chatter that no test waits for."""
    return f"link set {interface} addrgenmode none"


def without_bridge_netfilter(init: int) -> None:
    """Keep bridged frames away from the IP firewall, if the kernel can lead them there at all."""
    settings = [f"net.bridge.bridge-nf-call-{which}=0" for which in ("iptables", "ip6tables", "arptables")]
    must_in(init, ["sysctl", "-q", "-e", "-w", *settings])


def ip(init: int, lines: list[str]) -> None:
    if lines:
        must_in(init, ["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")


def must_in(init: int, argv: list[str], stdin: str = "") -> str:
    """Run a program of the machine's in the host's network namespace only."""
    return run.must(["nsenter", "-t", str(init), "--net", *argv], stdin=stdin)
