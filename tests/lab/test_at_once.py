"""A guest that is started, moved or needed while a tool is at work on it, or waits: nothing of it is lost."""

import signal
import time
from collections.abc import Sequence

import pytest

from lab.run import Process
from tests.faults.at_step import HOLDING
from tests.faults.stopped import Tool, begin
from tests.lab.vme import Vme


def stopped(vme: Vme, point: str, *words: str) -> Tool:
    """A tool that has come to a point of its work, and stays there."""
    tool = begin(vme, point, *words)
    tool.wait_until_stopped()
    return tool


def is_defined(vme: Vme, node: str) -> bool:
    return "Persistent:     yes" in vme.virsh(node, "dominfo", "web1")


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ("undefining it at the source", ("migrate_guest", "web1", "kvm02")),
        ("removing its definition", ("undefine_guest", "--yes", "web1")),
        ("removing its definition", ("del_guest", "--yes", "web1")),
    ],
)
def test_a_guest_that_is_started_meanwhile_keeps_its_definition(vme: Vme, point: str, words: Sequence[str]) -> None:
    vme.create("web1", "kvm01")
    tool = stopped(vme, point, *words)
    if words[0] != "migrate_guest":  # of which both nodes have the guest by now
        assert f"{words[0]} web1" in vme.tool("start_guest", "web1", "--force", status=3).stderr
    vme.virsh("kvm01", "start", "web1")  # behind the tools' back
    tool.go_on()
    said = tool.end()
    assert said.status == 1, said
    assert "is running: it was started meanwhile, and keeps its definition" in said.text
    vme.tool("vme", "repair", "web1")
    assert vme.guests_of("kvm02") == set()
    assert is_defined(vme, "kvm01")
    assert vme.running("web1") == ["kvm01"]
    assert vme.store() == {"web1"}


def test_what_a_move_left_is_let_run_when_it_is_repaired_or_by_force(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    tool = stopped(vme, "moving it", "migrate_guest", "web1", "kvm02")
    tool.send(signal.SIGKILL)
    tool.go_on()
    tool.end()
    vme.tool("suspend_guest", "web1")
    said = vme.tool("resume_guest", "web1", status=3).stderr
    assert "vme repair web1 finishes or undoes it; --force resumes it all the same" in said
    assert vme.tool("resume_guest", "web1", "--force").stdout == "web1 on kvm01: resumed\n"
    vme.tool("stop_guest", "--yes", "web1")
    assert "vme repair web1" in vme.tool("start_guest", "web1", status=3).stderr
    vme.tool("vme", "repair", "web1")
    vme.tool("start_guest", "web1")


def waiting(vme: Vme, *words: str) -> Process:
    """A tool that waits for its turn."""
    process = vme.begin(*words, "web1", "--wait-turn", "60")
    line = process.stderr.readline() if process.stderr is not None else ""
    assert "web1: waiting: " in line
    return process


def test_who_waited_out_a_move_finds_the_guest_or_says_that_it_moved(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    move = stopped(vme, HOLDING, "migrate_guest", "web1", "kvm02")
    tools = {
        "tag_guest": waiting(vme, "tag_guest", "--add", "prod"),
        "undefine_guest": waiting(vme, "undefine_guest", "--yes"),
        "del_guest": waiting(vme, "del_guest", "--yes"),
    }
    move.go_on()
    assert move.end().status == 0
    said = {name: (*tool.communicate(timeout=90), tool.returncode) for name, tool in tools.items()}
    assert said["tag_guest"][2] == 0, said
    assert "web1 on kvm02: tags prod" in said["tag_guest"][0]
    for name in ("undefine_guest", "del_guest"):
        assert said[name][2] == 3, said
        assert "it moved to kvm02 while this waited" in said[name][1]
    assert vme.guests_of("kvm02") == {"web1"}


def test_a_guest_that_moves_away_is_not_called_shut_down(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)  # its disk is empty: nothing in it hears the power button
    tool = vme.begin("shutdown_guest", "web1", "--timeout", "80")
    time.sleep(3)  # it was asked by then, and its end is waited for
    vme.tool("migrate_guest", "web1", "kvm02")
    _, said = tool.communicate(timeout=90)
    assert tool.returncode == 1, said
    assert "it was moved to kvm02 meanwhile, and is running there" in said
    assert vme.running("web1") == ["kvm02"]


def test_a_store_that_hangs_on_this_server_holds_nobody_up(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.fault("freeze", "mgmt", "glusterfs")
    said = vme.tool("start_guest", "web1", status=3, timeout_s=30).stderr
    assert "can't be seen on the virt-stores of its zone (no answer); --force starts it all the same" in said
    vme.tool("start_guest", "web1", "--force", timeout_s=30)
    vme.fault("thaw", "mgmt", "glusterfs")
    assert vme.running("web1") == ["kvm01"]
