"""/proc/mdstat: every array of a machine in one file. Format: md(4) and drivers/md/md.c of Linux."""

import re

from vme.records import dataclass

# `sda1[0]`, `sdb1[2](F)`, `nvme0n1p2[1](W)(S)`
_MEMBER = re.compile(r"(?P<name>[^\s\[]+)\[(?P<number>\d+)\](?P<flags>(?:\([A-Z]\))*)")
_MAP = re.compile(r"\[(?P<total>\d+)/(?P<working>\d+)\] \[(?P<map>[U_]+)\]")
_PROGRESS = re.compile(
    r"(?P<kind>recovery|resync|reshape|check|repair)\s*=\s*(?P<percent>[\d.]+)%\s+\((?P<done>\d+)/(?P<all>\d+)\)"
    r"(?:\s+finish=(?P<finish>[\d.]+)min)?(?:\s+speed=(?P<speed>\d+)K/sec)?"
)
_WAITING = re.compile(r"(?P<kind>recovery|resync|reshape|check|repair)\s*=\s*(?:DELAYED|PENDING|REMOTE)")


@dataclass(frozen=True)
class MdMember:
    """A block device in an array as mdstat names it: `sda1`. Flags: F faulty, S spare, W write-mostly, R, J."""

    name: str
    flags: str

    @property
    def faulty(self) -> bool:
        return "F" in self.flags


@dataclass(frozen=True)
class Progress:
    """What an array is doing to itself. `percent` is None while it waits for its turn."""

    kind: str
    percent: float | None
    remaining_s: float | None = None
    rate_kib_s: int | None = None


@dataclass(frozen=True)
class MdArray:
    """One array. `map` has a U for each member that works and a _ for each that is missing; empty if it is inactive."""

    name: str
    active: bool
    read_only: bool
    level: str
    members: tuple[MdMember, ...]
    map: str
    progress: Progress | None
    bitmap: bool

    @property
    def degraded(self) -> bool:
        return "_" in self.map


def parse_mdstat(text: str) -> tuple[MdArray, ...]:
    """The arrays of a /proc/mdstat, in its order."""
    arrays = []
    block: list[str] = []
    for line in [*text.splitlines(), "unused"]:
        if line[:1].isspace() and block:
            block.append(line)
            continue
        if block:
            arrays.append(_parse_array(block))
        block = [line] if re.match(r"md\S* : ", line) else []
    return tuple(arrays)


def _parse_array(lines: list[str]) -> MdArray:
    name, _, rest = lines[0].partition(" : ")
    members = tuple(
        MdMember(found["name"], found["flags"].replace("(", "").replace(")", "")) for found in _MEMBER.finditer(rest)
    )
    words = re.sub(r"\([^)]*\)", "", rest.split(members[0].name + "[")[0] if members else rest).split()
    details = "\n".join(lines[1:])
    working = _MAP.search(details)
    return MdArray(
        name=name,
        active=words[:1] == ["active"],
        read_only="read-only)" in rest,  # `(read-only)` and `(auto-read-only)`
        level=words[1] if len(words) > 1 else "",
        members=members,
        map=working["map"] if working else "",
        progress=_parse_progress(details),
        bitmap="bitmap:" in details,
    )


def _parse_progress(text: str) -> Progress | None:
    found = _PROGRESS.search(text)
    if found:
        finish, speed = found["finish"], found["speed"]
        return Progress(
            found["kind"],
            float(found["percent"]),
            float(finish) * 60 if finish else None,
            int(speed) if speed else None,
        )
    waiting = _WAITING.search(text)
    return Progress(waiting["kind"], None) if waiting else None
