"""A host is the namespaces of one pid 1: switched on when that starts, without power when it is killed."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from lab import run
from lab.errors import LabError
from lab.place import Lab
from lab.process_table import MARK, Process, look_at, processes_in
from lab.topology import Host

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
INIT = ("--", "tini", "--", "sleep", "infinity")
RUN_DIRECTORIES = {"run/lock": 0o1777, "run/sshd": 0o755, "run/gluster": 0o755, "run/user/0": 0o700}


def switch_on(lab: Lab, host: Host) -> int:
    """Give the host its namespaces, its name and its mounts. Return the pid of its pid 1. No cable is in it yet."""
    lab.log_of(host).mkdir(parents=True, exist_ok=True)
    log = console(lab, host)
    # tini reaps: under an init that doesn't, QEMUs that migrated away stay zombies, and libvirt waits 40 s for each.
    outer = run.start_detached(
        ["unshare", *NAMESPACES, "--fork", "--mount-proc", "--propagation", "private", *INIT],
        environment=environment_of(lab, host),
        log=log,
    )
    init = wait_for_init(outer, log)
    lab.pid_file_of(host).write_text(f"{init.pid} {init.started}\n")
    run.must(inside(init.pid, ["hostname", host.name]))
    # In its pid namespace too: without a /proc/self of its own, `mount` ignores every line, and says all went well.
    run.must(inside(init.pid, ["mount", "--all", "--fstab", str(lab.home_of(host) / "fstab")]))
    prove_private(lab, host, init.pid)
    for directory, mode in RUN_DIRECTORIES.items():
        path = root_of(init.pid) / directory
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    return init.pid


def prove_private(lab: Lab, host: Host, init: int) -> None:
    """Raise LabError, and kill the host, if one of its mounts isn't there: its daemons would write to the machine's."""
    for line in (lab.home_of(host) / "fstab").read_text().splitlines():
        target = Path(line.split()[1])
        here = root_of(init) / target.relative_to("/")
        if not here.exists() or (target.exists() and target.samefile(here)):
            os.kill(init, signal.SIGKILL)
            raise LabError(f"{host.name} has no {target} of its own, so it was not started")


def wait_for_init(outer: int, log: Path) -> Process:
    """The pid 1 that `unshare` has started, as soon as it is tini: before that its mounts aren't private yet."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        except OSError:
            break
        for child in children:
            process = look_at(int(child))
            if process and process.is_called("tini"):
                return process
        time.sleep(0.002)
    raise LabError("a host's namespaces could not be made", hint=f"see {log}")


def cut_power(lab: Lab, host: Host) -> None:
    """Kill everything on the host at once, and wait until its namespaces are empty."""
    init = init_of(lab, host)
    if init is None:
        return
    left = processes_in(init)
    os.kill(init, signal.SIGKILL)
    wait_until_gone(left)
    lab.pid_file_of(host).unlink(missing_ok=True)


def wait_until_gone(processes: Sequence[Process], timeout_s: float = 20) -> None:
    """Return when none of them exists any more. Raise LabError if one stays."""
    deadline = time.monotonic() + timeout_s
    while left := [process for process in processes if is_alive(process)]:
        if time.monotonic() > deadline:
            said = ", ".join(f"{process.pid} ({' '.join(process.argv)[:60]})" for process in left)
            raise LabError(f"killed, but still there after {timeout_s:g} s: {said}")
        time.sleep(0.005)


def is_alive(process: Process) -> bool:
    now = look_at(process.pid)
    return now is not None and now.started == process.started


def init_of(lab: Lab, host: Host) -> int | None:
    """The pid of the host's pid 1, or nothing if the host has no power."""
    try:
        pid, started = lab.pid_file_of(host).read_text().split()
    except (OSError, ValueError):
        return None
    # A pid comes back for another process one day; pid and start time together don't.
    process = look_at(int(pid))
    return process.pid if process and process.started == started else None


def powered(lab: Lab, host: Host) -> int:
    """The pid of the host's pid 1. Raise LabError if the host has no power."""
    init = init_of(lab, host)
    if init is None:
        raise LabError(f"{host.name} has no power", hint=f"`lab fault power-on {host.name}`, or `lab up`")
    return init


def inside(init: int, argv: Sequence[str]) -> list[str]:
    """The command line that runs this one on the host."""
    return ["nsenter", "-t", str(init), *NAMESPACES, "--", *argv]


def run_on(lab: Lab, host: Host, argv: Sequence[str], timeout_s: float = 60) -> run.Completed:
    """Run a command on a host to its end, whatever its status."""
    return run.run(inside(powered(lab, host), argv), timeout_s=timeout_s, environment=environment_of(lab, host))


def must_on(lab: Lab, host: Host, argv: Sequence[str], timeout_s: float = 60) -> str:
    """Run a command on a host, return what it printed. Raise LabError if its status isn't 0."""
    return run.must(inside(powered(lab, host), argv), timeout_s=timeout_s, environment=environment_of(lab, host))


def root_of(init: int) -> Path:
    """The host's root directory as seen from outside."""
    return Path(f"/proc/{init}/root")


def console(lab: Lab, host: Host) -> Path:
    return lab.log_of(host) / "console"


def environment_of(lab: Lab, host: Host) -> dict[str, str]:
    """What the host's daemons find in their environment: nothing of the caller's."""
    home = lab.home_of(host)
    return {"PATH": run.PATH, "HOME": str(home / "root"), "LANG": "C.UTF-8", MARK: str(home)}
