"""The configuration: vme.toml as frozen dataclasses. Every error names the file, the key and the mend."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from vme.errors import Misconfigured, Misused
from vme.home import at_home
from vme.names import checked
from vme.records import dataclass, field
from vme.toml_table import OptionValue, Table, open_table

LOCAL_ZONE = "local"
LOCAL_NODE = "localhost"
AUTO_CONVERGE = ("never", "needed", "always")
COMPRESSIONS = ("xbzrle", "mt", "zlib", "zstd")


@dataclass(frozen=True)
class Node:
    """A hypervisor machine. `local` is this machine itself, reached without ssh."""

    name: str
    zone: str
    local: bool = False


@dataclass(frozen=True)
class Store:
    """A virt-store: one directory of guests' images, seen under two paths. `shared` is false for a local directory."""

    name: str
    zone: str
    node_path: PurePosixPath
    management_path: Path
    shared: bool = True


@dataclass(frozen=True)
class MigrationSettings:
    """How running guests move, and how many at once: [migration], [zones.ZONE.migration], and a command's options.

    `auto_converge`: never, needed (the ladder's second rung) or always (from the start). In `uri` (where
    QEMU sends the memory to) and `peer_uri` (how, in mode p2p, one node's libvirt reaches the other's) `{node}` stands
    for the destination.
    """

    mode: str = "direct"
    peer_uri: str | None = None
    uri: str | None = None
    tls: bool = False
    tunnelled: bool = False
    bandwidth_mib: int | None = None
    max_downtime_ms: int = 1000
    auto_converge: str = "needed"
    parallel: int | None = None
    compressed: str | None = None
    postcopy: bool = False
    time_limit_s: float | None = None
    outgoing: int = 2
    incoming: int = 2
    at_once: int = 4


@dataclass(frozen=True)
class Zone:
    """Nodes that share virt-stores. The first store is where new guests go."""

    name: str
    nodes: tuple[Node, ...]
    stores: tuple[Store, ...]
    migration: MigrationSettings = field(default_factory=MigrationSettings)


@dataclass(frozen=True)
class SshConfig:
    """What we say to ssh; whatever is None is left to the user's own ssh configuration."""

    user: str | None = None
    key: Path | None = None
    port: int | None = None


@dataclass(frozen=True)
class Defaults:
    """What a new guest gets when nothing else is said, and what a node keeps for itself."""

    virt_type: str = "kvm"
    vcpus: int = 1
    memory_mib: int = 1024
    disk_gib: int = 8
    disk_format: str = "qcow2"
    cache: str = "none"
    bridges: tuple[str, ...] = ("br0",)
    owner: str = "libvirt-qemu"
    group: str = "kvm"
    image_mode: int = 0o660
    directory_mode: int = 0o750
    node_reserve_mib: int = 512
    timeout_s: float = 5.0
    turn_wait_s: float = 0.0
    zone: str | None = None


@dataclass(frozen=True)
class Chassis:
    """A model of machine: which of its bays a disk is in. `bays`: where a disk is plugged in -> the bay's label.

    A key is an HCTL address (`1:0:0:0`), the begin of one (`1`: whatever is on SCSI host 1), or a name of
    /dev/disk/by-path (`pci-0000:03:00.0-nvme-1`).
    """

    name: str
    machines: tuple[str, ...]
    bays: dict[str, str]


@dataclass(frozen=True)
class Config:
    """All of vme.toml; `file` is None where there is none and this machine is managed as zone `local`.

    `storage` are the storage servers: machines with disks that are no hypervisors, so in no zone.
    """

    file: Path | None
    zones: tuple[Zone, ...]
    ssh: SshConfig = field(default_factory=SshConfig)
    defaults: Defaults = field(default_factory=Defaults)
    audit_file: Path | None = None
    storage: tuple[Node, ...] = ()
    chassis: tuple[Chassis, ...] = ()
    # Tool -> option -> value: what [tools.TOOL] gives a tool each time.
    tool_options: Mapping[str, Mapping[str, OptionValue]] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node of every zone, in the order of the configuration."""
        return tuple(node for zone in self.zones for node in zone.nodes)

    @property
    def machines(self) -> tuple[Node, ...]:
        """Every node, and every storage server."""
        return self.nodes + tuple(server for server in self.storage if server.name not in {n.name for n in self.nodes})

    def chassis_of(self, machine: Node) -> Chassis | None:
        """The model of a machine, if the configuration names it."""
        return next((chassis for chassis in self.chassis if machine.name in chassis.machines), None)

    def zone(self, name: str) -> Zone:
        """The zone of that name. Raises Misused, naming those there are."""
        for zone in self.zones:
            if zone.name == name:
                return zone
        raise Misused(
            f"there is no zone {name!a}", hint=f"the zones are: {', '.join(zone.name for zone in self.zones)}"
        )


def load() -> Config:
    """Read the first vme.toml there is, or else make up the zone `local`. Raises Misconfigured."""
    file = find_file()
    return local_config() if file is None else read_file(file)


def find_file() -> Path | None:
    """The vme.toml in force: $VME_CONFIG (which must then exist), ~/.config/vme/, /etc/vme/; None if there is none."""
    named = os.environ.get("VME_CONFIG")
    if named:
        if not Path(named).is_file():
            raise Misconfigured(f"$VME_CONFIG names {named}, which is not a file", hint="unset it, or run: vme init")
        return Path(named)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or at_home("~/.config"))
    return next((path for path in (home / "vme/vme.toml", Path("/etc/vme/vme.toml")) if path.is_file()), None)


def local_config() -> Config:
    """What is managed with no configuration at all: this machine's own libvirt, as zone `local`."""
    images = "/var/lib/libvirt/images"
    store = Store("images", LOCAL_ZONE, PurePosixPath(images), Path(images), shared=False)
    return Config(None, (Zone(LOCAL_ZONE, (Node(LOCAL_NODE, LOCAL_ZONE, local=True),), (store,)),))


def read_file(file: Path) -> Config:
    """Read one vme.toml. Raises Misconfigured."""
    top = open_table(file)
    ssh = _read_ssh(top.table("ssh"))
    defaults = _read_defaults(top.table("defaults"))
    audit = top.table("audit")
    audit_file = audit.path("file")
    audit.finish()
    migration = read_migration(top.table("migration"), MigrationSettings())
    zones_table = top.table("zones")
    zones = tuple(_read_zone(zones_table.table(name), name, migration) for name in zones_table.names())
    if not zones:
        raise top.error(
            "zones", "there is no zone", "add one, for example [zones.east]; `vme init FILE` writes an example"
        )
    storage = _read_storage(top.table("storage"))
    chassis_table = top.table("chassis")
    chassis = tuple(_read_chassis(chassis_table.table(name), name) for name in chassis_table.names())
    tools_table = top.table("tools")
    tool_options = {name: tools_table.table(name).options() for name in tools_table.names()}
    top.finish()
    _refuse_overlaps(top, zones)
    if defaults.zone is not None and defaults.zone not in {zone.name for zone in zones}:
        raise top.error("defaults.zone", f"there is no zone {defaults.zone!a}", "name one that [zones] has")
    return Config(file, zones, ssh, defaults, audit_file, storage, chassis, tool_options)


def _read_ssh(table: Table) -> SshConfig:
    ssh = SshConfig(user=table.text("user"), key=table.path("key"), port=table.whole("port", lowest=1, highest=65535))
    if ssh.user is not None and (ssh.user.startswith("-") or not ssh.user.isprintable() or " " in ssh.user):
        raise table.error("user", f"{ssh.user!a} can't be a user's name", "write the login name, for example root")
    table.finish()
    return ssh


def _read_defaults(table: Table) -> Defaults:
    plain = Defaults()
    defaults = Defaults(
        virt_type=table.choice("virt_type", ("kvm", "qemu")) or plain.virt_type,
        vcpus=table.whole("vcpus", lowest=1) or plain.vcpus,
        memory_mib=table.whole("memory_mib", lowest=16) or plain.memory_mib,
        disk_gib=table.whole("disk_gib", lowest=1) or plain.disk_gib,
        disk_format=table.choice("disk_format", ("raw", "qcow2")) or plain.disk_format,
        cache=table.choice("cache", ("none", "writethrough", "writeback", "directsync", "unsafe")) or plain.cache,
        bridges=table.texts("bridges") or plain.bridges,
        owner=table.text("owner") or plain.owner,
        group=table.text("group") or plain.group,
        image_mode=table.mode("image_mode", plain.image_mode),
        directory_mode=table.mode("directory_mode", plain.directory_mode),
        node_reserve_mib=_given(table.whole("node_reserve_mib", lowest=0), plain.node_reserve_mib),
        timeout_s=table.seconds("timeout_s") or plain.timeout_s,
        turn_wait_s=table.seconds("turn_wait_s") or plain.turn_wait_s,
        zone=table.text("zone"),
    )
    table.finish()
    return defaults


_T = TypeVar("_T")


def _given(value: _T | None, default: _T) -> _T:
    return default if value is None else value


def read_migration(table: Table, plain: MigrationSettings) -> MigrationSettings:
    """A table of migration settings; what it does not say is as in `plain`. Raises Misconfigured."""
    settings = MigrationSettings(
        mode=table.choice("mode", ("direct", "p2p")) or plain.mode,
        peer_uri=table.text("peer_uri") or plain.peer_uri,
        uri=table.text("uri") or plain.uri,
        tls=_given(table.flag("tls"), plain.tls),
        tunnelled=_given(table.flag("tunnelled"), plain.tunnelled),
        bandwidth_mib=table.whole("bandwidth_mib", lowest=1) or plain.bandwidth_mib,
        max_downtime_ms=table.whole("max_downtime_ms", lowest=1, highest=2_000_000) or plain.max_downtime_ms,
        auto_converge=table.choice("auto_converge", AUTO_CONVERGE) or plain.auto_converge,
        parallel=table.whole("parallel", lowest=1, highest=255) or plain.parallel,
        compressed=table.choice("compressed", COMPRESSIONS) or plain.compressed,
        postcopy=_given(table.flag("postcopy"), plain.postcopy),
        time_limit_s=table.seconds("time_limit_s", highest=7 * 86400) or plain.time_limit_s,
        outgoing=table.whole("outgoing", lowest=1) or plain.outgoing,
        incoming=table.whole("incoming", lowest=1) or plain.incoming,
        at_once=table.whole("at_once", lowest=1) or plain.at_once,
    )
    table.finish()
    problem = conflict(settings)
    if problem:
        raise table.error(None, problem, "leave one of them out")
    return settings


def conflict(settings: MigrationSettings) -> str | None:
    """Which two settings libvirt can't follow together (virDomainMigrateFlags), or None."""
    if settings.mode == "p2p" and settings.peer_uri is None:
        return 'mode p2p needs peer_uri, for example "qemu+tls://{node}/system"'
    if settings.tunnelled and settings.mode != "p2p":
        return "tunnelled works with mode p2p only"
    for name, other in (("tls", settings.tls), ("parallel", settings.parallel), ("postcopy", settings.postcopy)):
        if settings.tunnelled and other:
            return f"tunnelled and {name} exclude each other"
    return None


def _read_zone(table: Table, name: str, migration: MigrationSettings) -> Zone:
    _checked_name(table, name, "zone")
    nodes = tuple(Node(_checked_name(table, node, "node"), name) for node in table.node_set("nodes"))
    first = _read_store(table, name, None)
    more = table.table("stores")
    others = tuple(_read_store(more.table(store), name, store) for store in more.names())
    for store_name in more.names():
        more.table(store_name).finish(known=("store", "management_store"))
    settings = read_migration(table.table("migration"), migration)
    table.finish()
    if first.name in {store.name for store in others}:
        raise table.error(
            "stores", f"{first.name} is the zone's first store already", "give the other one another name"
        )
    return Zone(name, nodes, (first, *others), settings)


def _read_store(table: Table, zone: str, name: str | None) -> Store:
    """The store of a zone's own two keys (named after its directory), or of [zones.ZONE.stores.NAME]."""
    node_path = PurePosixPath(table.needed_path("store"))
    management_path = table.needed_path("management_store")
    return Store(_checked_name(table, name or node_path.name, "virt-store"), zone, node_path, management_path)


def _read_storage(table: Table) -> tuple[Node, ...]:
    """The storage servers; a machine that is a node as well may be named here too, and stays one machine."""
    names = table.node_set("servers") if "servers" in table.names() else ()
    table.finish(known=("servers",))
    return tuple(Node(_checked_name(table, name, "storage server"), zone="") for name in names)


def _read_chassis(table: Table, name: str) -> Chassis:
    machines = tuple(_checked_name(table, machine, "machine") for machine in table.node_set("machines"))
    bays_table = table.table("bays")
    bays = {place: bays_table.text(place) or "" for place in bays_table.names()}
    if len(set(bays.values())) < len(bays):
        raise bays_table.error(None, "two places have the same bay", "give each bay a label of its own")
    table.finish()
    return Chassis(_checked_name(table, name, "chassis"), machines, bays)


def _checked_name(table: Table, name: str, kind: str) -> str:
    try:
        return checked(name, kind)
    except Misused as problem:
        raise table.error(None, problem.message, problem.hint or "") from None


def _refuse_overlaps(top: Table, zones: tuple[Zone, ...]) -> None:
    """Raise Misconfigured where two zones share a node, or where one store lies in another, for us or for its nodes."""
    zone_of: dict[str, str] = {}
    for node in (node for zone in zones for node in zone.nodes):
        if node.name in zone_of:
            key = f"zones.{node.zone}.nodes"
            raise top.error(
                key, f"node {node.name} is in zone {zone_of[node.name]} already", "leave it in one of the two zones"
            )
        zone_of[node.name] = node.zone
    seen: list[Store] = []
    for store in (store for zone in zones for store in zone.stores):
        for other in seen:
            if _overlap(store.management_path, other.management_path):
                raise top.error(
                    f"zones.{store.zone}.management_store",
                    f"{store.management_path} overlaps {other.management_path} of zone {other.zone}",
                    "mount each zone's store at a path of its own",
                )
            if store.zone == other.zone and _overlap(store.node_path, other.node_path):
                raise top.error(
                    f"zones.{store.zone}.stores.{store.name}.store",
                    f"{store.node_path} overlaps {other.node_path} of store {other.name}",
                    "give each store of a zone a directory of its own on the nodes",
                )
        seen.append(store)


def _overlap(one: PurePath, other: PurePath) -> bool:
    """Whether they are the same directory, or one is in the other."""
    return one == other or one in other.parents or other in one.parents
