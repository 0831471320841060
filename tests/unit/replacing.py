"""Replacing a disk of a simulated machine: what takes the machine's place, what its operator does, and a crash."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.simulated_machine import SimDisk, SimMachine
from vme.actions.replace_disk import plan as planning
from vme.actions.replace_disk.carry_out import Manner, carry_out
from vme.actions.replace_disk.plan import Plan, check
from vme.config import Config, Node
from vme.node.md import machine as machine_module

ST2 = Node("st2", "")
CONFIG = Config(None, (), storage=(ST2,))


class Killed(BaseException):
    """The management process is no more."""


def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, simulated: SimMachine) -> SimMachine:
    """Let the simulated machine answer for st2; nobody waits, and the journal lies in `tmp_path`."""
    monkeypatch.setenv("VME_STATE_DIR", str(tmp_path))
    monkeypatch.setattr("os.fsync", lambda _handle: None)
    monkeypatch.setattr("time.sleep", lambda _s: None)
    monkeypatch.setattr(machine_module, "run_on_node", simulated.run_on_node)
    monkeypatch.setattr(planning, "role_on", lambda _node, _ssh, *, timeout_s: None)
    return simulated


def insert(machine: SimMachine, name: str = "sda", disk: SimDisk | None = None) -> Callable[[float], bool]:
    """What happens while the tool waits: somebody puts a disk in."""

    def pressed(_wait_s: float) -> bool:
        machine.still_in.clear()
        machine.disks.setdefault(name, disk or SimDisk("NEW-A", "0:0:0:0"))
        return True

    return pressed


def manner(pressed: Callable[[float], bool], *, wait: bool = True) -> Manner:
    return Manner(lambda _line: None, lambda _percent, _words: None, pressed, 5.0, wait)


def plan(forced: tuple[str, ...] = (), device: str = "sda") -> Plan:
    return check(CONFIG, ST2, device, forced, 5.0)


def replace(machine: SimMachine, forced: tuple[str, ...] = (), disk: SimDisk | None = None) -> str:
    return carry_out(plan(forced), manner(insert(machine, disk=disk)))


def is_whole(machine: SimMachine) -> bool:
    wanted = {"md0": {"sda1", "sdb1"}, "md1": {"sda2", "sdb2"}}
    return all(set(machine.arrays[name].slots) == members for name, members in wanted.items())


def replace_in_two_runs(machine: SimMachine, when: str, number: int) -> None:
    """The first is killed `before` or `after` its command of this number (from 0); the second ends the work."""
    left = number

    def kill(now: str) -> None:
        nonlocal left
        left -= now == when
        if left < 0:
            raise Killed

    machine.on_command = kill
    with pytest.raises(Killed):
        replace(machine)
    machine.on_command = lambda _now: None
    assert replace(machine).endswith("every array is clean")
    assert is_whole(machine)
