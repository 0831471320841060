"""Which guests run where, by the process tables alone: tests' witness that asks no libvirt."""

import re
import time

from lab import dhcp
from lab.errors import LabError
from lab.host import init_of, run_on
from lab.place import Lab
from lab.process_table import all_pids, guest_of, look_at, pid_namespace, processes_in


def guests_running(lab: Lab) -> dict[str, list[str]]:
    """Each running guest's name, and the nodes with a QEMU of it: two during a migration, or after a disaster."""
    # One look at the machine's table: what each host has is told by the pid namespaces.
    namespaces = {pid_namespace(init): node.name for node in lab.topology.nodes if (init := init_of(lab, node))}
    found: dict[str, list[str]] = {}
    for pid in all_pids():
        process = look_at(pid)
        guest = guest_of(process.argv) if process else None
        node = namespaces.get(pid_namespace(pid)) if guest else None
        if guest and node:
            found.setdefault(guest, []).append(node)
    return found


def nodes_running(lab: Lab, guest: str) -> list[str]:
    """The nodes with a QEMU of this guest."""
    return guests_running(lab).get(guest, [])


def answering_address(lab: Lab, guest: str, patience_s: float = 60) -> str:
    """The guest's address, once it has one and its counter answers. Raise LabError if that takes too long."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            address = dhcp.guest_address(lab, mac_of(lab, guest))
        except LabError:
            time.sleep(0.1)
            continue
        # Patient: a slow guest counts a question that was given up as well, later, while it counts the next one.
        ask = f"echo are you there | timeout 20 busybox nc {address} 7"
        if run_on(lab, lab.topology.management, ["sh", "-c", ask], timeout_s=30).stdout:
            return address
        time.sleep(0.1)
    raise LabError(f"{guest} does not answer after {patience_s:g} s", hint="look at it: list_guests, console_guest")


def mac_of(lab: Lab, guest: str) -> str:
    """The address of the guest's first interface, as its QEMU was told. Raise LabError if none runs."""
    for node in lab.topology.nodes:
        init = init_of(lab, node)
        for process in processes_in(init) if init else ():
            found = re.search(r'"mac":"([0-9a-f:]{17})"', " ".join(process.argv)) if process.is_guest(guest) else None
            if found:
                return found[1]
    raise LabError(f"no guest {guest!r} runs")
