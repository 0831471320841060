"""What must be remembered of a replacement while the disk is out: one directory per job on the management server.

Everything else is read from the machine each time. The job is written before the machine is changed first, and moves to
`done` with its report when all is verified.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vme.errors import Failed, Refused
from vme.names import is_allowed
from vme.runtime import state_directory


@dataclass(frozen=True)
class OldDisk:
    """The disk that goes, as it was: `places` in /dev/disk/by-path, `slot` of the enclosure, `bay` for people."""

    name: str
    identity: str
    model: str | None
    size_bytes: int
    hctl: str | None
    places: tuple[str, ...]
    slot: str | None
    bay: str | None
    logical_bytes: int

    def __str__(self) -> str:
        return f"{self.name} ({' '.join(filter(None, (self.model, 'serial', self.identity)))})"


@dataclass(frozen=True)
class JobMember:
    """A member that the disk is of an array. `partition` is None where the whole disk is the member."""

    array_uuid: str
    array: str
    partition: int | None


@dataclass(frozen=True)
class Swap:
    """A swap area on the disk itself, in no array."""

    partition: int
    uuid: str | None
    used: bool


@dataclass(frozen=True)
class Esp:
    """An EFI system partition on the disk itself, in no array. `volume`: the id that the new one's FAT is to have."""

    partition: int
    volume: str
    label: str | None
    mountpoint: str | None


@dataclass(frozen=True)
class Job:
    """A replacement. `old` is None where the disk was gone before; `new` is the identity of the disk that was accepted.

    `table` is the partition table for the new disk, as sfdisk dumped it of `table_from`. `known` are the identities of
    all disks there were at the beginning: none of them is the new disk. `forced` are the refusals that were overridden.
    """

    machine: str
    device: str
    started: str
    old: OldDisk | None
    members: tuple[JobMember, ...]
    swaps: tuple[Swap, ...] = ()
    esps: tuple[Esp, ...] = ()
    bios_boot: bool = False
    table: str = ""
    table_from: str = ""
    known: tuple[str, ...] = ()
    new: str | None = None
    forced: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """What a message begins with."""
        return f"{self.device} on {self.machine}"

    @property
    def key(self) -> str:
        """The name of the job's directory."""
        return _as_file_name(self.old.identity if self.old else self.new or self.device)


def _as_file_name(identity: str) -> str:
    """A serial number comes from the disk: what may not be a name is written as hexadecimal."""
    return identity if is_allowed(identity) else "x" + identity.encode().hex()[:60]


def directory_of(job: Job) -> Path:
    return _open_jobs(job.machine) / job.key


def _open_jobs(machine: str) -> Path:
    return state_directory() / "replace_disk" / machine


def save(job: Job) -> None:
    """Write the job so that it is there whole, or as it was, whatever happens."""
    directory = directory_of(job)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    temporary = directory / ".job.json.new"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(asdict(job), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / "job.json")
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep(job: Job, name: str, text: str) -> None:
    """Put a file beside the job, such as the backup of a partition table; one that is there already stays."""
    file = directory_of(job) / name
    if not file.exists():
        file.write_text(text, encoding="utf-8")


def note(job: Job, line: str) -> None:
    """Add a line with the time to the job's log, from which the report is made."""
    with (directory_of(job) / "log").open("a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")


def log_of(job: Job) -> str:
    file = directory_of(job) / "log"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def open_jobs(machine: str) -> tuple[Job, ...]:
    """The replacements on a machine that were begun and not finished. Raises Failed for one that can't be read."""
    files = sorted(_open_jobs(machine).glob("*/job.json"))
    return tuple(_read(file) for file in files)


def finish(job: Job, report: str) -> Path:
    """Write the report and move the job's directory to where finished ones lie; returns the report's path."""
    directory = directory_of(job)
    (directory / "report.txt").write_text(report, encoding="utf-8")
    done = state_directory() / "replace_disk" / "done"
    done.mkdir(mode=0o750, exist_ok=True)
    target = done / f"{job.machine}-{job.key}-{job.started.replace(':', '')}"
    directory.rename(target)
    return target / "report.txt"


@contextmanager
def held(machine: str) -> Iterator[None]:
    """Hold a machine while its disk is replaced from this server. Raises Refused if another process holds it."""
    directory = _open_jobs(machine)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(handle)
        raise Refused(machine, ["another replace_disk works on it from this server"], hint="wait for its end") from None
    try:
        yield
    finally:
        os.close(handle)


def _read(file: Path) -> Job:
    try:
        return _from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as problem:
        raise Failed(f"{file} can't be read: {problem!r}", hint="it says where a replacement stands: mend it") from None


def _from_json(data: dict[str, Any]) -> Job:
    old = data["old"]
    job = Job(**(data | {"old": None}))
    return replace(
        job,
        old=OldDisk(**(old | {"places": tuple(old["places"])})) if old else None,
        members=tuple(JobMember(**member) for member in data["members"]),
        swaps=tuple(Swap(**swap) for swap in data["swaps"]),
        esps=tuple(Esp(**esp) for esp in data["esps"]),
        known=tuple(data["known"]),
        forced=tuple(data["forced"]),
    )
