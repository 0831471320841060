"""The lab as a table."""

from lab import daemons, network, storage, stores
from lab.host import init_of
from lab.place import Lab
from lab.process_table import guest_of, processes_in
from lab.topology import Host, Role

NEXT = """\
try:  lab shell                          a shell on the management side (lab shell kvm01: on a node)
      lab run -- create_guest web1 --zone east --image tiny --start
      lab fault power-off kvm02          and then look again; `lab fault clear` undoes every fault
      lab down                           leaves nothing behind
"""


def table(lab: Lab) -> str:
    """What there is, a line a host, and the faults that are in force."""
    rows = [("HOST", "ADDRESS", "DAEMONS", "STORES", "GUESTS")]
    rows += [row(lab, host) for host in lab.topology.hosts]
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows]
    lines += [f"link cut: {one} - {other}" for one, other in network.cuts(lab)]
    if init_of(lab, lab.topology.storage):
        lines += [f"store full: {zone.name}" for zone in lab.topology.zones if storage.is_full(lab, zone)]
    return "\n".join(lines) + "\n"


def row(lab: Lab, host: Host) -> tuple[str, str, str, str, str]:
    address = host.address if host.role is not Role.SWITCH else "-"
    init = init_of(lab, host)
    if init is None:
        return (host.name, address, "no power", "-", "-")
    mounted = [f"{which.zone}{note(lab, host, which)}" for which in stores.mounts_of(lab, host)]
    guests = [guest for process in processes_in(init) if (guest := guest_of(process.argv))]
    running = [f"{name}{state(lab, host, name)}" for name in daemons.DAEMONS_OF[host.role]]
    return (host.name, address, ", ".join(running) or "-", ", ".join(mounted) or "-", ", ".join(guests) or "-")


def note(lab: Lab, host: Host, which: stores.Mount) -> str:
    return "" if stores.is_mounted(lab, host, which) else " (not mounted)"


def state(lab: Lab, host: Host, daemon: str) -> str:
    found = daemons.find(lab, host, daemon)
    if not found:
        return " (dead)"
    return " (frozen)" if any(process.stopped for process in found) else ""
