"""The one folder a lab lives in, and the lock that lets one command at a time change it."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.topology import DEFAULT, Host, Topology, Zone

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_FOLDER = "/var/lib/vme-lab"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab: its folder and what it consists of."""

    folder: Path
    topology: Topology

    @property
    def cache(self) -> Path:
        """What survives `down`: keys, capabilities, images of guests."""
        return self.folder / "cache"

    @property
    def logs(self) -> Path:
        """The logs of the last run."""
        return self.folder / "log"

    @property
    def up_mark(self) -> Path:
        """Exists from the end of `up` until the begin of `down`."""
        return self.folder / "up"

    def home_of(self, host: Host) -> Path:
        return self.folder / host.name

    def log_of(self, host: Host) -> Path:
        return self.logs / host.name

    def pid_file_of(self, host: Host) -> Path:
        return self.home_of(host) / "pid"

    def host(self, name: str) -> Host:
        """The host of that name. Raise LabError if there is none."""
        for host in self.topology.hosts:
            if host.name == name:
                return host
        raise LabError(f"no host {name!r} in this lab", hint=f"there are: {names(self.topology.hosts)}")

    def node(self, name: str) -> Host:
        """The node of that name. Raise LabError if the host is something else."""
        host = self.host(name)
        if host not in self.topology.nodes:
            raise LabError(f"{name} is no node", hint=f"nodes are: {names(self.topology.nodes)}")
        return host

    def zone(self, name: str) -> Zone:
        """The zone of that name. Raise LabError if there is none."""
        for zone in self.topology.zones:
            if zone.name == name:
                return zone
        raise LabError(f"no zone {name!r}", hint=f"there are: {', '.join(zone.name for zone in self.topology.zones)}")


def names(hosts: tuple[Host, ...]) -> str:
    return ", ".join(host.name for host in hosts)


def default_lab() -> Lab:
    """The lab in $VME_LAB_DIR."""
    return Lab(Path(os.environ.get("VME_LAB_DIR") or DEFAULT_FOLDER).resolve(), DEFAULT)


@contextlib.contextmanager
def locked(lab: Lab, patience_s: float = 30) -> Iterator[None]:
    """Hold the lab's lock. Raise LabError if another command keeps it longer than our patience."""
    lab.folder.mkdir(parents=True, exist_ok=True)
    with (lab.folder / "lock").open("a+") as lock:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    lock.seek(0)
                    raise LabError(f"another command changes this lab (process {lock.read().strip()})") from None
                time.sleep(0.05)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
