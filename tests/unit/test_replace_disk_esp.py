"""The EFI system partition of a replaced disk: copied, called as the old one was, mounted again; safe while mounted."""

from pathlib import Path

import pytest

from tests.unit.replacing import insert, manner, plan, replace, replace_in_two_runs, stand_in
from tests.unit.simulated_machine import SimDisk, SimMachine, two_disks_with_esps
from vme.actions.replace_disk.carry_out import Manner, carry_out
from vme.actions.replace_disk.job import open_jobs
from vme.actions.replace_disk.report import dry_run
from vme.errors import Refused

LOADER = "a loader"
COMMANDS = 25


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimMachine:
    return stand_in(monkeypatch, tmp_path, two_disks_with_esps())


def changes_of_esps(machine: SimMachine) -> list[str]:
    return [line for line in machine.commands if line.startswith(("mount", "umount", "fatlabel", "dd if="))]


def test_it_is_copied_and_called_as_the_old_one_was_and_mounted_again(machine: SimMachine) -> None:
    assert "gets the volume id C0DE000A" in "\n".join(plan().notes)
    assert replace(machine).endswith("every array is clean")
    assert machine.disks["sda"].fats == {4: ("C0DE000A", LOADER)}
    assert machine.disks["sdb"].fats == {4: ("C0DE000B", LOADER)}
    assert machine.mounts == {"sda4": "/boot/efi"}
    assert len(machine.commands) == COMMANDS


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(COMMANDS))
def test_killed_at_any_command_and_begun_again(machine: SimMachine, when: str, number: int) -> None:
    replace_in_two_runs(machine, when, number)
    assert machine.mounts == {"sda4": "/boot/efi"}
    assert machine.disks["sda"].fats == {4: ("C0DE000A", LOADER)}
    changing = changes_of_esps(machine)
    assert len(changing) == len(set(changing)), "what was done was done again"


def test_without_fatlabel_what_is_left_is_said(machine: SimMachine, tmp_path: Path) -> None:
    machine.has_fatlabel = False
    said: list[str] = []
    planned = plan()
    assert "keeps that one's volume id: there is no fatlabel" in "\n".join(planned.notes)
    carry_out(planned, Manner(said.append, lambda _percent, _words: None, insert(machine), 5.0, True))
    assert machine.disks["sda"].fats == {4: ("C0DE000B", LOADER)}
    left = (
        "left to do: sda4 has the volume id of the partition it was copied from: unmount it, and `fatlabel -i /dev/sda4"
    )
    assert any(line.startswith(left) for line in said)
    (folder,) = (tmp_path / "replace_disk/done").iterdir()
    assert left in (folder / "report.txt").read_text()


def test_one_that_somebody_mounted_is_not_written_over(machine: SimMachine) -> None:
    def mount(when: str) -> None:
        if when == "after" and machine.commands[-1].startswith("sfdisk"):
            machine.mounts["sda4"] = "/mnt"

    machine.on_command = mount
    with pytest.raises(Refused, match="sda4 is mounted on /mnt, and is to be written: unmount it"):
        replace(machine)
    assert machine.disks["sda"].fats == {}
    machine.on_command = lambda _when: None
    del machine.mounts["sda4"]
    assert replace(machine).endswith("every array is clean")


def test_one_that_is_mounted_again_already_is_not_mounted_twice(machine: SimMachine) -> None:
    """By systemd, as soon as the partition that fstab has is there."""

    def mount(when: str) -> None:
        if when == "after" and machine.commands[-1].startswith("fatlabel"):
            machine.mounts["sda4"] = "/boot/efi"

    machine.on_command = mount
    assert replace(machine).endswith("every array is clean")


def test_one_that_was_written_to_since_it_is_mounted_again_is_not_copied_again(machine: SimMachine) -> None:
    machine.rebuild_looks = 1000
    carry_out(plan(), manner(insert(machine), wait=False))
    machine.disks["sda"].fats[4] = ("C0DE000A", "a newer loader")
    for array in machine.arrays.values():
        array.looks_left = 1
    assert replace(machine).endswith("every array is clean")
    assert machine.disks["sda"].fats[4] == ("C0DE000A", "a newer loader")


def test_one_that_is_in_an_array_is_left_to_md(machine: SimMachine) -> None:
    for name in ("sda", "sdb"):
        disk = machine.disks[name]
        del disk.parts[4], disk.holds[4], disk.fats[4]
        disk.esps = {1}
    machine.mounts.clear()
    assert plan().job.esps == ()
    assert replace(machine).endswith("every array is clean")
    assert changes_of_esps(machine) == []


def test_one_of_a_disk_that_is_gone_gets_an_id_of_its_own(machine: SimMachine) -> None:
    del machine.disks["sda"]
    machine.swaps = {"sdb3"}
    machine.mounts.clear()
    for array in machine.arrays.values():
        array.slots[0] = None
    machine.disks["sda"] = SimDisk("NEW-A", "0:0:0:0")
    assert carry_out(plan(device="NEW-A"), manner(insert(machine))).endswith("clean")
    volume, content = machine.disks["sda"].fats[4]
    assert volume != "C0DE000B" and content == LOADER
    assert machine.mounts == {} and open_jobs("st2") == ()


def test_no_healthy_disk_has_one_to_copy(machine: SimMachine) -> None:
    machine.disks["sdb"].holds.pop(4)
    with pytest.raises(Refused, match=r"no healthy disk has an EFI system partition like sda4 \(--force boot\)"):
        plan()


def test_the_healthy_one_has_no_boot_loader(machine: SimMachine) -> None:
    """As Debian's installer leaves the second, unless somebody fills it: a copy of that would boot nothing."""
    machine.disks["sdb"].fats[4] = ("C0DE000B", "")
    with pytest.raises(
        Refused, match=r"sdb4 is an EFI system partition without a boot loader, which sda4 has: .*boot\)"
    ):
        plan()
    assert replace(machine, forced=("boot",)).endswith("every array is clean")


def test_neither_has_a_boot_loader(machine: SimMachine) -> None:
    """On a machine that starts by BIOS they may be empty."""
    for name in ("sda", "sdb"):
        machine.disks[name].fats[4] = (machine.disks[name].fats[4][0], "")
    assert replace(machine).endswith("every array is clean")


def test_the_dry_run_shows_it(machine: SimMachine) -> None:
    shown = "\n".join(dry_run(plan())).splitlines()
    replace(machine)
    assert [line for line in shown if line in changes_of_esps(machine)] == changes_of_esps(machine)
