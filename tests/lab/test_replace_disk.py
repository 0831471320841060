"""Replacing a disk of data arrays on a real machine: kernel, udev and mdadm of Debian, disks that are really pulled."""

import re
from collections.abc import Iterator

import pytest

from lab.place import Lab
from lab.storage_vm import vm as machine
from lab.storage_vm.vm import Bay, NvmeSlot, Slot
from tests.lab.storage import PULL, Storage, by_role, check_arrays, clear_away, exchange, make_arrays

STEPS = ("fail", "remove", "release", "delete", "exchange", "partition", "add", "boot", "rebuild")


@pytest.fixture(scope="module")
def storage(running_lab: Lab) -> Iterator[Storage]:
    """A storage machine without any disk of its own."""
    storage = Storage(machine.start_tiny(running_lab, running_lab.host("kvm05")))
    yield storage
    machine.power_off(storage.vm)


@pytest.fixture
def clean(storage: Storage) -> Iterator[Storage]:
    """The same, cleared of a test's own disks and arrays at its end."""
    yield storage
    clear_away(storage)


def test_a_disk_is_replaced_though_the_management_server_dies_in_the_middle(clean: Storage) -> None:
    """The whole of it at once: seen, planned, begun, killed, begun again; what must not be is refused on the way."""
    make_arrays(clean, ["C", "D"])
    disks = clean.disks()
    assert {serial: (disk["bay"], disk["hctl"]) for serial, disk in disks.items()} == {
        "C": ("3", "0:0:2:0"),
        "D": ("4", "0:0:3:0"),
    }
    assert all({part["array"] for part in disk["arrays"]} == {"md10", "md11"} for disk in disks.values())
    old = clean.name("C")
    dry = clean.tool("replace_disk", "st2", "C", "--dry-run", "--timeout", "60").stdout.splitlines()
    for command in (
        f"mdadm --manage /dev/md10 --fail /dev/{old}1",
        f"mdadm --manage /dev/md11 --remove /dev/{old}2",
        f"echo 1 | dd of=/sys/block/{old}/device/delete status=none",
        f"mdadm --manage /dev/md11 --add /dev/{old}2",
    ):
        assert command in dry
    act = exchange(clean, Bay(2), "C", "E")

    def kill(line: str) -> bool:
        act(line)
        return line == "partition: done"

    lines = clean.replace("C", on_line=kill)
    assert "partition: done" in lines
    assert "add: done" not in lines  # though it may have announced its next command by the time it is dead
    said = clean.tool("disk_list", "st2", "--timeout", "60").stdout
    assert re.search(r"\[3\] +sd[a-z] +E", said)
    # Nor is it known whether the command that it had announced, to add to md10, has run: md11 is sure to lack its half.
    assert re.search(r"md10\[(_U|U_|UU)\][^[]* md11\[_U\]", said)
    assert "is not finished" in said
    said = clean.tool("replace_disk", "st2", "D", "--yes", "--timeout", "60", status=3).stderr
    assert "replacement of" in said and "was begun and is not finished" in said
    lines = clean.replace("C")
    assert not any("--fail" in line or "sfdisk" in line for line in lines), "what was done is not done again"
    assert lines[-1].endswith("every array is clean")
    check_arrays(clean)


@pytest.mark.long
def test_a_machine_that_is_silent_does_not_hide_the_others(storage: Storage) -> None:
    storage.vm.virsh("suspend", machine.NAME)
    try:
        done = storage.tool("disk_list", "st2", "kvm01", "--timeout", "5", status=5)
    finally:
        storage.vm.virsh("resume", machine.NAME)
    assert "st2 (no answer within 5 s)" in done.stderr
    assert "kvm01" in done.stdout


@pytest.mark.long
def test_killed_after_every_step_and_begun_again(clean: Storage) -> None:
    """A table of MBR; each run is killed as soon as one more step is done, the next one goes on."""
    killed_after_every_step(clean, "dos")


def killed_after_every_step(storage: Storage, table: str) -> None:
    make_arrays(storage, ["C", "D"], table=table)
    act = exchange(storage, Bay(2), "C", "E")
    done: list[str] = []

    def kill(line: str) -> bool:
        act(line)
        step = line.removesuffix(": done")
        if step not in STEPS or step in done or step == line:
            return False
        done.append(step)
        return True

    for _ in STEPS:
        lines = storage.replace("C", on_line=kill)
        if lines[-1].endswith("every array is clean"):
            break
    assert lines[-1].endswith("every array is clean")
    assert {"fail", "remove", "delete", "exchange", "partition", "add"} <= set(done)
    check_arrays(storage)
    assert {part["array"] for part in storage.disks()["E"]["arrays"]} == {"md10", "md11"}


@pytest.mark.long
def test_its_efi_partition_is_copied_and_mounted_again(clean: Storage) -> None:
    """Killed as it is copied, as it gets its id, and as it is mounted, it is what the old one was all the same."""
    make_arrays(clean, ["C", "D"], table="efi")
    clean.vm.shell("make_esps", clean.name("C"), "C0DE000C", clean.name("D"), "C0DE000D")
    act = exchange(clean, Bay(2), "C", "N")
    due = ["  dd if=", "  fatlabel", "  mount "]

    def kill(line: str) -> bool:
        act(line)
        if not due or not line.startswith(due[0]):
            return False
        del due[0]
        return True

    for _ in range(4):
        lines = clean.replace("C", on_line=kill)
        if lines[-1].endswith("every array is clean"):
            break
    assert lines[-1].endswith("every array is clean")
    assert due == []
    assert not any("left to do" in line for line in lines)
    new = f"/dev/{clean.name('N')}3"
    assert clean.vm.must(["findmnt", "-no", "SOURCE,FSTYPE", "/boot/efi"]).split() == [new, "vfat"]
    assert clean.vm.must(["cat", "/boot/efi/EFI/BOOT/BOOTX64.EFI"]) == "a loader\n"
    clean.vm.must(["umount", "/boot/efi"])
    for part, volume in ((new, "C0DE-000C"), (f"/dev/{clean.name('D')}3", "C0DE-000D")):
        clean.vm.must(["fsck.fat", "-n", part])
        assert clean.vm.must(["blkid", "-p", "-o", "value", "-s", "UUID", part]) == f"{volume}\n"
    check_arrays(clean)


@pytest.mark.long
def test_disks_that_are_not_taken(clean: Storage) -> None:
    """One after the other into the bay: the old disk again, a smaller one, one with a file system; then a good one."""
    make_arrays(clean, ["C", "D"])
    dry = clean.tool("replace_disk", "st2", "C", "--dry-run", "--timeout", "60").stdout
    assert f"mdadm --manage /dev/md10 --fail /dev/{clean.name('C')}1" in dry
    assert {part["array"] for part in clean.disks()["C"]["arrays"]} == {"md10", "md11"}

    def old_disk_again(line: str) -> bool:
        if line.startswith(PULL):
            clean.pull(Bay(2), "C")
            clean.plug_again(Bay(2), "C")
        return False

    said = clean.replace("C", on_line=old_disk_again, status=3)
    assert any("is the old disk (serial C) again (--force old-disk)" in line for line in said)

    def smaller(line: str) -> bool:
        if line.startswith(PULL):
            clean.pull(Bay(2), "C")
            clean.plug(Bay(2), "SMALL", size_mib=96)
        return False

    said = clean.replace("C", on_line=smaller, status=3)
    assert any("the partitions need" in line for line in said)

    clean.pull(Bay(2), "SMALL")
    clean.plug(Bay(2), "FULL")
    clean.vm.must(["mke2fs", "-q", "-F", "-t", "ext4", f"/dev/{clean.name('FULL')}"])
    said = clean.replace("C", status=3)
    assert any("has data: ext4" in line and "--force has-data" in line for line in said)
    assert clean.vm.must(["blkid", "-p", "-o", "value", "-s", "TYPE", f"/dev/{clean.name('FULL')}"]) == "ext4\n"

    said = clean.replace("C", "--force", "has-data")
    assert said[-1].endswith("every array is clean")
    check_arrays(clean)


def test_the_last_half_of_an_array_is_not_failed(clean: Storage) -> None:
    make_arrays(clean, ["C", "D"])
    clean.vm.must(["mdadm", "/dev/md11", "--fail", f"/dev/{clean.name('D')}2"])
    said = clean.replace("C", status=3)
    assert any("md11 (raid1) would not live without" in line for line in said)
    assert "[2/2] [UU]" in clean.vm.must(["grep", "-A1", "^md10", "/proc/mdstat"])


@pytest.mark.long
def test_the_wrong_disk_is_pulled(clean: Storage) -> None:
    make_arrays(clean, ["C", "D"])

    def pull_the_other(line: str) -> bool:
        if line.startswith(PULL):
            clean.pull(Bay(3), "D")
        return False

    said = clean.replace("C", on_line=pull_the_other, status=1)
    assert any("the WRONG DISK was pulled" in line and "(serial D)" in line for line in said)


@pytest.mark.long
def test_the_other_half_fails_during_the_rebuild(clean: Storage) -> None:
    make_arrays(clean, ["C", "D"])
    clean.vm.must(["sh", "-c", "'echo 500 > /proc/sys/dev/raid/speed_limit_max'"])
    act = exchange(clean, Bay(2), "C", "E")

    def pull_the_other(line: str) -> bool:
        act(line)
        if line == "rebuild: watch the rebuild":
            clean.pull(Bay(3), "D")
        return False

    said = clean.replace("C", on_line=pull_the_other, status=1)
    assert any("during the rebuild" in line or "has failed" in line for line in said)


@pytest.mark.long
def test_killed_after_every_step_with_a_gpt(clean: Storage) -> None:
    killed_after_every_step(clean, "gpt")


@pytest.mark.long
@pytest.mark.parametrize("table", ["gpt", "dos"])
def test_killed_at_every_command_and_begun_again(clean: Storage, table: str) -> None:
    """The process is killed as it says each command: the command may be given, or half done, and nobody looked."""
    make_arrays(clean, ["C", "D"], table=table)
    act = exchange(clean, Bay(2), "C", "E")
    told: list[str] = []

    def kill(line: str) -> bool:
        act(line)
        command = line.strip().split(" <<")[0]
        if not line.startswith("  ") or line.startswith(PULL) or command in told:
            return False
        told.append(command)
        return True

    for _ in range(30):
        lines = clean.replace("C", on_line=kill)
        if lines[-1].endswith("every array is clean"):
            break
    assert lines[-1].endswith("every array is clean")
    assert sum(command.startswith("mdadm") for command in told) == 6
    check_arrays(clean)


@pytest.mark.long
@pytest.mark.parametrize(
    ("level", "serials", "spares"),
    [("raid10", "CDEF", 0), ("raid5", "CDE", 0), ("raid6", "CDEF", 0), ("raid1", "CDE", 1), ("raid5", "CDEF", 1)],
)
def test_other_levels_and_spares(clean: Storage, level: str, serials: str, spares: int) -> None:
    make_arrays(clean, list(serials), level=level, spares=spares)
    plan = clean.tool("replace_disk", "st2", "C", "--dry-run", "--timeout", "60").stdout
    assert ("takes over at once, and the new disk becomes the spare" in plan) == bool(spares)
    lines = clean.replace("C", on_line=exchange(clean, Bay(2), "C", "N"))
    assert lines[-1].endswith("every array is clean")
    check_arrays(clean)
    assert {part["array"] for part in clean.disks()["N"]["arrays"]} == {"md10", "md11"}


@pytest.mark.long
@pytest.mark.parametrize(("level", "serials", "still"), [("raid10", "CDEF", "E"), ("raid5", "CDE", None)])
def test_an_array_that_lacks_one_already(clean: Storage, level: str, serials: str, still: str | None) -> None:
    """raid10 lives without a member of another pair, raid5 without none; its disk's other array would."""
    make_arrays(clean, list(serials), level=level)
    clean.vm.must(["mdadm", "/dev/md10", "--fail", f"/dev/{clean.name('D')}1"])
    said = clean.replace("C", status=3)
    assert any(f"md10 ({level}) would not live without" in line for line in said)
    assert not any("md11" in line for line in said)
    if still:
        assert "md10" in clean.tool("replace_disk", "st2", still, "--dry-run", "--timeout", "60").stdout
    state = clean.vm.must(["cat", "/proc/mdstat"])
    assert state.count("_") == 1, "nothing else was failed"


@pytest.mark.long
@pytest.mark.parametrize("udev", ["tells md", "does not"])
def test_a_disk_that_died_and_is_gone(clean: Storage, udev: str) -> None:
    """Pulled without a word to anybody; then the new disk is named, and taken in after the pattern of a healthy one.

    Where udev has no rule, arrays that are idle still take the disk for an active one, and keep its name from others.
    """
    make_arrays(clean, ["C", "D"])
    rule = "/lib/udev/rules.d/64-md-raid-assembly.rules"
    quiet = udev == "does not"
    if quiet:
        clean.vm.must(["sh", "-c", f"'mv {rule} /run/kept && udevadm control --reload'"])
    try:
        clean.pull(Bay(2), "C")
        clean.plug(Bay(2), "N")
        lines = clean.replace(clean.name("N"))
    finally:
        if quiet:
            clean.vm.must(["sh", "-c", f"'mv /run/kept {rule} && udevadm control --reload'"])
    assert lines[-1].endswith("every array is clean")
    check_arrays(clean)


@pytest.mark.long
def test_a_disk_that_vanishes_while_it_is_taken_out(clean: Storage) -> None:
    """Somebody pulls it too early, after its members were failed; md and udev have their own ideas then."""
    make_arrays(clean, ["C", "D"])

    def too_early(line: str) -> bool:
        if line == "fail: done":
            clean.pull(Bay(2), "C")
        if line.startswith(PULL):
            clean.plug(Bay(2), "N")
        return False

    lines = clean.replace("C", on_line=too_early, status=0)
    assert lines[-1].endswith("every array is clean")
    check_arrays(clean)


@pytest.mark.long
def test_not_waiting_for_the_rebuild(clean: Storage) -> None:
    make_arrays(clean, ["C", "D"])
    # md never goes slower than the least, and a busy machine is slow to look.
    clean.vm.must(["sh", "-c", "'cd /proc/sys/dev/raid && echo 100 | tee speed_limit_min > speed_limit_max'"])
    lines = clean.replace("C", "--no-wait", on_line=exchange(clean, Bay(2), "C", "N"))
    assert "the rebuild goes on by itself; disk_list st2 shows it" in lines[-1]
    said = clean.tool("disk_list", "st2", "--timeout", "60").stdout
    assert "recovery" in said
    assert "replacement of" in said
    clean.vm.must(["sh", "-c", "'echo 200000 > /proc/sys/dev/raid/speed_limit_max'"])
    assert clean.replace("C")[-1].endswith("every array is clean")
    check_arrays(clean)


@pytest.mark.long
def test_whole_disks_of_virtio(clean: Storage) -> None:
    """Members are whole disks, called vda and vdb."""
    for slot, serial in zip((Slot(0), Slot(1)), ("V", "W"), strict=True):
        clean.plug(slot, serial)
    clean.vm.shell("make_whole", "V", "W")
    lines = clean.replace("V", on_line=exchange(clean, Slot(0), "V", "X"))
    assert lines[-1].endswith("every array is clean")
    assert {part["member"] for part in clean.disks()["X"]["arrays"]} == {clean.name("X")}
    clean.vm.must(["sh", "-c", "'cd /mnt/md12 && sha256sum --quiet -c SUM && mdadm --detail --test /dev/md12'"])


@pytest.mark.long
def test_disks_of_nvme(clean: Storage) -> None:
    """Their partitions are called nvme0n1p1; a controller leaves and comes with its slot."""
    make_arrays(clean, ["P", "Q"], place=NvmeSlot, first=0)
    old = clean.name("P")
    assert re.fullmatch(r"nvme[0-9]n1", old)
    disk = clean.disks()["P"]
    assert {part["member"] for part in disk["arrays"]} == {f"{old}p1", f"{old}p2"}
    assert disk["transport"] == "nvme"
    lines = clean.replace("P", on_line=exchange(clean, NvmeSlot(0), "P", "R"))
    assert lines[-1].endswith("every array is clean")
    check_arrays(clean)
    new = clean.name("R")
    assert {part["member"] for part in clean.disks()["R"]["arrays"]} == {f"{new}p1", f"{new}p2"}


@pytest.mark.long
@pytest.mark.parametrize("role", ["storage", "operate"])
def test_by_a_key_of_a_role(clean: Storage, role: str) -> None:
    """The whole procedure is within the verbs of vme_ssh_wrapper."""
    make_arrays(clean, ["C", "D"])
    with by_role(clean, role) as storage:
        lines = storage.replace("C", on_line=exchange(storage, Bay(2), "C", "N"))
        assert lines[-1].endswith("every array is clean")
    check_arrays(clean)


@pytest.mark.long
def test_a_key_that_only_reads_changes_nothing(clean: Storage) -> None:
    """It sees all there is, and is refused before anything is begun."""
    make_arrays(clean, ["C", "D"])
    with by_role(clean, "read") as reading:
        assert set(reading.disks()) == {"C", "D"}
        said = reading.replace("C", status=3)
        assert any("our key's role there is `read`" in line for line in said), said
        assert any("--role storage" in line for line in said), said
        assert "not finished" not in reading.tool("disk_list", "st2", "--timeout", "60").stdout
    assert clean.vm.must(["cat", "/proc/mdstat"]).count("[UU]") == 2
