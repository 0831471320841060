"""The main job on real parts: create on a shared store, boot, list, move live, shut down, delete."""

import json

import pytest

from tests.lab.vme import Vme, heard_by


def test_a_guest_is_created_boots_is_listed_moves_and_keeps_its_memory(vme: Vme) -> None:
    address = vme.boot("web1", "kvm01")
    (row,) = vme.json("list_guests")
    assert (row["name"], row["state"], row["node"], row["zone"]) == ("web1", "running", "kvm01", "east")

    client = vme.talk(address)
    moved = vme.tool("migrate_guest", "web1", "kvm03")
    assert moved.stdout.startswith("web1: moved from kvm01 to kvm03 in ")
    heard = heard_by(client)
    assert heard["unbroken"], heard
    assert vme.running("web1") == ["kvm03"]
    assert vme.guests_of("kvm01") == set()
    assert vme.guests_of("kvm03") == {"web1"}

    info = vme.json("info_guest", "web1")[0]
    assert (info["node"], info["state"], info["saved_xml"]) == (
        "kvm03",
        "running",
        "/srv/vme/east/virt-store/web1/web1.xml",
    )
    assert info["disks"][0]["source"] == "/srv/vme/virt-store/web1/web1-vda"
    assert info["disks"][0]["virtual_bytes"] == 64 << 20

    assert "shut down in" in vme.tool("shutdown_guest", "web1").stdout
    assert vme.running("web1") == []
    assert "its files are kept in" in vme.tool("del_guest", "--yes", "web1").stdout
    assert vme.store() == set()
    assert vme.json("list_guests") == []


@pytest.mark.not_under("read", reason="some of them change something")
def test_every_tool_is_a_verb_of_vme_too(vme: Vme) -> None:
    vme.tool("vme", "create", "web1", "-s", "kvm04", "-d", "1")
    assert json.loads(vme.tool("vme", "list", "-o", "json").stdout)[0]["name"] == "web1"
    assert "web1" in vme.tool("vme", "info", "web1").stdout
    assert vme.tool("vme", "nodes").stdout.count("\n") == 6
    vme.tool("vme", "start", "web1")
    vme.tool("vme", "suspend", "web1")
    vme.tool("vme", "resume", "web1")
    vme.tool("vme", "reboot", "web1")
    vme.tool("vme", "stop", "--yes", "web1")
    vme.tool("vme", "delete", "--yes", "web1")
    assert "usage" in vme.tool("vme", "--help").stdout
    vme.tool("vme", "fly", status=2)


def test_each_invocation_leaves_one_audit_line(vme: Vme) -> None:
    vme.tool("create_guest", "web1", "-s", "kvm02", "-d", "1")
    vme.tool("start_guest", "web2", status=4)
    lines = [json.loads(line) for line in vme.on("mgmt", "tail", "-n", "2", "/var/log/vme/audit.log").splitlines()]
    assert [(line["tool"], line["status"], line["user"]) for line in lines] == [
        ("create_guest", 0, "root"),
        ("start_guest", 4, "root"),
    ]
    assert (lines[0]["guests"], lines[0]["nodes"]) == (["web1"], ["kvm02"])
    assert lines[0]["arguments"] == ["web1", "-s", "kvm02", "-d", "1"]
    assert lines[1]["message"] == "web2: no such guest on any node"
