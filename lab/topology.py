"""Which hosts and zones a lab has. Data only: another lab is another Topology."""

import enum
import uuid
from dataclasses import dataclass


class Role(enum.Enum):
    """What a host is for; decides which daemons it runs."""

    SWITCH = "switch"
    STORAGE = "storage"
    NODE = "node"
    MANAGEMENT = "management"


@dataclass(frozen=True, slots=True)
class Network:
    """One layer-2 network: a bridge in the switch of the same name."""

    name: str
    prefix: str

    def address(self, number: int) -> str:
        return f"{self.prefix}.{number}"


# Every host is on the first; guests (and the management side, so that tests can reach them) are on the second.
LAN = Network("lan", "10.77.0")
GUESTS = Network("guests", "10.78.0")


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the lab. The number is the last byte of its addresses."""

    name: str
    role: Role
    number: int

    @property
    def address(self) -> str:
        return LAN.address(self.number)

    @property
    def uuid(self) -> str:
        """The same at every start, as a mainboard's is."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.vme-lab"))

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks a cable goes to. The switch has none: it is where the cables end."""
        return {
            Role.SWITCH: (),
            Role.STORAGE: (LAN,),
            Role.NODE: (LAN, GUESTS),
            Role.MANAGEMENT: (LAN, GUESTS),
        }[self.role]

    def port(self, network: Network) -> str:
        """The name of this host's port in the switch."""
        return f"{network.name}-{self.name}"


@dataclass(frozen=True, slots=True)
class Zone:
    """Nodes that share one store."""

    name: str
    nodes: tuple[str, ...]
    nodes_folded: str


@dataclass(frozen=True, slots=True)
class Topology:
    """All hosts and zones of a lab."""

    hosts: tuple[Host, ...]
    zones: tuple[Zone, ...]
    # Guests that are defined on each node from the start; they have no disk.
    guests_per_node: int = 0

    def __post_init__(self) -> None:
        too_long = [host.name for host in self.hosts if len(host.port(GUESTS)) > 15]
        assert not too_long, f"Linux allows 15 characters for an interface; shorten {too_long}"

    def with_role(self, role: Role) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts if host.role is role)

    @property
    def switch(self) -> Host:
        return self.with_role(Role.SWITCH)[0]

    @property
    def has_stores(self) -> bool:
        """Whether there is a storage server; without it nothing is mounted anywhere."""
        return bool(self.with_role(Role.STORAGE))

    @property
    def storage(self) -> Host:
        return self.with_role(Role.STORAGE)[0]

    @property
    def management(self) -> Host:
        return self.with_role(Role.MANAGEMENT)[0]

    @property
    def nodes(self) -> tuple[Host, ...]:
        return self.with_role(Role.NODE)

    def zone_of(self, node: Host) -> Zone:
        return next(zone for zone in self.zones if node.name in zone.nodes)


DEFAULT = Topology(
    hosts=(
        Host("switch", Role.SWITCH, 1),
        Host("mgmt", Role.MANAGEMENT, 2),
        Host("st1", Role.STORAGE, 5),
        Host("kvm01", Role.NODE, 11),
        Host("kvm02", Role.NODE, 12),
        Host("kvm03", Role.NODE, 13),
        Host("kvm04", Role.NODE, 14),
        Host("kvm05", Role.NODE, 15),
    ),
    zones=(
        Zone("east", ("kvm01", "kvm02", "kvm03"), "kvm[01-03]"),
        Zone("west", ("kvm04", "kvm05"), "kvm[04-05]"),
    ),
)


def large(nodes: int, guests_per_node: int) -> Topology:
    """Many nodes in one zone without a store: for what a listing costs. 240 nodes at most, by their addresses."""
    hosts = [Host(f"kvm{number:03}", Role.NODE, 10 + number) for number in range(1, nodes + 1)]
    zone = Zone("large", tuple(host.name for host in hosts), f"kvm[001-{nodes:03}]")
    others = (Host("switch", Role.SWITCH, 1), Host("mgmt", Role.MANAGEMENT, 2))
    return Topology((*others, *hosts), (zone,), guests_per_node)
