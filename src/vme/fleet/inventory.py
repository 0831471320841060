"""Which zones, nodes and stores there are, by name."""

from vme.config import Config, Node, Store, Zone
from vme.errors import Misused
from vme.names import checked
from vme.records import replace


def node_named(config: Config, name: str) -> Node:
    """The node of that name. Raises Misused, naming those there are."""
    return _named(config.nodes, name, "node")


def nodes_named(config: Config, text: str) -> tuple[Node, ...]:
    """The nodes of a node set, a group or `@zone`. Raises Misused for one that is in no zone."""
    zone = next((zone for zone in config.zones if text == f"@{zone.name}"), None)
    if zone is not None:
        return zone.nodes
    from vme.nodesets import expanded

    try:
        names = expanded(text)
    except ValueError as problem:
        raise Misused(
            f"{text!a} is not a set of nodes: {problem}", hint="write it as kvm[01-08], @group or @zone"
        ) from None
    if not names:
        raise Misused(f"{text!a} names no node", hint="a group must have members; a zone is written @zone")
    return tuple(node_named(config, name) for name in names)


def names_nodes(config: Config, text: str) -> bool:
    """Whether a word names nodes and nothing but nodes: one, a set of them, or `@zone`."""
    names = {node.name for node in config.nodes} | {f"@{zone.name}" for zone in config.zones}
    if "[" not in text and "," not in text:
        return text in names
    from vme.nodesets import expanded_names

    try:
        expanded = expanded_names(text)
    except ValueError:
        return False
    return bool(expanded) and names.issuperset(expanded)


def nodes_in_group(config: Config, group: str) -> tuple[Node, ...]:
    """Those nodes that are in a group of ClusterShell: of the source `genders` if there is one. Raises Misused."""
    from vme.nodesets import members

    for part in group.split(":", 1):
        checked(part, "group")
    try:
        names = members(group)
    except ValueError as problem:
        raise Misused(f"the group {group!a} can't be looked up: {problem}", hint="see: cluset --groupsources") from None
    nodes = tuple(node for node in config.nodes if node.name in names)
    if not nodes:
        raise Misused(f"no node is in the group {group!a}", hint=f"the nodes are: {folded(config.nodes)}")
    return nodes


def machine_named(config: Config, name: str) -> Node:
    """The node or storage server of that name. Raises Misused, naming those there are."""
    return _named(config.machines, name, "machine")


def _named(machines: tuple[Node, ...], name: str, kind: str) -> Node:
    for machine in machines:
        if machine.name == name:
            return machine
    raise Misused(f"there is no {kind} {name!a}", hint=f"the {kind}s are: {folded(machines)}")


def machines_named(config: Config, text: str) -> tuple[Node, ...]:
    """As nodes_named, of nodes and storage servers; `@storage` is all of the latter."""
    if text == "@storage" and config.storage:
        return config.storage
    known = replace(config, zones=(*config.zones, Zone("", config.storage, ())))
    return nodes_named(known, text)


def zone_of(config: Config, node: Node) -> Zone:
    """The zone a node is in."""
    return config.zone(node.zone)


def only_zone(config: Config, name: str | None) -> Zone:
    """The zone of that name, or the configured default, or the only one there is. Raises Misused: it is not guessed."""
    named = name or config.defaults.zone
    if named is not None:
        return config.zone(named)
    if len(config.zones) == 1:
        return config.zones[0]
    zones = ", ".join(zone.name for zone in config.zones)
    raise Misused("there is more than one zone, and nothing says which", hint=f"name one with --zone ({zones})")


def store_named(zone: Zone, name: str | None) -> Store:
    """The store of a zone by its name, or its first. Raises Misused, naming those there are."""
    if name is None:
        return zone.stores[0]
    for store in zone.stores:
        if store.name == name:
            return store
    hint = f"the virt-stores of zone {zone.name} are: {', '.join(store.name for store in zone.stores)}"
    raise Misused(f"zone {zone.name} has no virt-store {name!a}", hint=hint)


def folded(nodes: tuple[Node, ...]) -> str:
    """Names of nodes as a person writes them: `kvm[01-03,07]`."""
    from vme import nodesets

    return nodesets.folded([node.name for node in nodes])
