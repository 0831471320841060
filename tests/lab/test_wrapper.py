"""What vme_ssh_wrapper lets through over a real sshd, and that a key of role read changes nothing."""

import json
import os
from pathlib import Path

import pytest

from tests.lab.vme import Vme
from tests.lab.wrapped import WRAPPER, Wrapped, as_role

READ_AND_OPERATE = pytest.mark.parametrize("role", ["read", "operate"])


@pytest.mark.parametrize("proxy", ["native", "netcat", "auto"])
def test_real_clients_of_libvirt_work(node: Wrapped, proxy: str) -> None:
    for role, words in (("operate", ("list",)), ("operate", ("-r", "list")), ("read", ("-r", "list"))):
        done = node.virsh(role, f"&proxy={proxy}", *words)
        assert done.status == 0, done
        assert "Name" in done.stdout
    assert node.log()[-1]["verb"] == f"libvirt-read-{proxy}"


def test_libssh_sends_the_same(node: Wrapped) -> None:
    uri = f"qemu+libssh://root@{node.name}/system?keyfile={node.key('operate')}&known_hosts={node.key('read')}.home/.ssh/known_hosts&sshauth=privkey"
    done = node.mgmt("timeout", "20", "virsh", "-c", uri, "list")
    if "unsupported" in done.stderr or "not compiled" in done.stderr:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("this libvirt has no libssh")
    assert node.log()[-1]["verb"] == "libvirt-write-auto", done


@READ_AND_OPERATE
def test_questions_are_answered(node: Wrapped, role: str) -> None:
    assert node.ssh(role, "true").status == 0
    assert float(node.ssh(role, "cat /proc/loadavg").stdout.split()[0]) >= 0
    assert node.ssh(role, "getent passwd -- root").stdout.startswith("root:")
    assert node.ssh(role, "getent passwd -- nobody-of-that-name").status == 2
    assert node.ssh(role, "stat --format '%u %g %a %i %n' -- /etc /srv").stdout.splitlines()[0].endswith(" /etc")
    whoami = json.loads(node.ssh(role, f"{WRAPPER} whoami").stdout)
    assert (whoami["key"], whoami["role"], whoami["line"]) == (f"test-{role}", role, f"{role}line")
    listed = json.loads(node.ssh(role, f"{WRAPPER} keys").stdout)
    assert dict(listed["used"])[f"test-{role}"]
    ours = [line for line in listed["lines"] if WRAPPER in line]
    assert len(ours) >= 3
    assert (len(ours) == len([line for line in listed["lines"] if line])) == (role == "read")
    line = node.log()[-1]
    assert (line["decision"], line["verb"], line["command"]) == ("accepted", "keys", f"{WRAPPER} keys")


def test_a_read_key_changes_nothing(node: Wrapped, vme: Vme) -> None:
    vme.create("web1", node.name)
    xml = vme.virsh(node.name, "dumpxml", "web1")
    for proxy in ("native", "netcat", "auto"):
        done = node.virsh("read", f"&proxy={proxy}", "list")
        assert done.status != 0, f"a read-write open by {proxy} went through"
        line = node.log()[-1]
        assert (line["decision"], line["verb"]) == ("refused", f"libvirt-write-{proxy}")
    vme.write("mgmt", "/run/web2.xml", xml.replace("web1", "web2"))
    for words in (
        ("define", "/run/web2.xml"),
        ("start", "web1"),
        ("destroy", "web1"),
        ("setmem", "web1", "64M", "--config"),
        ("setvcpus", "web1", "2", "--config"),
        ("undefine", "web1"),
        ("dumpxml", "web1", "--security-info"),
        ("migrate", "--live", "web1", "qemu+ssh://kvm01/system"),
        ("pool-define-as", "p", "dir", "--target", "/tmp"),
    ):
        done = node.virsh("read", "", "-r", *words)
        assert done.status != 0, words
    assert "read only access prevents" in node.virsh("read", "", "-r", "undefine", "web1").stderr
    assert vme.virsh(node.name, "dumpxml", "web1") == xml
    assert vme.guests_of(node.name) == {"web1"}


LIAR = """\
#!/bin/sh
exec ssh {options} {node} "sh -c 'virt-ssh-helper -r 'qemu:///system''"
"""


@pytest.mark.parametrize(
    ("parameters", "words", "reason"),
    [
        ("", ("list",), "does not open it read-only"),
        ("", ("undefine", "web1"), "does not open it read-only"),
        ("&name=test:///default", ("-r", "list"), "opens another URI"),
        ("&name=", ("-r", "list"), "opens another URI"),
    ],
)
def test_a_client_that_lies_to_the_daemon_is_cut_off(
    node: Wrapped, parameters: str, words: tuple[str, ...], reason: str
) -> None:
    """It asks for the read-only helper, and then says over it what libvirt's own client would not."""
    liar = Path(f"{node.key('read')}.home/liar")
    liar.write_text(LIAR.format(options=" ".join(node.options("read")), node=node.name))
    liar.chmod(0o755)
    before = len(node.log())
    options = [word for word in words if word == "-r"]
    uri = f"qemu+ext:///system?command={liar}{parameters}"
    done = node.mgmt("virsh", *options, "-c", uri, *[word for word in words if word != "-r"])
    assert done.status != 0, done
    accepted, cut = node.log()[before:]
    assert (accepted["decision"], accepted["verb"]) == ("accepted", "libvirt-read-native")
    assert cut["decision"] == "cut"
    assert reason in cut["reason"]
    assert not node.running("virt-ssh-helper")


def test_the_tools_read_with_a_read_key(node: Wrapped, vme: Vme) -> None:
    """The whole zone by the lab's own key, but for one node, on which our key has role read."""
    vme.create("web1", node.name)
    config = as_role(node, "read")
    listed = vme.tool(*config, "list_guests", "-o", "csv").stdout
    assert f"web1,shut off,{node.name},east" in listed
    rows = json.loads(vme.tool(*config, "node_list", node.name, "-o", "json").stdout)
    assert (rows[0]["state"], rows[0]["guests"]) == ("up", 1)
    assert rows[0]["load"] is not None
    assert "web1" in vme.tool(*config, "info_guest", "web1").stdout


def test_the_tools_work_with_an_operate_key(node: Wrapped, vme: Vme) -> None:
    config = as_role(node, "operate")
    vme.tool(*config, "create_guest", "web1", "-s", node.name, "-d", "1", "--start")
    assert vme.running("web1") == [node.name]
    vme.tool(*config, "stop_guest", "web1", "--yes")
    vme.tool(*config, "del_guest", "web1", "--yes")
    assert vme.guests_of(node.name) == set()
