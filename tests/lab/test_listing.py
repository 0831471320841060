"""list_guests and node_list: columns, order, formats, usage, twins, groups, watching."""

import csv
import io
import json
import signal
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lab.topology import DEFAULT
from tests.lab.batch import define
from tests.lab.calls import counted_calls
from tests.lab.vme import Vme

DOCS = Path(__file__).parents[2] / "docs"
NODES = [node.name for node in DEFAULT.nodes]


def valid(tool: str, rows: Any) -> Any:
    jsonschema.validate(rows, json.loads((DOCS / f"{tool}.schema.json").read_text()), jsonschema.Draft202012Validator)
    return rows


@pytest.mark.parametrize("tool", ["list_guests", "node_list"])
def test_what_programs_read_is_as_its_schema_says(vme: Vme, tool: str) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm02")
    vme.tool("tag_guest", "web1", "-a", "prod,web", "--title", "Shop")
    assert valid(tool, vme.json(tool))
    rows = valid(tool, vme.json(tool, "--columns", "all"))
    assert len(rows) == (2 if tool == "list_guests" else 5)
    assert (
        yaml.safe_load(vme.tool(tool, "-o", "yaml").stdout) == vme.json(tool) or tool == "node_list"
    )  # its load moves
    table = list(csv.DictReader(io.StringIO(vme.tool(tool, "--columns", "all", "-o", "csv").stdout)))
    assert set(table[0]) == set(rows[0])
    vme.fault("power-off", "kvm02")
    valid(tool, vme.json(tool, "--columns", "all", "--timeout", "2", status=5))


def test_columns_order_and_names(vme: Vme) -> None:
    define(vme, "kvm01", {"web2": None, "web1": "prod"})
    define(vme, "kvm04", {"db1": "prod"})
    vme.virsh("kvm01", "start", "web2")
    told = vme.tool("list_guests", "--columns", "help").stdout
    assert "cpu_percent" in told
    assert "CPU time it takes, 100 for one CPU of the node" in told
    assert vme.tool("list_guests", "--columns", "node,name", "--sort=-node,name").stdout == (
        "NODE   NAME\nkvm04  db1\nkvm01  web1\nkvm01  web2\n"
    )
    assert vme.tool("list_guests", "-o", "name", "--sort", "state").stdout.split() == ["web2", "db1", "web1"]
    assert "there is no column 'nme'" in vme.tool("list_guests", "--columns", "nme", status=2).stderr
    wide = vme.tool("list_guests", "-o", "wide").stdout.splitlines()
    assert wide[0].split() == [
        "NAME",
        "STATE",
        "REASON",
        "NODE",
        "ZONE",
        "VCPUS",
        "MEMORY",
        "USED",
        "TAGS",
        "TITLE",
        "UUID",
    ]
    assert vme.tool("node_list", "kvm[01-02]", "--sort=-running", "-o", "name").stdout.split() == ["kvm01", "kvm02"]
    assert vme.tool("node_list", "@west", "--columns", "node,guests").stdout == (
        "NODE   GUESTS\nkvm04       1\nkvm05       0\n"
    )


def test_usage_in_two_samples_of_one_bulk_call(vme: Vme) -> None:
    address = vme.boot("web1", "kvm01")
    vme.create("web2", "kvm01")
    columns = (
        "name,vcpus,memory_mib,memory_used_mib,cpu_percent,net_received_bytes_s,net_sent_bytes_s,disk_read_bytes_s"
    )
    vme.talk(address)
    with counted_calls(vme, ["kvm01"]) as calls:
        rows = {row["name"]: row for row in vme.json("list_guests", "kvm01", "--columns", columns)}
    assert calls["kvm01"] == {"get_all_domain_stats": 1 + 2}
    web1, web2 = rows["web1"], rows["web2"]
    assert (web1["vcpus"], web1["memory_mib"]) == (web2["vcpus"], web2["memory_mib"]) == (1, 128)
    assert 16 < web1["memory_used_mib"] < 1024
    assert web1["cpu_percent"] > 0
    assert web1["net_received_bytes_s"] > 0
    assert web1["net_sent_bytes_s"] > 0
    assert web1["disk_read_bytes_s"] >= 0
    assert [web2[key] for key in ("memory_used_mib", "cpu_percent", "net_sent_bytes_s")] == [None, None, None]
    node = vme.json("node_list", "kvm01", "--columns", "all")[0]
    assert node["net_received_bytes_s"] > 0
    assert node["cpu_percent"] > 0
    assert 0 < node["memory_used_mib"] < node["memory_mib"]


def test_a_stuck_guest_holds_up_no_other(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm01", start=True)
    vme.tool("list_guests")
    vme.fault("freeze", "kvm01", "qemu:web1")
    columns = ("--columns", "name,state,memory_used_mib,cpu_percent,tags")
    done = vme.tool("list_guests", *columns, "-o", "json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert "web1 on kvm01: its QEMU does not answer: is it stuck, or busy?" in done.stderr
    assert rows["web1"]["memory_used_mib"] is None
    assert rows["web2"]["memory_used_mib"] > 0
    assert rows["web2"]["cpu_percent"] is not None
    assert [row["state"] for row in rows.values()] == ["running", "running"]


def test_guests_that_are_there_twice_are_marked_and_said(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    define(vme, "kvm02", {"web2": None})
    xml = vme.virsh("kvm01", "dumpxml", "web1")
    vme.write("kvm03", "/tmp/twin.xml", xml.replace("<name>web1</name>", "<name>copy</name>"))
    vme.virsh("kvm03", "define", "/tmp/twin.xml")
    define(vme, "kvm04", {"web2": None})
    done = vme.tool("list_guests")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["NAME", "STATE", "NODE", "ZONE", "TWIN"],
        ["copy", "shut", "off", "kvm03", "east", "uuid"],
        ["web1", "running", "kvm01", "east", "uuid"],
        ["web2", "shut", "off", "kvm02", "east", "name"],
        ["web2", "shut", "off", "kvm04", "west", "name"],
    ]
    assert "one UUID, so one guest (being migrated, or never let both run): web1 running on kvm01, copy shut off" in (
        done.stderr
    )
    assert "one name, and different guests: web2 shut off on kvm02, web2 shut off on kvm04" in done.stderr
    assert [row["twin"] for row in vme.json("list_guests")] == ["uuid", "uuid", "name", "name"]
    assert "TWIN" not in vme.tool("list_guests", "kvm01").stdout


def test_groups(vme: Vme) -> None:
    """As the genders of many years: `-g GROUP`."""
    define(vme, "kvm02", {"web1": None})
    define(vme, "kvm04", {"web2": None})
    folder = vme.on(
        "mgmt", "sh", "-c", "mkdir -p $HOME/.config/clustershell && echo $HOME/.config/clustershell"
    ).strip()
    genders = "case $GROUP in fast) echo kvm[02-03],other9;; none) echo other9;; ours) echo kvm02;; esac"
    vme.write("mgmt", f"{folder}/groups.conf", f"[Main]\ndefault: genders\n[genders]\nmap: {genders}\n")
    try:
        assert vme.tool("list_guests", "-g", "fast", "-o", "name").stdout.split() == ["web1"]
        assert vme.tool("node_list", "-g", "fast", "-o", "name").stdout.split() == ["kvm02", "kvm03"]
        assert "no node is in the group 'none'" in vme.tool("node_list", "-g", "none", status=2).stderr
        assert "can't be the name of a group" in vme.tool("node_list", "-g", "x;id", status=2).stderr
        assert vme.tool("list_guests", "w*", "--node", "@ours", "-o", "name").stdout.split() == ["web1"]
    finally:
        vme.on("mgmt", "rm", "-r", folder)


@pytest.mark.parametrize("tool", ["list_guests", "node_list"])
def test_watching_until_ctrl_c(vme: Vme, tool: str) -> None:
    define(vme, "kvm01", {"web1": None})
    vme.fault("freeze", "kvm05", "libvirtd")
    watching = vme.begin(tool, "--watch", "0.3", "--timeout", "1.5", "-o", "name")
    time.sleep(8)
    watching.send_signal(signal.SIGINT)
    said, warned = watching.communicate(timeout=10)
    assert watching.returncode == 0
    lines = said.splitlines()
    assert lines.count("web1" if tool == "list_guests" else "kvm01") > 1
    assert warned.count("no answer from kvm05") > 1
    assert "Traceback" not in warned
