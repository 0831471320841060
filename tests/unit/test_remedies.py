"""What vme repair makes of an entry that it should not believe, or of nodes that this server does not know."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.made import config, guest
from vme.actions.delete import UNDEFINING
from vme.actions.repair import created, deleted, migrated
from vme.actions.repair.remedy import Ground
from vme.journal.entry import Entry, Intent, Step


def ground(tmp_path: Path, tool: str, step: str, *, guests: tuple[Any, ...] = (), **facts: Any) -> Ground:
    vme = config(tmp_path)
    store = vme.zones[0].stores[0]
    intent = Intent(tool, "web1", "east", "uuid-of-web1", facts)
    entry = Entry(store, intent, "root", "adm1", "2026-11-29T00:00:00Z", (Step(step, {}),))
    return Ground(vme, entry, guests, ())


def a_guests_files(tmp_path: Path, zone: str = "east") -> Path:
    directory = tmp_path / zone / "virt-store/web1"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "web1-vda").write_text("image")
    return directory


@pytest.mark.parametrize("node", ["kvm09", "kvm01"])
def test_nothing_is_removed_while_its_node_is_not_known(tmp_path: Path, node: str) -> None:
    a_guests_files(tmp_path)
    facts: dict[str, Any] = {"node": node, "store": "virt-store"}
    made = created.remedy(ground(tmp_path, "create_guest", "defining it", files=["web1-vda"], nvram=None, **facts))
    gone = deleted.remedy(ground(tmp_path, "del_guest", UNDEFINING, purge=True, **facts))
    assert made.blocked == gone.blocked == (node == "kvm09")
    if made.blocked:
        assert "'kvm09', which is not in the configuration here" in made.finding


@pytest.mark.parametrize("nodes", [("kvm09", "kvm01"), ("kvm01", "kvm09")])
def test_a_move_between_nodes_that_are_not_all_known(tmp_path: Path, nodes: tuple[str, str]) -> None:
    facts: dict[str, Any] = dict(zip(("source", "destination"), nodes, strict=True))
    assert migrated.remedy(ground(tmp_path, "migrate_guest", "moving it", guests=(guest(),), **facts)).blocked


@pytest.mark.parametrize("name", ["/etc/shadow", "../web2/web2-vda", "..", "", "web1-vda/"])
def test_an_entry_can_not_name_files_of_others(tmp_path: Path, name: str) -> None:
    a_guests_files(tmp_path)
    a_guests_files(tmp_path, "west")
    facts: dict[str, Any] = {"source": "kvm01", "destination": "kvm04", "live": False, "files": [name]}
    route: dict[str, Any] = {"from_store": "virt-store", "to_zone": "west", "to_store": "virt-store"}
    ours = ground(tmp_path, "migrate_guest", "moving it", guests=(guest(state="shut off"),), **facts, **route)
    found = migrated.remedy(ours)
    assert found.blocked
    assert "no file of its own" in found.finding
