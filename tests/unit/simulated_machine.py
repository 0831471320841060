"""A machine that exists as text only: it answers questions in the programs' formats, and obeys commands.

It is strict where a real one is not: a command that would do harm raises, so that no test passes by luck.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vme.config import Node, SshConfig
from vme.process import Result, TookTooLong

SECTORS = 2_097_152
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"


class Harm(AssertionError):
    """A command that must never be given."""


@dataclass
class SimDisk:
    """A disk: serial number, size, its table's partitions (number -> sectors), what each partition holds.

    `esps` are those whose type is that of EFI system partitions; `fats` are (volume id, content) of those with vfat.
    """

    serial: str
    hctl: str
    sectors: int = SECTORS
    parts: dict[int, int] = field(default_factory=dict)
    holds: dict[int, str] = field(default_factory=dict)
    grub: bool = False
    signature: str | None = None
    esps: set[int] = field(default_factory=set)
    fats: dict[int, tuple[str, str]] = field(default_factory=dict)


@dataclass
class SimArray:
    """An array of raid1: slot -> member, members that are faulty, a member that is being rebuilt, spares."""

    uuid: str
    slots: list[str | None]
    faulty: list[str] = field(default_factory=list)
    rebuilding: str | None = None
    looks_left: int = 0
    spares: list[str] = field(default_factory=list)


@dataclass
class SimMachine:
    """The machine. `on_command` is called before and after each command that changes it: there a test kills us.

    A rebuild is done when it was looked at `rebuild_looks` times. `still_in` are disks that the kernel was told to
    forget, and that nobody has pulled: a scan finds them again.
    """

    disks: dict[str, SimDisk]
    arrays: dict[str, SimArray]
    swaps: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)
    on_command: Callable[[str], None] = lambda _when: None
    may_write: set[str] = field(default_factory=set)
    rebuild_looks: int = 3
    unreadable: set[str] = field(default_factory=set)
    still_in: dict[str, SimDisk] = field(default_factory=dict)
    mounts: dict[str, str] = field(default_factory=dict)
    has_fatlabel: bool = True
    efi: str = ""

    def run_on_node(
        self, node: Node, _ssh: SshConfig, argv: Sequence[str], *, timeout_s: float, stdin: str | None = None
    ) -> Result:
        """Stands in for vme.ssh.run_on_node."""
        if argv[0] in ("sfdisk", "head") and argv[-1].removeprefix("/dev/") in self.unreadable:
            raise TookTooLong(f"ssh gave no answer within {timeout_s:g} s")
        if argv[0] == "cmp":
            one, other = (self._fat(word.removeprefix("/dev/")) for word in argv[-2:])
            return Result(tuple(argv), 0 if one and other and one[1] == other[1] else 1, "", "")
        if argv[0] == "grep":
            fat = self._fat(argv[-1].removeprefix("/dev/"))
            return Result(tuple(argv), 0 if fat and "loader" in fat[1] else 1, "", "")
        question = self._answer(list(argv))
        if question is not None:
            return Result(tuple(argv), 0, question, "")
        self.on_command("before")
        self.commands.append(" ".join(argv))
        error = self._obey(list(argv), stdin)
        self.on_command("after")
        return Result(tuple(argv), 1 if error else 0, "", error or "")

    # --- what it answers

    def _answer(self, argv: list[str]) -> str | None:
        match argv:
            case ["cat", "/proc/mdstat"]:
                return self._mdstat()
            case ["cat", "/proc/swaps"]:
                rows = "".join(f"/dev/{name} partition 1000 0 -2\n" for name in sorted(self.swaps))
                return f"Filename Type Size Used Priority\n{rows}"
            case ["cat", "/proc/meminfo"]:
                return "MemTotal: 500000 kB\nMemAvailable:   300000 kB\n"
            case ["lsblk", *_]:
                return json.dumps({"blockdevices": [self._lsblk(name) for name in sorted(self.disks)]})
            case ["find", "/dev/disk/by-path", *_]:
                return "".join(f"pci-0-scsi-{disk.hctl} ../../{name}\n" for name, disk in self.disks.items())
            case ["mdadm", "--detail", array]:
                return self._detail(array.removeprefix("/dev/"))
            case ["sfdisk", "--dump", disk]:
                return self._dump(disk.removeprefix("/dev/"))
            case ["wipefs", "--parsable", disk]:
                return self._signatures(disk.removeprefix("/dev/"))
            case ["head", _, disk]:
                return "GRUB" if self.disks[disk.removeprefix("/dev/")].grub else ""
            case ["ls", "/sys/class/scsi_host"]:
                return "host0\n"
            case ["fatlabel", "--help"]:
                return "  -i, --volume-id     Work on serial number\n" if self.has_fatlabel else ""
            case ["efibootmgr", "--verbose"]:
                return self.efi
            case ["find", *_] | ["smartctl", *_]:
                return ""
        return None

    def _mdstat(self) -> str:
        text = "Personalities : [raid1]\n"
        for name, array in self.arrays.items():
            members = [f"{m}[{i}]" for i, m in enumerate(array.slots) if m] + [f"{m}[9](F)" for m in array.faulty]
            members += [f"{m}[8](S)" for m in array.spares]
            up = "".join("U" if m and m != array.rebuilding else "_" for m in array.slots)
            text += f"{name} : active raid1 {' '.join(members)}\n"
            text += f"      1000 blocks super 1.2 [{len(up)}/{up.count('U')}] [{up}]\n"
            if array.rebuilding:
                text += "      [>....]  recovery = 10.0% (100/1000) finish=0.1min speed=10K/sec\n"
        return text + "unused devices: <none>\n"

    def _detail(self, name: str) -> str:
        array = self.arrays[name]
        array.looks_left -= 1
        if array.rebuilding and array.looks_left <= 0:
            array.rebuilding = None
        degraded = None in array.slots or array.rebuilding
        state = "clean" + (", degraded" if degraded else "") + (", recovering" if array.rebuilding else "")
        rows = [f"       {i}   8   {i}   {i}      {self._state(array, m)}" for i, m in enumerate(array.slots)]
        gone = self._detached(array.faulty)
        rows += [f"       7   8   7   -      faulty   {'missing' if m in gone else f'/dev/{m}'}" for m in array.faulty]
        rows += [f"       8   8   8   -      spare   /dev/{m}" for m in array.spares]
        return (
            f"/dev/{name}:\n        Raid Level : raid1\n     Used Dev Size : 1000 (1 MiB)\n      Raid Devices : "
            f"{len(array.slots)}\n             State : {state}\n              UUID : {array.uuid}\n\n"
            "    Number   Major   Minor   RaidDevice State\n" + "\n".join(rows) + "\n"
        )

    def _detached(self, members: Sequence[str | None]) -> list[str]:
        """Those whose disk is gone."""
        return [member for member in members if member and member.rstrip("0123456789") not in self.disks]

    def _state(self, array: SimArray, member: str | None) -> str:
        if member is None:
            return "removed"
        if self._detached([member]):
            return "active sync   missing"
        return f"{'spare rebuilding' if member == array.rebuilding else 'active sync'}   /dev/{member}"

    def _lsblk(self, name: str) -> dict[str, object]:
        disk = self.disks[name]
        empty = dict.fromkeys(("model", "wwn", "tran", "fstype", "uuid", "label", "pttype", "parttype", "mountpoint"))
        entry = {**empty, "name": name, "kname": name, "type": "disk", "size": disk.sectors * 512, "ro": False}
        entry |= {"serial": disk.serial, "hctl": disk.hctl, "log-sec": 512, "phy-sec": 512, "fstype": disk.signature}
        children = []
        for number, size in disk.parts.items():
            part = entry | {"name": f"{name}{number}", "kname": f"{name}{number}", "type": "part", "size": size * 512}
            held = disk.holds.get(number)
            part |= {"serial": None, "hctl": None, "fstype": held, "uuid": self._uuid(name, number, held)}
            part |= {"parttype": "0xef" if number in disk.esps else "0xfd"}
            part["mountpoint"] = "[SWAP]" if f"{name}{number}" in self.swaps else self.mounts.get(f"{name}{number}")
            children.append(part)
        return entry | ({"children": children} if children else {})

    def _uuid(self, name: str, number: int, held: str | None) -> str | None:
        if held == "vfat":
            volume = self.disks[name].fats[number][0]
            return f"{volume[:4]}-{volume[4:]}"
        return f"00000000-0000-0000-0000-{ord(name[-1]):08d}{number:04d}" if held == "swap" else None

    def _dump(self, name: str) -> str:
        disk = self.disks[name]
        if not disk.parts:
            return ""
        start, lines = 2048, []
        for number, size in disk.parts.items():
            kind = "ef" if number in disk.esps else "fd"
            lines.append(f"/dev/{name}{number} : start={start:12}, size={size:12}, type={kind}")
            start += size
        head = f"label: dos\nlabel-id: 0x{ord(name[-1]):08x}\ndevice: /dev/{name}\nunit: sectors\nsector-size: 512\n\n"
        return head + "\n".join(lines) + "\n"

    def _signatures(self, name: str) -> str:
        disk = self.disks[name]
        found = (["dos"] if disk.parts else []) + ([disk.signature] if disk.signature else [])
        return "# offset,uuid,label,type\n" + "".join(f"0x1fe,,,{kind}\n" for kind in found)

    # --- what it obeys

    def _obey(self, argv: list[str], stdin: str | None) -> str | None:
        words = [word.removeprefix("/dev/") for word in argv]
        match words:
            case ["mdadm", "--manage", array, "--fail", "detached"]:
                for member in self._detached(self.arrays[array].slots):
                    self._fail(self.arrays[array], member)
            case ["mdadm", "--manage", array, "--remove", "detached"]:
                for member in self._detached(self.arrays[array].faulty):
                    self._remove(self.arrays[array], member)
            case ["mdadm", "--manage", array, "--fail", member]:
                self._fail(self.arrays[array], member)
            case ["mdadm", "--manage", array, "--remove", member]:
                if self._detached([member]):
                    return f"mdadm: stat failed for /dev/{member}: No such file or directory"
                self._remove(self.arrays[array], member)
            case ["mdadm", "--manage", array, "--add", member]:
                self._add(self.arrays[array], member)
            case ["swapoff", part]:
                self.swaps.remove(part)
            case ["mkswap", "--uuid", _, part]:
                self._own(part).holds[_number(part)] = "swap"
            case ["swapon", part]:
                self.swaps.add(part)
            case ["dd", target, _] if target.startswith("of=/sys/block/"):
                self._delete(target.split("/")[3])
            case ["dd", "of=/sys/class/scsi_host/host0/scan", _]:
                self.disks |= self.still_in
                self.still_in = {}
            case ["dd", source, target, *_] if source.startswith("if=/dev/"):
                fat = self._fat(source.removeprefix("if=/dev/"))
                assert fat is not None
                self._write_fat(target.removeprefix("of=/dev/"), fat)
            case ["fatlabel", "--volume-id", part, volume]:
                fat = self._fat(part)
                assert fat is not None
                self._write_fat(part, (volume, fat[1]))
            case ["umount", part]:
                del self.mounts[part]
            case ["mount", _, mountpoint] if mountpoint in self.mounts.values():
                return f"mount: {mountpoint}: something is mounted there"
            case ["mount", part, mountpoint]:
                self.mounts[part] = mountpoint
            case ["dd", *_] | ["udevadm", *_] | ["ledctl", *_] | ["sync"]:
                return None
            case ["sfdisk", _, _, disk]:
                self._partition(disk, stdin or "")
            case ["grub-install", _, disk]:
                self._own(disk).grub = True
            case ["wipefs", "--all", what]:
                self._wipe(what)
            case _:
                raise Harm(f"an unknown command: {argv}")
        return None

    def _fail(self, array: SimArray, member: str) -> None:
        in_sync = [m for m in array.slots if m and m != array.rebuilding]
        if in_sync == [member]:
            raise Harm(f"{member} is the last one of {array}")
        array.slots[array.slots.index(member)] = None
        array.faulty.append(member)
        if array.spares:
            array.slots[array.slots.index(None)] = array.rebuilding = array.spares.pop()
            array.looks_left = self.rebuild_looks

    @staticmethod
    def _remove(array: SimArray, member: str) -> None:
        if member not in array.faulty:
            raise Harm(f"{member} is not faulty")
        array.faulty.remove(member)

    def _add(self, array: SimArray, member: str) -> None:
        disk = self._own(member)
        if _number(member) not in disk.parts:
            raise Harm(f"there is no {member}")
        disk.holds[_number(member)] = "linux_raid_member"
        if None in array.slots:
            array.slots[array.slots.index(None)] = array.rebuilding = member
            array.looks_left = self.rebuild_looks
        else:
            array.spares.append(member)

    def _delete(self, name: str) -> None:
        used = [m for a in self.arrays.values() for m in [*a.slots, *a.faulty] if m and _disk(m) == name]
        used += [part for part in (*self.swaps, *self.mounts) if _disk(part) == name]
        if used:
            raise Harm(f"{name} is in use: {used}")
        self.still_in[name] = self.disks.pop(name)
        self.unreadable.discard(name)

    def _partition(self, name: str, script: str) -> None:
        disk = self._own(name)
        if disk.parts or disk.signature:
            raise Harm(f"{name} has data")
        if "label-id" in script or "uuid" in script:
            raise Harm("identifiers of another disk")
        for number, size, kind in re.findall(r"^(\d+) : .*size=(\d+), type=(\w+)", script, re.MULTILINE):
            disk.parts[int(number)] = int(size)
            if kind == "ef":
                disk.esps.add(int(number))

    def _wipe(self, what: str) -> None:
        disk = self._own(what)
        if what in self.disks:
            disk.parts, disk.holds, disk.signature = {}, {}, None
        else:
            disk.holds.pop(_number(what), None)

    def _fat(self, part: str) -> tuple[str, str] | None:
        return self.disks[_disk(part)].fats.get(_number(part))

    def _write_fat(self, part: str, fat: tuple[str, str]) -> None:
        if part in self.mounts:
            raise Harm(f"{part} is mounted")
        disk = self._own(part)
        if _number(part) not in disk.esps:
            raise Harm(f"{part} is no EFI system partition")
        disk.fats[_number(part)] = fat
        disk.holds[_number(part)] = "vfat"

    def _own(self, name: str) -> SimDisk:
        """The disk that may be written to: anything else is harm."""
        disk = self.disks[_disk(name)]
        if disk.serial not in self.may_write:
            raise Harm(f"{name} (serial {disk.serial}) must not be written to")
        return disk


def _disk(name: str) -> str:
    return name.rstrip("0123456789")


def _number(name: str) -> int:
    return int(name[len(_disk(name)) :])


def two_disks() -> SimMachine:
    """Two mirrored disks: md0, md1, swap on each, a boot loader on each."""

    def disk(serial: str, target: int) -> SimDisk:
        holds = {1: "linux_raid_member", 2: "linux_raid_member", 3: "swap"}
        parts = {1: 1_000_000, 2: 500_000, 3: 100_000}
        return SimDisk(serial, f"0:0:{target}:0", parts=parts, holds=holds, grub=True)

    return SimMachine(
        disks={"sda": disk("OLD-A", 0), "sdb": disk("OLD-B", 1)},
        arrays={"md0": SimArray("0:0:0:c0de", ["sda1", "sdb1"]), "md1": SimArray("0:0:0:c1de", ["sda2", "sdb2"])},
        swaps={"sda3", "sdb3"},
        may_write={"NEW-A"},
    )


def two_disks_with_esps() -> SimMachine:
    """The same with an EFI system partition on each, called by its own volume id; that of sda is mounted."""
    machine = two_disks()
    for name, volume in (("sda", "C0DE000A"), ("sdb", "C0DE000B")):
        disk = machine.disks[name]
        disk.parts[4], disk.holds[4], disk.fats[4] = 30_000, "vfat", (volume, "a loader")
        disk.esps.add(4)
    machine.mounts["sda4"] = "/boot/efi"
    return machine
