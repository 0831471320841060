"""What the md tools read of a machine, as real programs print it: data/md/README says where each file came from."""

import json
from pathlib import Path

import pytest

from vme.config import Chassis, Node
from vme.errors import Failed
from vme.node.md.bays import bay_of
from vme.node.md.block_devices import Disk, parse_by_path, parse_enclosures, parse_lsblk, parse_swaps, partition_name
from vme.node.md.machine import Machine
from vme.node.md.mdadm import Detail, Member, parse_detail, why_it_dies
from vme.node.md.mdstat import Progress, parse_mdstat
from vme.node.md.partition_table import parse_dump, script_for
from vme.node.md.smart import parse_smartctl
from vme.node.md.verbs import PATTERNS, READ, STDIN, STORAGE, Action, action

DATA = Path(__file__).parent / "data/md"
VERSIONS = ("debian11", "debian12", "debian13")


def text_of(name: str) -> str:
    return (DATA / name).read_text()


def detail_of(name: str) -> Detail:
    detail = parse_detail(text_of(name))
    assert detail is not None
    return detail


# --- /proc/mdstat


def test_mdstat_of_two_mirrors() -> None:
    arrays = parse_mdstat(text_of("mdstat-clean.txt"))
    assert [(a.name, a.level, a.map, a.bitmap, a.degraded) for a in arrays] == [
        ("md1", "raid1", "UU", True, False),
        ("md0", "raid1", "UU", False, False),
    ]
    assert [member.name for member in arrays[1].members] == ["sda3", "sdb3"]
    assert all(array.active and array.progress is None for array in arrays)


def test_mdstat_of_mirrors_that_lack_a_half() -> None:
    arrays = parse_mdstat(text_of("mdstat-degraded.txt"))
    assert {array.map for array in arrays} == {"U_"}
    assert all(array.degraded for array in arrays)


def test_mdstat_of_a_rebuild() -> None:
    rebuilding = next(array for array in parse_mdstat(text_of("mdstat-rebuilding.txt")) if array.name == "md10")
    assert (rebuilding.level, rebuilding.map, rebuilding.degraded) == ("raid10", "_UUU", True)
    assert rebuilding.progress is not None
    assert (rebuilding.progress.kind, rebuilding.progress.rate_kib_s is not None) == ("recovery", True)
    assert 0 < (rebuilding.progress.percent or 0) < 100


# Lines in the formats of Linux 2.6 to 6.x (md.c: md_seq_show, status_resync), made for this test.
OLD_MDSTAT = """\
Personalities : [linear] [raid0] [raid1] [raid6] [raid5] [raid4]
md3 : inactive sdd1[1](S) sdc1[0](S)
      1953260976 blocks super 1.2

md2 : active (auto-read-only) raid6 sde1[6](S) sdf1[7](W)(F) sdb1[0] sdd1[2] sdc[1]
      5860543744 blocks level 6, 4k chunk, algorithm 2 [6/4] [UUUU__]
      [===>.................]  recovery = 19.6% (288381540/1465135936) finish=1420.1min speed=13810K/sec

md1 : active raid1 nvme0n1p2[2] nvme1n1p2[1]
      975860 blocks super 1.2 [2/1] [_U]
        resync=DELAYED

md127 : active raid1 sda2[0] sdb2[1]
      1024 blocks super 1.2 [2/2] [UU]
      [>....................]  check =  0.0% (0/1024)

md0 : active raid0 sdb2[1] sda2[0]
      4192256 blocks super 1.2 512k chunks

unused devices: <none>
"""


def test_mdstat_of_other_states() -> None:
    inactive, raid6, waiting, checked, striped = parse_mdstat(OLD_MDSTAT)
    assert (inactive.active, inactive.level, inactive.map) == (False, "", "")
    assert (raid6.level, raid6.read_only, raid6.map) == ("raid6", True, "UUUU__")
    assert raid6.progress == Progress("recovery", 19.6, 1420.1 * 60, 13810)
    assert [(member.name, member.flags) for member in raid6.members][:2] == [("sde1", "S"), ("sdf1", "WF")]
    assert raid6.members[1].faulty
    assert waiting.progress == Progress("resync", None)
    assert [member.name for member in waiting.members] == ["nvme0n1p2", "nvme1n1p2"]
    assert checked.progress == Progress("check", 0.0)
    assert not checked.degraded
    assert (striped.level, striped.map) == ("raid0", "")


def test_mdstat_without_arrays() -> None:
    assert parse_mdstat("Personalities : \nunused devices: <none>\n") == ()
    assert parse_mdstat("") == ()


# --- mdadm --detail


@pytest.mark.parametrize("version", VERSIONS)
def test_detail_of_a_mirror(version: str) -> None:
    detail = detail_of(f"{version}/detail-raid1-clean.txt")
    assert (detail.name, detail.level, detail.raid_devices) == ("md1", "raid1", 2)
    assert detail.uuid == "00000000:00000000:00000000:0001c0de"
    assert detail.used_bytes == 97280 * 1024
    assert detail.state == {"clean"}
    assert detail.whole
    assert detail.names == ("sdb4", "sda4")
    assert why_it_dies(detail, ["sda4"]) is None
    assert why_it_dies(detail, ["sda4", "sdb4"]) == "md1 (raid1) would not live without sda4, sdb4"


@pytest.mark.parametrize("version", VERSIONS)
def test_detail_of_a_mirror_that_lacks_a_half(version: str) -> None:
    detail = detail_of(f"{version}/detail-raid1-degraded.txt")
    assert not detail.whole
    assert detail.names == ("sdb3",)
    said = why_it_dies(detail, ["sdb3"])
    assert said == "md0 (raid1) would not live without sdb3; 1 of its 2 members missing or not in sync already"


def test_detail_of_a_mirror_whose_half_is_gone_and_not_missed_yet() -> None:
    """Pulled while the array was idle: md and the State's counters still take it for active."""
    detail = detail_of("debian12/detail-raid1-vanished.txt")
    assert not detail.whole
    assert detail.names == ("sdb1",)
    assert [member.vanished for member in detail.members] == [True, False]
    assert why_it_dies(detail, ["sdb1"]) is not None
    degraded = detail_of("debian12/detail-raid1-degraded.txt")
    assert not any(member.vanished for member in degraded.members)


@pytest.mark.parametrize("version", VERSIONS)
def test_detail_of_raid10(version: str) -> None:
    clean = detail_of(f"{version}/detail-raid10.txt")
    assert (clean.level, clean.layout, clean.whole) == ("raid10", "near=2", True)
    first, second, third, _ = clean.names
    assert why_it_dies(clean, [first, third]) is None
    assert why_it_dies(clean, [first, second]) is not None
    faulty = detail_of(f"{version}/detail-raid10-faulty.txt")
    gone = faulty.member(first)
    assert gone is not None
    assert gone.faulty
    assert gone.slot is None
    assert not faulty.whole
    assert why_it_dies(faulty, [second]) is not None
    assert why_it_dies(faulty, [third]) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_detail_of_a_rebuild(version: str) -> None:
    detail = detail_of(f"{version}/detail-raid10-rebuilding.txt")
    (rebuilding,) = (member for member in detail.members if "rebuilding" in member.state)
    assert not rebuilding.in_sync
    assert not rebuilding.spare
    assert "recovering" in detail.state
    assert not detail.whole


@pytest.mark.parametrize("version", VERSIONS)
def test_detail_of_raid5_with_a_spare(version: str) -> None:
    detail = detail_of(f"{version}/detail-raid5-spare.txt")
    assert len(detail.spares) == 1
    assert detail.whole
    assert why_it_dies(detail, [detail.names[0]]) is None
    assert why_it_dies(detail, detail.spares) is None
    assert why_it_dies(detail, detail.names[:2]) is not None


def test_a_message_of_mdadm_is_no_array() -> None:
    assert parse_detail("mdadm: cannot open /dev/md9: No such file or directory\n") is None
    assert parse_detail("") is None


def array(level: str, devices: int, layout: str = "", *, missing: int = 0, state: str = "clean") -> Detail:
    members = tuple(Member(f"sd{'abcdefgh'[slot]}1", slot, frozenset({"active", "sync"})) for slot in range(devices))
    return Detail("md0", "u", level, layout, devices, 1, frozenset({state}), members[: devices - missing])


@pytest.mark.parametrize(
    ("made", "leaving", "lives"),
    [
        (array("raid1", 3, missing=1), ["sda1"], True),
        (array("raid0", 2), ["sda1"], False),
        (array("linear", 2), ["sda1"], False),
        (array("raid4", 3), ["sda1"], True),
        (array("raid5", 3, missing=1), ["sda1"], False),
        (array("raid6", 4, missing=1), ["sda1"], True),
        (array("raid6", 4, missing=2), ["sda1"], False),
        (array("raid10", 4, "far=2"), ["sda1"], True),
        (array("raid10", 4, "far=2"), ["sda1", "sdc1"], False),
        (array("raid10", 3, "near=2"), ["sda1"], True),
        (array("raid10", 3, "near=2", missing=1), ["sda1"], False),
        (array("raid10", 6, "near=3"), ["sda1", "sdb1"], True),
        (array("raid1", 2, state="FAILED"), ["sda1"], False),
        (array("raid1", 2, state="inactive"), [], False),
        (array("container", 2), [], False),
    ],
)
def test_which_arrays_live_without_which_members(made: Detail, leaving: list[str], lives: bool) -> None:
    assert (why_it_dies(made, leaving) is None) == lives


# --- lsblk and where disks are


@pytest.mark.parametrize("version", VERSIONS)
def test_lsblk_of_two_disks(version: str) -> None:
    disks = parse_lsblk(text_of(f"{version}/lsblk-two-disks.json"))
    assert [(disk.name, disk.serial, disk.hctl, disk.size_bytes) for disk in disks] == [
        ("sda", "OLD-B", "0:0:1:0", 1 << 30),
        ("sdb", "OLD-A", "0:0:0:0", 1 << 30),
    ]
    root = disks[0].partitions[2]
    assert (root.name, root.number, root.fstype, root.children[0].name) == ("sda3", 3, "linux_raid_member", "md0")
    assert root.children[0].mountpoint == "/"
    assert [part.mountpoint for part in disks[1].partitions] == [None, None, None, None, "[SWAP]"]
    assert {block.name for block in disks[0].block.all()} >= {"sda", "sda5", "md0", "md1"}


def test_lsblk_of_older_versions_gave_texts_for_numbers() -> None:
    data = json.loads(text_of("debian11/lsblk-two-disks.json"))
    for disk in data["blockdevices"]:
        disk |= {"size": str(disk["size"]), "ro": "1", "log-sec": "512", "model": " QEMU    "}
    disks = parse_lsblk(json.dumps(data))
    assert (disks[0].size_bytes, disks[0].read_only, disks[0].model) == (1 << 30, True, "QEMU")


@pytest.mark.parametrize("text", ["{}", "[]", '{"blockdevices": [{"type": "disk"}]}', "lsblk: unknown column"])
def test_what_is_no_answer_of_lsblk(text: str) -> None:
    with pytest.raises(ValueError):
        parse_lsblk(text)


def test_names_of_partitions() -> None:
    assert [partition_name("sda", 3), partition_name("nvme0n1", 3), partition_name("vda", None)] == [
        "sda3",
        "nvme0n1p3",
        "vda",
    ]


def test_swaps_and_places() -> None:
    assert set(parse_swaps(text_of("swaps.txt"))) == {"sda5", "sdb5"}
    assert parse_by_path(text_of("by-path.txt")) == {
        "sda": ("pci-0000:02:00.0-scsi-0:0:1:0",),
        "sdb": ("pci-0000:02:00.0-scsi-0:0:0:0",),
    }
    # As Linux lays it out (drivers/misc/enclosure.c).
    assert parse_enclosures("/sys/class/enclosure/0:0:8:0/Slot 01/device/block/sda\n") == {"sda": "Slot 01"}


def disk_at(hctl: str | None) -> Disk:
    (first, _) = parse_lsblk(text_of("debian12/lsblk-two-disks.json"))
    return Disk(first.block, "m", "s", None, hctl, None, 512, 512, False)


@pytest.mark.parametrize(
    ("hctl", "places", "bay"),
    [
        ("1:0:0:0", {}, "one"),
        ("10:0:0:0", {}, None),
        ("2:0:3:0", {}, "special"),
        ("2:0:4:0", {}, "two"),
        (None, {"sda": ("pci-0000:03:00.0-nvme-1",)}, "nvme"),
        (None, {}, None),
    ],
)
def test_bays(hctl: str | None, places: dict[str, tuple[str, ...]], bay: str | None) -> None:
    bays = {"1": "one", "2": "two", "2:0:3": "special", "pci-0000:03:00.0-nvme-1": "nvme"}
    machine = Machine(Node("st2", ""), (), (), frozenset(), places, {})
    assert bay_of(Chassis("c", ("st2",), bays), machine, disk_at(hctl)) == bay


def test_the_slot_of_an_enclosure_where_no_map_says_better() -> None:
    machine = Machine(Node("st2", ""), (), (), frozenset(), {}, {"sda": "Slot 07"})
    assert bay_of(None, machine, disk_at("0:0:1:0")) == "Slot 07"
    assert bay_of(Chassis("c", ("st2",), {"0:0:1:0": "2"}), machine, disk_at("0:0:1:0")) == "2"


# --- sfdisk --dump


@pytest.mark.parametrize("version", VERSIONS)
def test_gpt_and_its_copy(version: str) -> None:
    table = parse_dump(text_of(f"{version}/sfdisk-gpt.txt"))
    assert table is not None
    assert (table.label, table.sector_bytes, len(table.partitions)) == ("gpt", 512, 5)
    third = table.partition(3)
    assert third is not None
    assert (third.start, third.size, third.name) == (69632, 1433600, "root")
    assert table.end_bytes(512) == (1699840 + 65536 + 33) * 512
    script = script_for(table)
    assert "uuid" not in script
    assert "label-id" not in script
    assert "last-lba" not in script
    copy = parse_dump("\n".join(f"/dev/sdx{line}" if line[0].isdigit() else line for line in script.splitlines()))
    assert copy is not None
    assert copy.shape == table.shape


@pytest.mark.parametrize("version", VERSIONS)
def test_mbr_and_its_copy(version: str) -> None:
    table = parse_dump(text_of(f"{version}/sfdisk-dos.txt"))
    assert table is not None
    assert table.label == "dos"
    assert [(part.number, part.start, part.size, part.type) for part in table.partitions] == [
        (1, 2048, 106496, "fd"),
        (2, 108544, 106496, "fd"),
    ]
    assert "1 : start=2048, size=106496, type=fd\n" in script_for(table)


def test_fields_that_few_tables_have() -> None:
    table = parse_dump(
        "label: gpt\nunit: sectors\n\n"
        '/dev/nvme0n1p1 : start= 2048, size= 10, type=A, uuid=B, name="a, \\"b", attrs="RequiredPartition GUID:60"\n'
    )
    assert table is not None
    assert (table.partitions[0].number, table.partitions[0].attrs) == (1, "RequiredPartition GUID:60")
    marked = parse_dump("label: dos\n\n/dev/sda1 : start=1, size=2, type=83, bootable\n")
    assert marked is not None
    assert script_for(marked).endswith("1 : start=1, size=2, type=83, bootable\n")


def test_a_disk_without_a_table() -> None:
    assert parse_dump("") is None
    assert parse_dump("sfdisk: /dev/sdc: does not contain a recognized partition table\n") is None


# --- smartctl --json


def test_smartctl_of_a_disk_that_has_no_smart() -> None:
    health = parse_smartctl(text_of("smartctl-7.3-qemu.json"))
    assert (health.passed, health.signs, str(health)) == (None, (), "unknown")


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"smart_status": {"passed": True}}, "ok"),
        ({"smart_status": {"passed": False}}, "FAILING"),
        (
            {
                "smart_status": {"passed": True},
                "ata_smart_attributes": {"table": [{"id": 5, "raw": {"value": 8}}, {"id": 197, "raw": {"value": 0}}]},
            },
            "ok (8 reallocated)",
        ),
        (
            {
                "smart_status": {"passed": True},
                "nvme_smart_health_information_log": {
                    "critical_warning": 4,
                    "media_errors": 0,
                    "percentage_used": 97,
                },
            },
            "ok (critical warning 0x04, 97 % of its life used)",
        ),
        ({"smart_status": {"passed": True}, "scsi_grown_defect_list": 3}, "ok (3 grown defects)"),
        ([], "unknown"),
        ({"smart_status": "what"}, "unknown"),
    ],
)
def test_smartctl_of_disks_with_signs(told: object, shown: str) -> None:
    assert str(parse_smartctl(json.dumps(told))) == shown


def test_no_smartctl() -> None:
    assert str(parse_smartctl("bash: smartctl: command not found")) == "unknown"


# --- the table of commands


def test_every_field_of_the_table_has_a_pattern() -> None:
    import string

    for argv in (*READ.values(), *STORAGE.values()):
        for word in argv:
            fields = [name for _, name, _, _ in string.Formatter().parse(word) if name is not None]
            assert set(fields) <= set(PATTERNS)
    assert not set(READ) & set(STORAGE)
    assert set(STDIN) <= set(STORAGE)


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("fail", {"array": "md0", "member": "sda1;reboot"}),
        ("fail", {"array": "../sda", "member": "sda1"}),
        ("fail", {"array": "md0", "member": "sda1\n"}),
        ("write-table", {"disk": "sda1"}),
        ("write-table", {"disk": "md0"}),
        ("write-table", {"disk": "mapper/vg-lv"}),
        ("rescan-scsi", {"host": "host0/../../x"}),
        ("mount", {"part": "sda1", "mountpoint": "/etc"}),
        ("delete-scsi", {"scsi": "vda"}),
        ("smart", {"disk": "-x"}),
    ],
)
def test_no_other_value_gets_into_a_command(verb: str, fields: dict[str, str]) -> None:
    with pytest.raises(Failed, match=f"command '{verb}' may"):
        _ = Action(verb, fields).argv


def test_what_an_operator_would_type() -> None:
    assert str(action("delete-scsi", scsi="sda")) == "echo 1 | dd of=/sys/block/sda/device/delete status=none"
    assert (
        str(action("rescan-scsi", host="host3")) == "echo '- - -' | dd of=/sys/class/scsi_host/host3/scan status=none"
    )
    assert str(action("add", array="md127", member="nvme0n1p2")) == "mdadm --manage /dev/md127 --add /dev/nvme0n1p2"
