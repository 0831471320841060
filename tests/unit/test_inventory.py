"""Zones, nodes and stores by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.made import EAST, WEST, config
from vme.config import Node
from vme.errors import Misused
from vme.fleet.inventory import (
    folded,
    machine_named,
    machines_named,
    names_nodes,
    node_named,
    nodes_in_group,
    nodes_named,
    store_named,
    zone_of,
)


def test_nodes_of_a_set_or_a_zone(tmp_path: Path) -> None:
    there = config(tmp_path)
    assert nodes_named(there, "@east") == EAST
    assert nodes_named(there, "kvm[01-02],kvm04") == (*EAST[:2], *WEST)
    assert node_named(there, "kvm04") == WEST[0]
    assert zone_of(there, WEST[0]).name == "west"
    assert folded((*EAST, *WEST)) == "kvm[01-04]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kvm09", "there is no node 'kvm09'"),
        ("kvm[01-", "is not a set of nodes"),
        ("", "'' names no node"),  # never all of them: a script's empty variable must not mean everything
        ("@eats", "'@eats' names no node|is not a set of nodes"),
    ],
)
def test_what_names_no_node(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Misused, match=says) as caught:
        nodes_named(config(tmp_path), text)
    assert caught.value.hint


def test_stores(tmp_path: Path) -> None:
    zone = config(tmp_path, east_stores=("virt-store", "fast")).zone("east")
    assert store_named(zone, None).name == "virt-store"
    assert store_named(zone, "fast").name == "fast"
    with pytest.raises(Misused, match="zone east has no virt-store 'slow'") as caught:
        store_named(zone, "slow")
    assert caught.value.hint == "the virt-stores of zone east are: virt-store, fast"


def test_words_that_name_nodes_and_nothing_else(tmp_path: Path) -> None:
    made_config = config(tmp_path)
    for word in ("kvm01", "kvm[01-03]", "kvm01,kvm04", "@east"):
        assert names_nodes(made_config, word), word
    for word in ("web1", "kvm[01-09]", "kvm0*", "@prod", "kvm[", "kvm01,web1", ""):
        assert not names_nodes(made_config, word), word


def test_the_group_s_name_never_reaches_a_shell_unchecked(tmp_path: Path) -> None:
    for group in ("x;id", "$(id)", "genders:x|y", ""):
        with pytest.raises(Misused, match="can't be the name of a group"):
            nodes_in_group(config(tmp_path), group)


def test_machines_are_nodes_and_storage_servers(tmp_path: Path) -> None:
    storage = (Node("st1", ""), Node("st2", ""))
    there = replace(config(tmp_path), storage=storage)
    assert machines_named(there, "@storage") == storage
    assert machines_named(there, "kvm01,st2") == (EAST[0], storage[1])
    assert machine_named(there, "st1") == storage[0]
    with pytest.raises(Misused, match="there is no machine 'st3'"):
        machine_named(there, "st3")
    with pytest.raises(Misused, match="there is no node 'st1'"):
        node_named(there, "st1")
