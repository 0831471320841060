"""Guests, nodes and stores made up for the tests of what decides: no connection is behind them."""

from pathlib import Path, PurePosixPath
from typing import Any

from vme.config import Config, Node, SshConfig, Store, Zone
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.domain_xml import Disk
from vme.hypervisor.guest import Guest

EAST = tuple(Node(name, "east") for name in ("kvm01", "kvm02", "kvm03"))
WEST = (Node("kvm04", "west"),)
NODES = {node.name: node for node in (*EAST, *WEST)}


def nothing_behind() -> Any:
    """Where libvirt's handles would be."""


def hypervisor(node: str = "kvm01") -> Hypervisor:
    return Hypervisor(NODES[node], nothing_behind, SshConfig())


def guest(name: str = "web1", state: str = "running", node: str = "kvm01", **more: Any) -> Guest:
    """A guest as a node would tell of it; its UUID follows its name unless it is given."""
    uuid = more.get("uuid", f"uuid-of-{name}")
    return Guest(name, uuid, state, more.get("reason", "unknown"), hypervisor(node), nothing_behind)


def store(tmp_path: Path, name: str = "virt-store", zone: str = "east", *, shared: bool = True) -> Store:
    """A store that nodes see at /srv/vme/NAME, and we see at a directory made for it."""
    here = tmp_path / zone / name
    here.mkdir(parents=True, exist_ok=True)
    return Store(name, zone, PurePosixPath(f"/srv/vme/{name}"), here, shared)


def config(tmp_path: Path, *, east_stores: tuple[str, ...] = ("virt-store",)) -> Config:
    """Zones east (three nodes) and west (one)."""
    east = tuple(store(tmp_path, name) for name in east_stores)
    return Config(None, (Zone("east", EAST, east), Zone("west", WEST, (store(tmp_path, zone="west"),))))


def disk(source: str | None, **more: Any) -> Disk:
    plain = {"target": "vda", "bus": "virtio", "device": "disk", "source_kind": "file", "format": "qcow2"}
    last = {"cache": "none", "shareable": False, "read_only": False, "backing": ()}
    return Disk(**{**plain, **last, "source": source, **more})
