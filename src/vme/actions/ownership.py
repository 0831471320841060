"""Whose a new image must be so that QEMU on the nodes can open it: numbers, as the node knows them."""

import os
from pathlib import PurePosixPath

from vme.config import Config, Node, Store
from vme.node.accounts import group_id, user_id
from vme.node.files import may_enter, modes_text, states_of
from vme.records import dataclass


@dataclass(frozen=True)
class Owner:
    """The configured owner and group with the numbers they have on a node."""

    user: str
    group: str
    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.user}:{self.group} ({self.uid}:{self.gid})"


def find_owner(config: Config, node: Node, store: Store, timeout_s: float) -> tuple[Owner | None, list[str]]:
    """The owner for images that this node's QEMU opens, and every reason why it could not open or be given them."""
    user, group = config.defaults.owner, config.defaults.group
    uid = user_id(node, config.ssh, user, timeout_s=timeout_s)
    gid = group_id(node, config.ssh, group, timeout_s=timeout_s)
    reasons = []
    if uid is None:
        reasons.append(f"{node.name} has no user {user}: set defaults.owner to the user that QEMU runs as there")
    if gid is None:
        reasons.append(f"{node.name} has no group {group}: set defaults.group to the group that QEMU runs as there")
    if uid is None or gid is None:
        return None, reasons
    if os.geteuid() not in (0, uid):
        reasons.append(f"images must belong to {user}, and only root can give them away: run this as root")
    return Owner(user, group, uid, gid), reasons + _reasons_not_reached(config, node, store, uid, gid, timeout_s)


def _reasons_not_reached(config: Config, node: Node, store: Store, uid: int, gid: int, timeout_s: float) -> list[str]:
    """Which directories on the way to the store's images are missing on the node, or closed to QEMU's user there."""
    way: list[PurePosixPath] = [*reversed(store.node_path.parents), store.node_path]
    seen = states_of(node, config.ssh, way, timeout_s=timeout_s)
    if store.node_path not in seen:
        return [f"{node.name} has no {store.node_path}: is the virt-store mounted there?"]
    return [
        f"{path} on {node.name} is closed to {config.defaults.owner} ({modes_text(seen[path])}): chmod o+x {path}"
        for path in way
        if path in seen and not may_enter(seen[path], uid, gid)
    ]
