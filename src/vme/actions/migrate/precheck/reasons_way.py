"""What speaks against a destination because of the way to it: its name, and a port for the guest's memory. Pure."""

from collections.abc import Iterator

from vme.actions.migrate.precheck.offers import Offer
from vme.actions.migrate.precheck.reason import Reason
from vme.node.qemu_conf import QemuConf
from vme.node.sight import Reached


def endpoint_of(destination: Offer) -> str | None:
    """HOST:PORT to try from the source: where the destination lets itself be called, and a port of libvirt's range.

    The highest on which nobody listens: libvirt takes the lowest that is free, and who connects to a QEMU that waits
    for a guest takes the guest's place. None where the destination has not said.
    """
    if destination.told is None or destination.told.host is None or destination.sight is None:
        return None
    conf = destination.sight.conf or QemuConf()
    lowest, highest = conf.migration_ports
    free = next((port for port in range(highest, lowest - 1, -1) if port not in destination.sight.listening), None)
    return None if free is None else f"{conf.migration_host or destination.told.host.host_name}:{free}"


def reasons_of_way(source: Offer, destination: Offer, reached: dict[str, Reached]) -> Iterator[Reason]:
    """Whether the source reaches the destination as libvirt will try to."""
    here, node, endpoint = source.node.name, destination.node.name, endpoint_of(destination)
    if destination.told is None or destination.told.host is None or destination.sight is None:
        return  # its silence is said elsewhere
    conf = destination.sight.conf or QemuConf()
    lowest, highest = conf.migration_ports
    if endpoint is None:
        yield Reason("port", f"all ports from {lowest} to {highest} are in use on {node}", "wait for other migrations")
        return
    host, _, port = endpoint.rpartition(":")
    found = reached.get(endpoint)
    if found is None:
        yield Reason("port", f"whether {here} reaches {endpoint} could not be tried", warns=True)
    elif found.address is None:
        mend = f"add it to DNS or to /etc/hosts on {here}, or set migration_host in {node}'s qemu.conf"
        yield Reason("name", f"{here} does not know the name {host}, by which {node} lets itself be called", mend)
    elif _is_loopback(found.address):
        mend = f"mend /etc/hosts on {here}, or set migration_host in {node}'s qemu.conf"
        yield Reason("name", f"on {here} the name {host} of {node} means {here} itself ({found.address})", mend)
    elif not found.answers:
        mend = f"let {here} connect to {node} on the TCP ports {lowest} to {highest}"
        yield Reason("port", f"{here} can't reach port {port} of {host} ({found.said}), where memory would go", mend)


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"
