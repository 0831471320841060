"""What no tool gets below, on this machine: run on the lab's management side, where bench.rows.FLOORS made connections.

Prints a JSON object: what -> milliseconds. Guests of other rows are used (blank, moving), and are left as they were.
"""

import json
import statistics
import subprocess  # noqa: TID251 (a stopwatch of its own, with nothing between it and the process)
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from xml.etree import ElementTree

import libvirt  # noqa: TID251 (the floor is libvirt itself, without any tool)

ROUNDS = 9
TWENTY = 20
MOVE = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE


def main() -> None:
    first, second = (libvirt.open(f"qemu+unix:///system?socket=/run/floors-{node}") for node in NODES[:2])
    json.dump(dict(floors(first, second)), sys.stdout)


def floors(first: Any, second: Any) -> Iterator[tuple[str, float]]:
    yield "Python's start", median_of(lambda: spent(["/usr/bin/python3", "-I", "-S", "-c", "pass"]))
    yield "and its import of libvirt", median_of(lambda: spent(["/usr/bin/python3", "-I", "-c", "import libvirt"]))
    yield "an ssh connection made, one", median_of(lambda: spent(ssh_to("kvm01")))
    yield "and three at once", median_of(lambda: at_once([partial(run, ssh_to(node)) for node in NODES]))
    yield "a command over one that is there", median_of(lambda: spent(["ssh", *REUSED, "kvm01", "true"]))
    yield (
        "the states of a node's guests (one call, libvirt open)",
        median_of(lambda: timed(lambda: first.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)), 50),
    )
    blank = first.lookupByName("blank")
    if blank.isActive():
        blank.destroy()
    yield "virDomainCreate of one guest", median_of(lambda: started([blank]))
    moving = first.lookupByName("moving")
    twins = [first.defineXML(twin_of(moving, number)) for number in range(TWENTY)]
    yield (
        "virDomainCreate of twenty as create_guest makes them, at once",
        median_of(lambda: started(twins), 3),
    )
    for twin in twins:
        twin.undefine()
    yield "virDomainMigrate3 of one guest, less QEMU's job", median_of(lambda: moved(first, second), 5)


NODES = ("kvm01", "kvm02", "kvm03")
REUSED = ("-o", "ControlPath=/run/floors-kvm01.ctl")


def ssh_to(node: str) -> list[str]:
    return ["ssh", "-o", "ControlPath=none", node, "true"]


def run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def spent(argv: list[str]) -> float:
    return timed(lambda: run(argv))


def timed(deed: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    deed()
    return 1000 * (time.perf_counter() - begun_s)


def at_once(deeds: Sequence[Callable[[], object]]) -> float:
    with ThreadPoolExecutor(len(deeds)) as pool:
        return timed(lambda: [done.result() for done in [pool.submit(deed) for deed in deeds]])


def median_of(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return round(statistics.median(measure() for _ in range(rounds)), 1)


def started(guests: list[Any]) -> float:
    """How long it takes to start them; then their plugs are pulled."""
    took_ms = at_once([guest.create for guest in guests])
    for guest in guests:
        guest.destroy()
    time.sleep(0.5)
    return took_ms


def twin_of(guest: Any, number: int) -> str:
    """The same guest under a name of its own, without its disks; its UUID and MAC libvirt makes."""
    root: Any = ElementTree.fromstring(guest.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    root.find("name").text = f"twin{number}"
    root.remove(root.find("uuid"))
    devices = root.find("devices")
    for disk in devices.findall("disk"):
        devices.remove(disk)
    for interface in devices.findall("interface"):
        interface.remove(interface.find("mac"))
    return ElementTree.tostring(root, encoding="unicode")


def moved(first: Any, second: Any) -> float:
    """What moving `moving` there takes beyond the job; then it moves back."""
    took_ms = timed(lambda: first.lookupByName("moving").migrate3(second, {}, MOVE))
    there = second.lookupByName("moving")
    job_ms = there.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["time_elapsed"]
    there.migrate3(first, {}, MOVE)
    return took_ms - float(job_ms)


if __name__ == "__main__":
    main()
