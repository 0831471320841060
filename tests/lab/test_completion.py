"""Completion in real shells, with the names that are really there; silent nodes are left out and not waited for."""

import time

import pytest

from lab.place import CHECKOUT
from tests.lab.terminal import on_terminal
from tests.lab.vme import Vme, eventually

SHELLS = {
    "bash": (["bash", "--norc"], f"source {CHECKOUT}/completion/vme.bash"),
    "zsh": (["zsh", "-f"], f"fpath=({CHECKOUT}/completion $fpath); autoload -U compinit; compinit -u -D"),
    "fish": (["fish", "--no-config"], f"source {CHECKOUT}/completion/vme.fish"),
}


def known(vme: Vme, *names: str) -> None:
    """Wait until completion knows these guests, and no others: a name may be a few seconds old."""
    eventually(
        lambda: set(vme.tool("vme", "--complete", "guests").stdout.split()) == set(names),
        f"the names {names}",
        timeout_s=30,
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_guests_nodes_options_and_verbs(vme: Vme, shell: str) -> None:
    vme.create("lonely1", "kvm02")
    known(vme, "lonely1")
    command, load = SHELLS[shell]
    with on_terminal(vme, *command) as terminal:
        terminal.expect("[#%>] ")
        terminal.sendline(f"{load}; echo loaded-$((40+2))" if shell != "fish" else f"{load}; echo loaded-(math 40+2)")
        terminal.expect("loaded-42")
        for typed, completed in {
            "start_guest lone": "start_guest lonely1",
            "migrate_guest lonely1 kv": "migrate_guest lonely1 kvm0",
            "start_guest --dry-r": "start_guest --dry-run",
            "vme suspe": "vme suspend",
            "vme suspend lone": "vme suspend lonely1",
            "list_guests -o ya": "list_guests -o yaml",
        }.items():
            # What the shell would run, with `echo` put before it: how it paints the line is its own affair.
            terminal.send(f"{typed}\t")
            terminal.expect(completed.removeprefix(typed))
            terminal.send("\x01echo run:\x05:end\r")
            terminal.expect(f"run:{completed} ?:end")


def test_a_silent_node_is_left_out_and_nobody_waits_for_it(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.create("web2", "kvm05")
    known(vme, "web1", "web2")
    vme.fault("freeze", "kvm05", "libvirtd")
    began_s = time.monotonic()
    for _ in range(10):
        assert "web1" in vme.tool("vme", "--complete", "guests").stdout.split()
    assert time.monotonic() - began_s < 10 * 1.0, "ten times, and the deadline of a renewal is 3 s"
    known(vme, "web1")
    assert vme.tool("vme", "--complete", "nodes").stdout.split() == ["kvm01", "kvm02", "kvm03", "kvm04", "kvm05"]
    assert vme.tool("vme", "--complete", "zones").stdout.split() == ["east", "west"]
