"""What can go wrong on purpose. Each fault has its opposite; `clear` undoes them all.

These are plain functions for tests; the command line's table of them is in fault_commands.py.
"""

import os
import signal
from functools import partial

from lab import daemons, network, storage, stores
from lab.host import init_of, wait_until_gone
from lab.lifecycle import mount_stores, power_off, power_on
from lab.parallel import for_each
from lab.place import Lab
from lab.process_table import processes_in
from lab.topology import Host, Role


def switch_off(lab: Lab, host: str) -> None:
    """Take a host's power: every process of it dies at once, and its peers hear nothing more."""
    power_off(lab, lab.host(host))


def switch_on(lab: Lab, host: str) -> None:
    """Give a host its power back, and wait until its daemons answer."""
    power_on(lab, lab.host(host))


def freeze(lab: Lab, host: str, process: str) -> None:
    """Stop a daemon, a guest's QEMU (`qemu:GUEST`) or a tool in mid-step: it neither answers nor ends."""
    send(lab, host, process, signal.SIGSTOP)


def thaw(lab: Lab, host: str, process: str) -> None:
    """Let what was frozen go on."""
    send(lab, host, process, signal.SIGCONT)


def kill(lab: Lab, host: str, process: str) -> None:
    """Kill a daemon, a guest's QEMU or a tool, and wait until it has gone."""
    victims = daemons.must_find(lab, lab.host(host), process)
    send(lab, host, process, signal.SIGKILL)
    wait_until_gone(victims)


def kill_qemu(lab: Lab, node: str, guest: str) -> None:
    """Kill a guest's QEMU on a node."""
    kill(lab, lab.node(node).name, f"qemu:{guest}")


def send(lab: Lab, host: str, process: str, number: signal.Signals) -> None:
    for found in daemons.must_find(lab, lab.host(host), process):
        os.kill(found.pid, number)


def start(lab: Lab, host: str, daemon: str) -> None:
    """Start a daemon that was killed, and wait until it answers."""
    daemons.start_daemon(lab, lab.host(host), daemon)


def cut(lab: Lab, one: str, other: str) -> None:
    """Swallow every frame between two hosts, in both directions, and between their guests."""
    network.cut(lab, lab.host(one), lab.host(other))


def heal(lab: Lab, one: str, other: str) -> None:
    """Let frames pass between two hosts again."""
    network.heal(lab, lab.host(one), lab.host(other))


def unmount(lab: Lab, host: str, zone: str | None = None) -> None:
    """Take a host's store away (on the management side all stores, or one zone's); open files stay open."""
    for which in stores.chosen(lab, lab.host(host), zone):
        stores.unmount(lab, lab.host(host), which)


def mount(lab: Lab, host: str, zone: str | None = None) -> None:
    """Mount a host's store again."""
    for which in stores.chosen(lab, lab.host(host), zone):
        stores.mount(lab, lab.host(host), which)


def fill(lab: Lab, zone: str) -> None:
    """Leave no block free in a zone's store."""
    storage.fill(lab, lab.zone(zone))


def free(lab: Lab, zone: str) -> None:
    """Give back what `fill` took."""
    storage.free(lab, lab.zone(zone))


def clear(lab: Lab) -> None:
    """Undo every fault: links, stores, power, frozen processes, daemons, mounts. Guests stay as they are."""
    for one, other in network.cuts(lab):
        network.heal(lab, lab.host(one), lab.host(other))
    # What is frozen first: a daemon that doesn't answer would hold up everything after it.
    for host in lab.topology.hosts:
        thaw_all(lab, host.name)
    storage_server = lab.topology.storage
    power_on(lab, storage_server)
    daemons.start_daemons(lab, storage_server)
    storage.revive_bricks(lab)
    for zone in lab.topology.zones:
        storage.free(lab, zone)
    for_each(lab.topology.hosts, partial(set_right, lab))


def thaw_all(lab: Lab, host: str) -> None:
    init = init_of(lab, lab.host(host))
    for process in processes_in(init) if init else ():
        if process.stopped:
            os.kill(process.pid, signal.SIGCONT)


def set_right(lab: Lab, host: Host) -> None:
    if host.role is not Role.SWITCH:
        power_on(lab, host)
    daemons.start_daemons(lab, host)
    mount_stores(lab, host)
    for which in stores.mounts_of(lab, host):
        stores.wait_for_store(lab, host, which)
