"""What /proc says: which processes there are, whose they are, what state they are in.

Read from outside the hosts, so all pids are the machine's.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# In the environment of every process the lab starts: the folder and the host it belongs to.
MARK = "VME_LAB_HOST"
INTERPRETERS = ("python", "sh", "bash", "dash", "perl")


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was a moment ago."""

    pid: int
    parent: int
    state: str
    started: str
    argv: tuple[str, ...]

    @property
    def stopped(self) -> bool:
        return self.state == "T"

    def is_called(self, name: str) -> bool:
        """Whether its program, or the script its interpreter runs, has this name."""
        # sshd writes what it does over its command line: "sshd: /usr/sbin/sshd [listener] ...", all in one word.
        given = [self.argv[0].partition(": ")[0], *self.argv[1:]]
        if Path(given[0]).name.rstrip("0123456789.") in INTERPRETERS:
            # What follows -c is the program itself; then come its clone and its name, as our launcher in bin/ has it.
            given = given[given.index("-c") + 3 :] if "-c" in given else [word for word in given if word[:1] != "-"][1:]
        return [Path(word).name for word in given[:1]] == [name]

    def is_guest(self, name: str) -> bool:
        return guest_of(self.argv) == name


def guest_of(argv: tuple[str, ...]) -> str | None:
    """The guest's name, if this is the command line of its QEMU as libvirt writes it."""
    if not argv or not Path(argv[0]).name.startswith("qemu-system-") or "-name" not in argv[:-1]:
        return None
    for option in argv[argv.index("-name") + 1].split(","):
        if option.startswith("guest="):
            return option.removeprefix("guest=")
    return None


def look_at(pid: int) -> Process | None:
    """What the process is now, or nothing if it has gone. A zombie has gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    argv = tuple(os.fsdecode(word) for word in command_line.rstrip(b"\0").split(b"\0"))
    return Process(pid, int(fields[1]), fields[0], fields[19], argv)


def all_pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def pid_namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def processes_in(namespace_of: int) -> list[Process]:
    """All processes in the pid namespace of this one."""
    wanted = pid_namespace(namespace_of)
    if wanted is None:
        return []
    found = (look_at(pid) for pid in all_pids() if pid_namespace(pid) == wanted)
    return [process for process in found if process]


def environment_mark(pid: int) -> str | None:
    """FOLDER/HOST, if the lab started this process."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    prefix = MARK.encode() + b"="
    for entry in environment.split(b"\0"):
        if entry.startswith(prefix):
            return os.fsdecode(entry.removeprefix(prefix))
    return None
