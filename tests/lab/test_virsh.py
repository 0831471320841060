"""vme_virsh: every command virsh has, on the right node, with the user's terminal; and what it leaves behind."""

import pytest

from tests.lab.terminal import ended, on_terminal
from tests.lab.vme import VIRSH, Vme


def test_whatever_virsh_prints_on_the_node_it_prints_here(vme: Vme) -> None:
    vme.create("web1", "kvm02", start=True)
    vme.create("web2", "kvm04")
    for node, words in {
        "kvm02": (("snapshot-list", "web1"), ("domblklist", "web1", "--details"), ("domstate", "--domain", "web1")),
        "kvm04": (("domstate", "web2", "--reason"), ("dumpxml", "--inactive", "--domain=web2"), ("domiflist", "web2")),
    }.items():
        for line in words:
            assert vme.tool("vme_virsh", "-q", *line).stdout == vme.virsh(node, *line)
    uuid = vme.virsh("kvm04", "domuuid", "web2").strip()
    assert vme.tool("vme_virsh", "domname", uuid).stdout.strip() == "web2"
    said = vme.tool("vme_virsh", "domblkstat", "web1", "--human").stdout
    assert "number of read operations:" in said
    # Its exit status and its complaints are virsh's own.
    done = vme.tool("vme_virsh", "detach-disk", "web2", "vdz", status=1)
    assert "error: No disk found whose source path or target is vdz" in done.stderr


def test_virsh_s_own_options_stand_before_its_command(vme: Vme) -> None:
    vme.create("web1", "kvm02")
    assert "Time: " in vme.tool("vme_virsh", "-t", "domstate", "web1").stdout
    said = vme.tool("vme_virsh", "-r", "start", "web1", status=1).stderr
    assert "read only access prevents virDomainCreate" in said.replace("operation forbidden: ", "")
    assert vme.running("web1") == []


def test_commands_without_a_guest_run_on_named_nodes_or_a_whole_zone(vme: Vme) -> None:
    vme.create("web1", "kvm02")
    vme.create("web2", "kvm04")
    assert vme.tool("vme_virsh", "--node", "kvm02", "list", "--all", "--name").stdout.split() == ["web1"]
    said = vme.tool("vme_virsh", "--zone", "east", "list", "--all", "--name").stdout
    assert said.split() == ["kvm01:", "kvm02:", "web1", "kvm03:"]
    assert vme.tool("vme_virsh", "--node", "kvm[04-05]", "list", "--all", "--name").stdout.split() == [
        "kvm04:",
        "web2",
        "kvm05:",
    ]
    assert "names no guest" in vme.tool("vme_virsh", "list", "--all", status=2).stderr
    assert "domblkstat <domain>" in vme.tool("vme_virsh", "help", "domblkstat").stdout


def test_a_guest_that_is_not_there_is_twice_there_or_may_be_there(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    assert "names a guest on any node" in vme.tool("vme_virsh", "domstate", "nosuch", status=4).stderr
    vme.write("kvm02", "/tmp/twin.xml", vme.virsh("kvm01", "dumpxml", "web1"))
    vme.virsh("kvm02", "define", "/tmp/twin.xml")
    said = vme.tool("vme_virsh", "domstate", "web1", status=4).stderr
    assert "shut off on kvm01, shut off on kvm02" in said
    assert vme.tool("vme_virsh", "--node", "kvm02", "undefine", "web1").stdout.strip()
    assert vme.guests_of("kvm02") == set()
    vme.fault("freeze", "kvm03", "libvirtd")
    said = vme.tool("vme_virsh", "--timeout", "2", "domstate", "nosuch", status=5).stderr
    assert "it may be on a silent node" in said
    # web1 may not be meant: the word before it could be a guest of the silent node.
    vme.tool("vme_virsh", "--timeout", "2", "attach-disk", "nosuch", "web1", "vdb", status=5)
    assert vme.tool("vme_virsh", "--timeout", "2", "domstate", "web1").stdout.strip() == "shut off"


def test_a_definition_that_virsh_changes_is_saved_beside_the_images(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    file = "/srv/vme/east/virt-store/web1/web1.xml"
    vme.tool("vme_virsh", "desc", "web1", "--config", "changed by virsh")
    assert "changed by virsh" in vme.on("mgmt", "cat", file)
    before = vme.on("mgmt", "stat", "--format", "%Y %i", file)
    vme.tool("vme_virsh", "dominfo", "web1")
    assert vme.on("mgmt", "stat", "--format", "%Y %i", file) == before
    vme.tool("vme_virsh", "undefine", "web1")
    assert vme.guests_of("kvm01") == set()


@pytest.mark.not_under("read", reason="both change something")
def test_its_console_and_its_editor_have_the_terminal(vme: Vme) -> None:
    vme.boot("web1", "kvm02")
    with on_terminal(vme, "vme_virsh", "console", "web1") as terminal:
        terminal.expect("Escape character is")
        terminal.send("\r")
        terminal.expect("# ")
        terminal.send("echo sum-$((20+22))\r")
        terminal.expect("sum-42")
        terminal.send("\x1d")
        assert ended(terminal)[0] == 0
    vme.write(
        "mgmt", "/tmp/editor", "#!/bin/sh\nsed -i 's:<currentMemory.*:<currentMemory>131072</currentMemory>:' $1\n"
    )
    vme.on("mgmt", "chmod", "+x", "/tmp/editor")
    with on_terminal(vme, "env", "EDITOR=/tmp/editor", "vme_virsh", "edit", "web1") as terminal:
        assert ended(terminal)[0] == 0
    assert "131072" in vme.on("kvm02", *VIRSH, "dumpxml", "--inactive", "web1")
    assert "131072" in vme.on("mgmt", "cat", "/srv/vme/east/virt-store/web1/web1.xml")
