"""info_guest and node_list: what a person asks about one guest, and about all nodes."""

import json

from tests.lab.vme import Vme


def test_info_of_a_running_and_of_a_stopped_guest(vme: Vme) -> None:
    address = vme.boot("web1", "kvm01")
    # The node learns the guest's address as any host does: by talking to it.
    vme.on("kvm01", "ip", "address", "add", "10.78.0.240/24", "dev", "br0")
    vme.on("kvm01", "busybox", "ping", "-c", "1", "-W", "5", address)
    vme.virsh("kvm01", "snapshot-create-as", "web1", "before")
    vme.virsh("kvm01", "autostart", "web1")
    text = vme.tool("info_guest", "web1").stdout
    vme.on("kvm01", "ip", "address", "del", "10.78.0.240/24", "dev", "br0")
    facts = {line[:13].strip(): line[14:] for line in text.splitlines()}
    assert facts["state"] == "running (unpaused)", "the snapshot paused it for a moment"
    assert facts["node"] == "kvm01, zone east"
    assert facts["uuid"] == vme.virsh("kvm01", "domuuid", "web1").strip()
    assert facts["memory"] == "128 of 128 MiB"
    assert "qemu, bios" in facts["machine"]
    assert facts["disk"].startswith("vda (disk, virtio, qcow2, cache none)  /srv/vme/virt-store/web1/web1-vda  64 MiB")
    assert facts["interface"].endswith(f"virtio on br0  {address}")
    assert facts["graphics"] == "vnc on 127.0.0.1 port 5900"
    assert facts["snapshots"] == "before"
    assert facts["autostart"] == "yes"
    assert facts["saved XML"] == "/srv/vme/east/virt-store/web1/web1.xml"

    vme.tool("stop_guest", "--yes", "web1")
    info = vme.json("info_guest", "web1")[0]
    assert (info["state"], info["reason"]) == ("shut off", "destroyed")
    assert info["graphics"] == [{"kind": "vnc", "listen": "127.0.0.1", "port": None}]
    assert info["disks"][0]["virtual_bytes"] == 64 << 20
    assert info["disks"][0]["allocated_bytes"] > 64 << 20, "the snapshot of a running guest holds its memory too"


def test_info_of_many_in_every_form(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.create("web2", "kvm04")
    assert [info["node"] for info in vme.json("info_guest", "web*")] == ["kvm01", "kvm04"]
    assert "- name: web1" in vme.tool("info_guest", "web[1-2]", "-o", "yaml").stdout
    assert "web2,disks.0.target,vda" in vme.tool("info_guest", "web2", "-o", "csv").stdout
    assert "web9: no such guest on any node" in vme.tool("info_guest", "web9", status=4).stderr


def test_an_image_that_is_gone_is_said(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.on("mgmt", "rm", "/srv/vme/east/virt-store/web1/web1-vda")
    assert "its image can't be read" in vme.tool("info_guest", "web1").stdout


def test_nodes_say_what_they_promised(vme: Vme) -> None:
    vme.create("web1", "kvm02", "-m", "256", "-c", "2", start=True)
    vme.create("web2", "kvm02", "-m", "512")
    rows = {row["node"]: row for row in vme.json("node_list")}
    row = rows["kvm02"]
    assert (row["running"], row["guests"], row["allocated_vcpus"], row["allocated_mib"]) == (1, 2, 2, 256)
    assert row["available_mib"] == row["memory_mib"] - 512 - 256
    assert row["libvirt"].count(".") == 2
    assert row["qemu"].count(".") == 2
    assert rows["kvm01"]["guests"] == 0
    assert rows["kvm01"]["load"] >= 0
    text = vme.tool("node_list").stdout.splitlines()
    assert text[0].split() == [
        *("NODE", "ZONE", "STATE", "RUNNING", "GUESTS", "CPUS", "VCPUS", "MEMORY", "ALLOCATED", "AVAILABLE"),
        *("LOAD", "LIBVIRT", "QEMU"),
    ]
    assert len({line.index(line.split()[-1]) for line in text}) == 1, "the columns are not aligned"


def test_the_reserve_of_a_node_is_configured(vme: Vme) -> None:
    config = vme.on("mgmt", "sh", "-c", "cat $HOME/../vme.toml")
    vme.write("mgmt", "/tmp/reserve.toml", config.replace("[defaults]", "[defaults]\nnode_reserve_mib = 2048"))
    plain = {row["node"]: row["available_mib"] for row in vme.json("node_list")}
    reserved = json.loads(vme.tool("env", "VME_CONFIG=/tmp/reserve.toml", "node_list", "-o", "json").stdout)
    assert {row["node"]: row["available_mib"] + 2048 - 512 for row in reserved} == plain


def test_a_first_configuration(vme: Vme) -> None:
    vme.tool("vme", "init", "/tmp/first.toml")
    assert "is there already" in vme.tool("vme", "init", "/tmp/first.toml", status=3).stderr
    # Its eight nodes are not there: each is named, and that is said in time.
    said = vme.tool("env", "VME_CONFIG=/tmp/first.toml", "node_list", "kvm[06-08]", "--timeout", "3", status=5).stderr
    assert all(node in said for node in ("kvm06", "kvm07", "kvm08"))
    vme.write("mgmt", "/tmp/wrong.toml", "[defaults]\nmemory = 3\n")
    said = vme.tool("env", "VME_CONFIG=/tmp/wrong.toml", "list_guests", status=2).stderr
    assert "/tmp/wrong.toml: defaults.memory: unknown key" in said
    assert "did you mean memory_mib?" in said
