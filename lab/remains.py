"""What a lab left behind, and clearing it away: used by `down`, and by `up` after a crash."""

import os
import shutil
import signal
import time
from dataclasses import dataclass, fields
from pathlib import Path

from lab.errors import LabError
from lab.host import wait_until_gone
from lab.place import Lab
from lab.process_table import Process, all_pids, environment_mark, look_at, pid_namespace
from lab.topology import GUESTS, LAN

# What `down` doesn't remove from the folder.
KEPT = ("cache", "log", "lock")


@dataclass(frozen=True, slots=True)
class Remains:
    """Everything of a lab that still exists on the machine."""

    processes: tuple[str, ...]
    mounts: tuple[str, ...]
    loop_devices: tuple[str, ...]
    links: tuple[str, ...]
    files: tuple[str, ...]

    def sentences(self) -> list[str]:
        kinds = [(field.name.replace("_", " "), getattr(self, field.name)) for field in fields(self)]
        return [f"{kind}: {', '.join(found)}" for kind, found in kinds if found]


def look_for_remains(lab: Lab) -> Remains:
    """All that is left of the lab. Namespaces live as long as a process or a mount holds them: those are looked for."""
    return Remains(
        processes=tuple(f"{process.pid} ({' '.join(process.argv)[:60]})" for process in own_processes(lab)),
        mounts=tuple(own_mounts(lab)),
        loop_devices=tuple(own_loop_devices(lab)),
        links=tuple(own_links(lab)),
        files=tuple(own_files(lab)),
    )


def clear_away(lab: Lab) -> None:
    """Kill what runs of the lab, wait until the kernel has let go of mounts and loop devices, remove the files.

    All pids 1 die at once: a process that waits for a dead FUSE mount wakes up when the mount's own process is killed.
    """
    for _round in range(3):
        processes = own_processes(lab)
        for process in processes:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until_gone(processes)
        if not processes:
            break
    deadline = time.monotonic() + 20
    while held := own_mounts(lab) + own_loop_devices(lab):
        if time.monotonic() > deadline:
            raise LabError(f"still there 20 s after the last process: {', '.join(held)}")
        time.sleep(0.01)
    for name in own_files(lab):
        path = lab.folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def own_processes(lab: Lab) -> list[Process]:
    """The lab's processes: those that bear its mark, and all that live in the same pid namespaces."""
    ours = pid_namespace(os.getpid())
    hosts = {str(lab.home_of(host)) for host in lab.topology.hosts}
    namespaces, marked = set(), set()
    candidates = {pid: pid_namespace(pid) for pid in all_pids()}
    for pid in candidates:
        if environment_mark(pid) in hosts:
            marked.add(pid)
            namespaces.add(candidates[pid])
    namespaces -= {ours, None}
    found = (look_at(pid) for pid, namespace in candidates.items() if pid in marked or namespace in namespaces)
    return [process for process in found if process]


def own_mounts(lab: Lab) -> list[str]:
    """Mounts below the folder in the machine's own namespace: there never are any, unless something went very wrong."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in table if Path(line.split()[4]).is_relative_to(lab.folder)]


def own_loop_devices(lab: Lab) -> list[str]:
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if backing.read_text().startswith(f"{lab.folder}/"):
                found.append(f"/dev/{backing.parent.parent.name}")
        except OSError:
            continue
    return found


def own_links(lab: Lab) -> list[str]:
    """Interfaces of the lab in the machine's own network namespace: there never are any."""
    ports = {host.port(network) for host in lab.topology.hosts for network in (LAN, GUESTS)}
    return sorted(ports.intersection(link.name for link in Path("/sys/class/net").iterdir()))


def own_files(lab: Lab) -> list[str]:
    if not lab.folder.is_dir():
        return []
    return sorted(entry.name for entry in lab.folder.iterdir() if entry.name not in KEPT)
