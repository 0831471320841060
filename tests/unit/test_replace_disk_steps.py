"""The steps of a replacement, replayed with the management process killed before and after each command."""

import json
from dataclasses import replace as replaced
from pathlib import Path

import pytest

from tests.unit.replacing import ST2, Killed, insert, is_whole, manner, plan, replace, replace_in_two_runs, stand_in
from tests.unit.simulated_machine import ESP, SimArray, SimDisk, SimMachine, two_disks
from vme.actions.replace_disk import plan as planning
from vme.actions.replace_disk.carry_out import Manner, carry_out
from vme.actions.replace_disk.job import Esp, Job, open_jobs
from vme.actions.replace_disk.report import dry_run
from vme.actions.replace_disk.seen import Seen
from vme.actions.replace_disk.steps import STEPS
from vme.errors import Failed, NotFound, Refused
from vme.node.md.block_devices import COLUMNS, parse_lsblk
from vme.node.md.machine import Machine
from vme.node.md.mdadm import parse_detail
from vme.node.md.partition_table import parse_dump


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimMachine:
    return stand_in(monkeypatch, tmp_path, two_disks())


def leave_it_rebuilding(machine: SimMachine) -> None:
    machine.rebuild_looks = 1000
    carry_out(plan(), manner(insert(machine), wait=False))
    assert len(open_jobs("st2")) == 1


def let_it_end(machine: SimMachine) -> None:
    for array in machine.arrays.values():
        array.looks_left = 1


def test_the_whole_procedure(machine: SimMachine) -> None:
    said = replace(machine)
    assert said == "sda on st2: replaced; every array is clean"
    assert is_whole(machine)
    new = machine.disks["sda"]
    assert (new.serial, new.parts, new.grub) == ("NEW-A", {1: 1_000_000, 2: 500_000, 3: 100_000}, True)
    assert machine.swaps == {"sda3", "sdb3"}
    assert open_jobs("st2") == ()


def test_a_key_that_only_reads_is_refused_before_anything(machine: SimMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "role_on", lambda _node, _ssh, *, timeout_s: "read")
    with pytest.raises(Refused, match="our key's role there is `read`, which changes nothing"):
        replace(machine)
    assert is_whole(machine) and open_jobs("st2") == ()
    monkeypatch.setattr(planning, "role_on", lambda _node, _ssh, *, timeout_s: "storage")
    assert replace(machine).endswith("every array is clean")


def test_what_was_done_is_in_the_report(machine: SimMachine, tmp_path: Path) -> None:
    replace(machine)
    (folder,) = (tmp_path / "replace_disk/done").iterdir()
    report = (folder / "report.txt").read_text()
    assert "serial OLD-A" in report and "serial NEW-A" in report
    assert "mdadm --manage /dev/md1 --add /dev/sda2" in report
    assert (folder / "table-old-sda.sfdisk").read_text() == (folder / "table-healthy-sdb.sfdisk").read_text().replace(
        "sdb", "sda"
    ).replace("0x00000062", "0x00000061")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(19))
def test_killed_at_any_command_and_begun_again(machine: SimMachine, when: str, number: int) -> None:
    """The k-th command is not given, or given and its result never seen; the second run ends the work, once."""
    replace_in_two_runs(machine, when, number)
    assert machine.disks["sda"].grub and machine.swaps == {"sda3", "sdb3"}
    changing = [line for line in machine.commands if not line.startswith(("dd of=/sys/", "udevadm", "ledctl"))]
    assert len(changing) == len(set(changing)), "a step that was done was done again"


def test_every_command_was_a_place_to_be_killed(machine: SimMachine) -> None:
    replace(machine)
    assert len(machine.commands) == 19


def test_killed_at_every_command_one_after_the_other(machine: SimMachine) -> None:
    """One process after the other is killed right after its first command: each brings the work one command on."""

    def kill(now: str) -> None:
        beside = ("ledctl", "udevadm", "dd of=/sys/bus", "dd of=/sys/class")
        machine.still_in.clear()  # somebody pulls it as soon as it may be pulled
        if now == "after" and not machine.commands[-1].startswith(beside):
            raise Killed

    machine.on_command = kill
    for _ in range(60):
        try:
            said = replace(machine)
            break
        except Killed:
            continue
    assert said.endswith("every array is clean") and is_whole(machine)


def test_the_last_member_is_never_failed(machine: SimMachine) -> None:
    machine.arrays["md1"].slots = ["sda2", None]
    with pytest.raises(Refused, match=r"md1 \(raid1\) would not live without sda2; 1 of its 2 members missing"):
        plan()
    assert machine.commands == []


def test_it_is_judged_again_just_before(machine: SimMachine) -> None:
    """The other half fails after the plan was made: nothing more of this one is failed."""
    planned = plan()
    machine.arrays["md0"].slots[1] = None
    with pytest.raises(Refused, match="md0"):
        carry_out(planned, manner(insert(machine)))
    assert machine.commands == []


@pytest.mark.parametrize(
    ("disk", "says"),
    [
        (SimDisk("NEW-A", "0:0:0:0", sectors=1_000_000), "the partitions need"),
        (SimDisk("NEW-A", "0:0:0:0", sectors=SimDisk("", "").sectors - 2048), r"smaller .*--force smaller"),
        (SimDisk("NEW-A", "0:0:0:0", signature="ext4"), r"has data: ext4 \(--force has-data\)"),
        (SimDisk("NEW-A", "0:0:0:0", parts={1: 1000}), r"has data: dos \(--force has-data\)"),
        (SimDisk("NEW-A", "0:0:7:0"), r"is at 0:0:7:0, and the old disk was at 0:0:0:0 \(--force other-slot\)"),
        (SimDisk("OLD-A", "0:0:0:0"), r"is the old disk \(serial OLD-A\) again \(--force old-disk\)"),
        (SimDisk("OLD-B", "0:0:0:0"), "the same serial number"),
    ],
    ids=["too small", "smaller", "filesystem", "partitions", "elsewhere", "old", "twin"],
)
def test_a_new_disk_that_is_refused(machine: SimMachine, disk: SimDisk, says: str) -> None:
    machine.may_write.clear()
    if disk.serial == "OLD-B":
        with pytest.raises(Failed, match="no new disk came"):
            carry_out(plan(), Manner(lambda _: None, lambda _p, _w: None, insert(machine, disk=disk), 0.0, True))
        return
    with pytest.raises(Refused, match=says):
        replace(machine, disk=disk)
    assert machine.disks["sdb"].parts == {1: 1_000_000, 2: 500_000, 3: 100_000}


def test_a_new_disk_that_is_in_use_is_refused_whatever_is_overridden(machine: SimMachine) -> None:
    machine.may_write.clear()
    disk = SimDisk("NEW-A", "0:0:0:0", parts={1: 1000}, holds={1: "swap"})
    planned = plan(("has-data", "smaller"))

    def in_use(_wait_s: float) -> bool:
        machine.still_in.clear()
        machine.disks["sda"] = disk
        machine.swaps.add("sda1")
        return True

    with pytest.raises(Refused, match=r"sda is in use: swap on sda1$"):
        carry_out(planned, manner(in_use))


def test_a_disk_with_data_is_wiped_when_that_is_overridden(machine: SimMachine) -> None:
    disk = SimDisk("NEW-A", "0:0:0:0", signature="ext4")
    assert replace(machine, ("has-data",), disk).endswith("clean")
    assert "wipefs --all /dev/sda" in machine.commands


def test_begun_again_while_the_old_disk_is_still_in(machine: SimMachine) -> None:
    """The scan of the second run finds the old disk: it is taken out once more, and waited for; it is no new disk."""

    def kill(_wait_s: float) -> bool:
        raise Killed

    with pytest.raises(Killed):
        carry_out(plan(), manner(kill))
    assert set(machine.still_in) == {"sda"}
    assert replace(machine).endswith("clean")
    assert machine.commands.count("dd of=/sys/block/sda/device/delete status=none") == 2


def test_a_disk_that_can_t_be_read_any_more(machine: SimMachine) -> None:
    """Neither its table nor its boot sector: the healthy disk's are taken for what they were."""
    machine.unreadable = {"sda"}
    planned = plan()
    assert (planned.job.table_from, planned.job.bios_boot) == ("sdb (serial OLD-B)", True)
    assert carry_out(planned, manner(insert(machine))).endswith("clean")


def test_the_wrong_disk_was_pulled(machine: SimMachine) -> None:
    def pull_b(_wait_s: float) -> bool:
        machine.disks.pop("sdb", None)
        return False

    with pytest.raises(Failed, match=r"WRONG DISK was pulled: sdb \(serial OLD-B\)"):
        carry_out(plan(), manner(pull_b))


def test_names_that_moved_are_followed_by_serial_number(machine: SimMachine) -> None:
    """After a reboot the healthy disk is sda, and the new one comes as sdb: the job knows neither by its name."""

    def reboot_and_insert(_wait_s: float) -> bool:
        machine.still_in.clear()
        if "sdb" in machine.disks and machine.disks["sdb"].serial == "OLD-B":
            machine.disks["sda"] = machine.disks.pop("sdb")
            machine.disks["sdb"] = SimDisk("NEW-A", "0:0:0:0")
            machine.arrays["md0"].slots = [None, "sda1"]
            machine.arrays["md1"].slots = [None, "sda2"]
            machine.swaps = {"sda3"}
        return False

    assert carry_out(plan(), manner(reboot_and_insert)).endswith("clean")
    assert machine.arrays["md0"].slots == ["sdb1", "sda1"]


def test_a_spare_takes_over_and_the_new_disk_becomes_the_spare(machine: SimMachine) -> None:
    machine.disks["sdc"] = SimDisk("SPARE", "0:0:2:0", parts={1: 500_000}, holds={1: "linux_raid_member"})
    machine.arrays["md1"].spares = ["sdc1"]
    planned = plan()
    assert any("its spare sdc1 takes over at once" in note for note in planned.notes)
    carry_out(planned, manner(insert(machine)))
    assert machine.arrays["md1"].slots == ["sdc1", "sdb2"] and machine.arrays["md1"].spares == ["sda2"]


def test_not_waiting_for_the_rebuild_leaves_the_job_open(machine: SimMachine) -> None:
    machine.rebuild_looks = 1000
    said = carry_out(plan(), manner(insert(machine), wait=False))
    assert "disk_list st2 shows it" in said and len(open_jobs("st2")) == 1
    let_it_end(machine)
    assert replace(machine).endswith("clean")
    assert open_jobs("st2") == ()


def test_the_other_half_fails_during_the_rebuild(machine: SimMachine) -> None:
    leave_it_rebuilding(machine)
    planned = plan()

    def fail(_percent: float, _words: str) -> None:
        machine.disks.pop("sdb", None)

    watching = Manner(lambda _line: None, fail, insert(machine), 5.0, True)
    with pytest.raises(Failed, match=r"lost sdb\d during the rebuild"):
        carry_out(planned, watching)


def test_a_disk_that_is_gone_is_replaced_by_naming_the_new_one(machine: SimMachine) -> None:
    del machine.disks["sda"]
    machine.swaps = {"sdb3"}
    for array in machine.arrays.values():
        array.slots[0] = None
    machine.disks["sda"] = SimDisk("NEW-A", "0:0:0:0")
    assert carry_out(plan(device="NEW-A"), manner(insert(machine))).endswith("clean")
    assert is_whole(machine) and machine.disks["sda"].grub


def test_a_disk_that_is_gone_and_that_md_has_not_missed_yet(machine: SimMachine) -> None:
    """Nothing was written since it was pulled: the arrays still count it, so its name is not free."""
    del machine.disks["sda"]
    machine.swaps = {"sdb3"}
    machine.disks["sdc"] = SimDisk("NEW-A", "0:0:0:0")
    assert carry_out(plan(device="sdc"), manner(insert(machine))).endswith("clean")
    assert machine.commands.count("mdadm --manage /dev/md0 --fail detached") == 1
    assert machine.arrays["md1"].slots == ["sdc2", "sdb2"] and machine.arrays["md1"].faulty == []


def test_a_disk_that_is_pulled_as_its_members_are_removed(machine: SimMachine) -> None:
    """The command for its name can't be done any more; what is due then is the one for what vanished."""

    def pull(when: str) -> None:
        if when == "before" and len(machine.commands) == 2 and "sda" in machine.disks:
            del machine.disks["sda"]
            machine.swaps.discard("sda3")

    machine.on_command = pull
    assert replace(machine).endswith("every array is clean")
    assert "mdadm --manage /dev/md1 --remove detached" in machine.commands
    assert is_whole(machine)


def test_nothing_lacks_a_member(machine: SimMachine) -> None:
    machine.disks["sdc"] = SimDisk("NEW-A", "0:0:2:0")
    with pytest.raises(Refused, match="no array lacks a member"):
        plan(device="sdc")
    with pytest.raises(NotFound, match="there are: sda, sdb, sdc"):
        plan(device="sdx")
    with pytest.raises(Refused, match="name its disk, sda"):
        plan(device="sda1")


def test_another_replacement_is_to_be_finished_first(machine: SimMachine) -> None:
    leave_it_rebuilding(machine)
    with pytest.raises(Refused, match="replacement of sda was begun"):
        plan(device="sdb")


def test_what_no_array_covers(machine: SimMachine) -> None:
    machine.disks["sda"].parts[4] = 1000
    machine.disks["sda"].holds[4] = "xfs"
    with pytest.raises(Refused, match=r"sda4 holds xfs, which no array covers \(--force data-lost\)"):
        plan()
    assert plan(("data-lost",)).job.forced == ("data-lost",)


def test_it_alone_can_boot(machine: SimMachine) -> None:
    machine.disks["sdb"].grub = False
    with pytest.raises(Refused, match=r"it alone has a boot loader.*--force boot"):
        plan()


def test_the_dry_run_is_what_is_done(machine: SimMachine) -> None:
    """Each command of the dry run is given, in its order, and no other; the table and rescans apart."""

    def first_words(lines: list[str]) -> list[str]:
        names = ("mdadm", "swap", "mkswap", "sfdisk", "grub")
        return [line.removesuffix(" <<'END'") for line in lines if line.startswith(names)]

    shown = first_words("\n".join(dry_run(plan())).splitlines())
    assert machine.commands == []
    replace(machine)
    assert shown == first_words(machine.commands)


def test_arrays_are_found_by_uuid(machine: SimMachine) -> None:
    """An array that is called otherwise after a reboot is the same array."""
    leave_it_rebuilding(machine)
    machine.arrays["md127"] = machine.arrays.pop("md0")
    let_it_end(machine)
    assert replace(machine).endswith("clean")


def test_an_array_that_is_gone_is_no_success(machine: SimMachine) -> None:
    leave_it_rebuilding(machine)
    gone: SimArray = machine.arrays.pop("md0")
    with pytest.raises(Refused, match="md0 is not there any more"):
        replace(machine)
    machine.arrays["md0"] = gone
    let_it_end(machine)
    assert replace(machine).endswith("clean")


_PLACE = "HD(1,GPT,AAAAAAAA-0000-0000-0000-000000000001,0x800,0x100000)"
EFI_ENTRIES = {
    "efibootmgr 17": f"Boot0001* debian\t{_PLACE}/File(\\EFI\\debian\\shimx64.efi)\n",
    "capitals": f"Boot0001* UEFI OS\t{_PLACE}/File(\\EFI\\BOOT\\BOOTX64.EFI)\n",
    "efibootmgr 18": f"Boot0001* debian\t{_PLACE}/\\EFI\\debian\\shimx64.efi\n      dp: 04 01 2a 00\n",
    "the one it started from": (
        f"BootCurrent: 0002\nBootOrder: 0001,0002\nBoot0001* UEFI OS\t{_PLACE}/File(\\EFI\\BOOT\\BOOTX64.EFI)\n"
        f"Boot0002* debian\t{_PLACE}/File(\\EFI\\debian\\shimx64.efi)\n"
    ),
    "the first that is tried": (
        f"BootCurrent: 0009\nBootOrder: 0003,0002\nBoot0001* fwupd\t{_PLACE}/File(\\EFI\\debian\\fwupdx64.efi)\n"
        f"Boot0002* UEFI OS\t{_PLACE}/File(\\EFI\\BOOT\\BOOTX64.EFI)\n"
        f"Boot0003* debian\t{_PLACE}/File(\\EFI\\debian\\shimx64.efi)\n"
    ),
}


@pytest.mark.parametrize("version", EFI_ENTRIES)
def test_an_entry_for_the_firmware_where_it_has_one_of_the_old_disk(version: str) -> None:
    """On a machine that started by EFI, the new disk's partition gets an entry with the same loader; once."""
    uuid = "BBBBBBBB-0000-0000-0000-000000000002"
    table = parse_dump(f"label: gpt\n\n/dev/sda1 : start=2048, size=1000, type={ESP}, uuid={uuid}\n")
    new = parse_lsblk(json.dumps({"blockdevices": [lsblk_disk("sda", None), lsblk_disk("sdb", "vfat")]}))
    detail = parse_detail(
        "/dev/md0:\n Raid Devices : 1\n    Number   Major   Minor   RaidDevice State\n"
        "       0       8       18        0      active sync   /dev/sdb2\n"
    )
    assert detail is not None
    machine = Machine(ST2, new, (), frozenset(), {}, {})
    seen = Seen(machine, (detail,), None, new[0], table, efi_entries=EFI_ENTRIES[version])
    job = Job("st2", "sda", "now", None, (), esps=(Esp(1, "C0DE0E5A", None, None),))
    (boot,) = (step for step in STEPS if step.name == "boot")
    loader = r"\EFI\BOOT\BOOTX64.EFI" if version == "capitals" else r"\EFI\debian\shimx64.efi"
    assert [str(one) for one in boot.actions(job, seen)] == [
        "sync",
        "dd if=/dev/sdb1 of=/dev/sda1 bs=1M conv=fsync status=none",
        "udevadm settle --timeout=10",
        f"efibootmgr --create --disk /dev/sda --part 1 --label sda-1 --loader '{loader}'",
    ]
    in_an_array = boot.actions(replaced(job, esps=()), seen)
    assert [one.verb for one in in_an_array] == ["boot-entry"]
    there = replaced(seen, efi_entries=EFI_ENTRIES[version] + f"Boot0002* x\tHD(1,GPT,{uuid.lower()},0x800,0x1)\n")
    assert not any(one.verb == "boot-entry" for one in boot.actions(job, there))


def lsblk_disk(name: str, fstype: str | None) -> dict[str, object]:
    entry: dict[str, object] = dict.fromkeys(column.lower() for column in COLUMNS)
    entry |= {"name": name, "kname": name, "type": "disk", "size": 10**9, "log-sec": 512, "phy-sec": 512, "ro": False}
    parts = [entry | {"kname": f"{name}1", "type": "part", "fstype": fstype}]
    parts.append(entry | {"kname": f"{name}2", "type": "part"})
    return entry | {"serial": name, "children": parts}
