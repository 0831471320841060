"""A guest that ran at its destination and ended there, while its source was told nothing: it does not go on there."""

import os
import signal
import time

from lab.host import powered
from lab.process_table import processes_in
from tests.faults.at_step import NOWHERE
from tests.faults.stopped import begin
from tests.lab.vme import Vme, eventually


def is_so(vme: Vme, node: str, state: str) -> bool:
    """Whether libvirt there says that of the guest."""
    return state in vme.virsh(node, "domstate", "--reason", "web1")


def lose_the_management_server(vme: Vme, node: str) -> None:
    """It loses its power with words to the node under way, and has it back; what the node still held of it ends."""
    vme.fault("power-off", "mgmt")
    for process in processes_in(powered(vme.lab, vme.lab.host(node))):
        if process.argv and process.argv[0].startswith("sshd: root@"):
            os.kill(process.pid, signal.SIGKILL)  # as its patience with a connection would, later
    vme.fault("power-on", "mgmt")
    vme.fault("heal", "mgmt", node)


def test_the_source_is_not_let_go_on_after_the_guest_ran_and_ended_elsewhere(vme: Vme) -> None:
    vme.boot("web1")
    vme.virsh("kvm01", "migrate-setspeed", "web1", "2")
    tool = begin(vme, NOWHERE, "migrate_guest", "web1", "kvm02")
    eventually(lambda: len(vme.running("web1")) == 2, "the copy of the memory has begun")
    eventually(lambda: "Memory processed" in vme.virsh("kvm01", "domjobinfo", "web1"), "memory is on its way")
    tool.send(signal.SIGSTOP)
    tool.wait_until_stopped()
    vme.virsh("kvm01", "migrate-setspeed", "web1", "10000")
    eventually(lambda: is_so(vme, "kvm01", "paused (migrating)"), "all of its memory is sent")
    time.sleep(2)  # the source has said so by now: the tool has its word, and has yet to read it
    # The destination can be told to let it run, the source not that it does.
    vme.fault("cut", "mgmt", "kvm01")
    tool.go_on()
    eventually(lambda: is_so(vme, "kvm02", "running"), "it runs at its destination")
    lose_the_management_server(vme, "kvm01")
    for narrowed in (("--node", "kvm01"), ("--state", "paused")):
        said = vme.tool("resume_guest", "web1", *narrowed, "--force", status=3).stderr
        assert "is running on kvm02 as 'web1'" in said
    assert is_so(vme, "kvm01", "paused (migrating)")
    vme.virsh("kvm02", "shutdown", "web1")
    eventually(lambda: is_so(vme, "kvm02", "shut off (shutdown)"), "its system has shut down", timeout_s=60)
    assert is_so(vme, "kvm01", "paused (migrating)")

    def planned() -> str:
        return vme.tool("vme", "repair", "--dry-run", "web1", status=None).stdout

    # The store's servers notice only after some seconds that who held the guest has gone with its power.
    eventually(lambda: "it ran on kvm02 and was shut down there" in planned(), "its lock has died", timeout_s=90)
    assert vme.running("web1") == ["kvm01"]
    said = vme.tool("vme", "repair", "web1").stdout
    assert "what was still paused on kvm01 was removed" in said
    assert vme.running("web1") == []
    assert vme.guests_of("kvm01") == set()
    assert vme.tool("save_guest", "web1").stdout.startswith("web1 on kvm02: unchanged")
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm02"]
    assert vme.count(vme.address("web1"))
