"""disk_list: what it prints of a machine, its bays, and a replacement that is not finished."""

import argparse
import json
from pathlib import Path

import pytest

from tests.unit.simulated_machine import SimMachine, two_disks
from vme.actions.replace_disk.job import Job, save
from vme.commands import disk_list
from vme.commands.context import Context
from vme.commands.registry import COMMANDS
from vme.config import Chassis, Config, Node
from vme.fleet import everywhere
from vme.node.md import machine as machine_module

ST2 = Node("st2", "")
BAYS = {"0:0:0:0": "1", "0:0:1:0": "2", "0:0:2:0": "3"}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimMachine:
    simulated = two_disks()
    monkeypatch.setattr(machine_module, "run_on_node", simulated.run_on_node)
    monkeypatch.setattr(everywhere, "is_alive", lambda _master: False)
    monkeypatch.setenv("VME_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return simulated


def listing(form: str) -> int:
    config = Config(None, (), storage=(ST2,), chassis=(Chassis("c", ("st2",), BAYS),))
    arguments = argparse.Namespace(machines=[], output=form, timeout=20.0)
    return disk_list.run(arguments, Context(config, "disk_list", quiet=False), COMMANDS["disk_list"])


def test_the_table_and_the_bays(machine: SimMachine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.arrays["md1"].slots[1] = None
    machine.arrays["md1"].faulty = ["sdb2"]
    assert listing("text") == 0
    assert capsys.readouterr().out.splitlines() == [
        "NODE  DISK  BAY  HCTL     MODEL  SERIAL   SIZE  HEALTH   ARRAYS",
        "st2   sda   1    0:0:0:0  -      OLD-A   1 GiB  unknown  md0[UU] md1[U_]",
        "st2   sdb   2    0:0:1:0  -      OLD-B   1 GiB  unknown  md0[UU] md1[U_](F)",
        "",
        "st2:",
        "  [1]  sda  OLD-A",
        "  [2]  sdb  OLD-B",
        "  [3]  - (empty, or its disk is not seen)",
    ]


def test_a_member_whose_disk_is_gone(machine: SimMachine, capsys: pytest.CaptureFixture[str]) -> None:
    """md shows it as [UU] as long as the array is idle."""
    del machine.disks["sda"]
    listing("text")
    said = capsys.readouterr().out
    assert "md0[UU]" in said
    assert "md0 on st2 lists sda1, which is not there any more\n  put a new disk in, and: replace_disk st2 NEW-" in said


def test_a_replacement_that_is_not_finished(machine: SimMachine, capsys: pytest.CaptureFixture[str]) -> None:
    save(Job("st2", "sda", "2026-11-24T10:00:00Z", None, ()))
    listing("text")
    said = capsys.readouterr().out
    assert "replacement of sda on st2, begun 2026-11-24T10:00:00Z, is not finished" in said
    assert "replace_disk st2 sda" in said


def test_for_programs(machine: SimMachine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.arrays["md0"].rebuilding = "sda1"
    machine.arrays["md0"].looks_left = 99
    listing("json")
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["node"], told["zone"]) == ("st2", None)
    assert [(disk["disk"], disk["bay"], disk["serial"], disk["size_bytes"]) for disk in told["disks"]] == [
        ("sda", "1", "OLD-A", 1 << 30),
        ("sdb", "2", "OLD-B", 1 << 30),
    ]
    assert told["disks"][0]["arrays"][0] == {"array": "md0", "member": "sda1", "faulty": False}
    assert told["arrays"][0]["progress"] == {
        "kind": "recovery",
        "percent": 10.0,
        "remaining_s": 6.0,
        "rate_kib_s": 10,
    }
    listing("csv")
    assert capsys.readouterr().out.splitlines()[1].startswith("st2,sda,1,0:0:0:0,,OLD-A,1073741824,unknown,")
