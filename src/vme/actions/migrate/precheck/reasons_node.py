"""What speaks against a destination: twins, memory, CPU, machine type, networks, versions, clocks. Pure."""

from collections.abc import Iterator

from vme.actions.migrate.precheck.needs import Needs
from vme.actions.migrate.precheck.offers import Offer, Told
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.placement import NOTHING_PROMISED, Promised, why_not_room
from vme.hypervisor.connection import reasons_not_to_change
from vme.hypervisor.host import Host, HostCpu
from vme.names import shown

# What NTP keeps apart; above it something is wrong.
_CLOCKS_APART_S = 2.0


def reasons_of_node(
    needs: Needs, source: Offer, destination: Offer, promised: Promised = NOTHING_PROMISED
) -> list[Reason]:
    """Everything that is known of the destination without its storage and the way to it."""
    found = [*_access(source), *_access(destination), *_clocks(source, destination)]
    found += _attachments(needs, destination)
    told = destination.told
    if told is None:
        return found
    found += [*_twins(needs, told), *_fit(needs, source, told)]
    # A stopped guest starts there one day, or not: with what room there is then, and a CPU made for it then.
    return [*found, *_room(needs, told, promised), *_versions(source, told)] if needs.live else found


def _access(offer: Offer) -> Iterator[Reason]:
    name = offer.node.name
    if offer.told is not None:
        for reason in reasons_not_to_change(offer.told.report.hypervisor):
            yield Reason("role", reason, "use a key of role operate")
    else:
        yield Reason("silent", f"{name} gives no answer ({offer.silence})", "see to it, or choose another node")
    if offer.sight is None and offer.told is not None:
        yield Reason("silent", f"{name} gives no answer by ssh ({offer.blindness})", "see to it: ssh must get there")


def _twins(needs: Needs, told: Told) -> Iterator[Reason]:
    guest, node = needs.guest, told.report.node.name
    for twin in told.report.guests:
        if guest.uuid != twin.uuid and guest.name != twin.name:
            continue
        same = "UUID" if twin.uuid == guest.uuid else "name"
        mend = (
            "look at both before anything else"
            if twin.active
            else f"if nothing needs it, undefine_guest {shown(twin.name)} --node {node}"
        )
        yield Reason("twin", f"{node} has a guest {twin.name!a} ({twin.state}) of the same {same} already", mend)


def _room(needs: Needs, told: Told, promised: Promised) -> Iterator[Reason]:
    if told.host is None or needs.guest.uuid not in told.fits:
        return  # it did not come so far in time, which is said elsewhere
    room = why_not_room(told.report, needs.memory_mib, promised)
    if room is not None:
        yield Reason("memory", room, "move or shut down guests there")
    node = told.report.node.name
    for asked_kib in needs.huge_pages_kib:
        size_kib = asked_kib or min((size for size in told.host.free_pages if size > 4), default=2048)
        free_mib = told.host.free_pages.get(size_kib, 0) * size_kib // 1024
        if free_mib < needs.memory_mib:
            text = f"{node} has {free_mib} MiB free in huge pages of {size_kib} KiB, not {needs.memory_mib} MiB"
            yield Reason("huge-pages", text, "reserve more there (vm.nr_hugepages)")


def _fit(needs: Needs, source: Offer, told: Told) -> Iterator[Reason]:
    node, fit = told.report.node.name, told.fits.get(needs.guest.uuid)
    if fit is None or told.host is None:
        yield Reason("silent", f"{node} did not say in time whether the guest fits it", "try again, or see to it")
        return
    if fit.machine_problem is not None:
        mend = "update QEMU there, or let the guest start anew with a machine type that both have"
        yield Reason("machine", f"{node} can't be its machine {needs.wanted.machine} ({fit.machine_problem})", mend)
    if fit.cpu_problem is not None:
        mend = "give it a CPU model that all nodes have (edit_guest), and start it anew"
        yield Reason("cpu", f"{node} can't give it its CPU ({fit.cpu_problem})", mend)
    if needs.tpm and not fit.tpm_emulator:
        yield Reason("tpm", f"{node} has no TPM emulator", "install swtpm there")
    here = source.told.host if source.told is not None else None
    if needs.live and needs.cpu_of_host and here is not None:
        yield from _same_cpu(here, told.host, source.node.name, node)


def _same_cpu(here: Host, there: Host, source: str, node: str) -> Iterator[Reason]:
    """A guest that was given the node's own CPU goes on with the other's, unnoticed, until it uses what is missing."""
    if here.cpu == there.cpu:
        return
    missing = sorted(here.cpu.features - there.cpu.features)
    lack = f", without {', '.join(missing[:5])}" if missing else ""
    text = f"it has {source}'s own CPU ({_cpu(here.cpu)}), and {node}'s is another ({_cpu(there.cpu)}{lack})"
    yield Reason("cpu", text, "give it a CPU model that all nodes have (edit_guest), and start it anew")


def _cpu(cpu: HostCpu) -> str:
    return f"{cpu.vendor} {cpu.model}".strip() or "unknown"


def _versions(source: Offer, told: Told) -> Iterator[Reason]:
    if source.told is None:
        return
    here, there, node = source.told.report.facts, told.report.facts, told.report.node.name
    for what, old, new in (
        ("QEMU", there.qemu_version, here.qemu_version),
        ("libvirt", there.libvirt_version, here.libvirt_version),
    ):
        if _numbers(old) < _numbers(new):
            text = (
                f"{node} has an older {what} ({old}) than {source.node.name} ({new}); that such a move works is likely"
            )
            yield Reason("version", f"{text}, not promised", "update the nodes, newest first", warns=True)


def _attachments(needs: Needs, destination: Offer) -> Iterator[Reason]:
    node, sight = destination.node.name, destination.sight
    if sight is not None:
        for bridge in sorted(needs.bridges - sight.bridges):
            yield Reason("bridge", f"{node} has no bridge {shown(bridge)}", "make it there as on the other nodes")
        for link in sorted(needs.links - sight.links):
            yield Reason("bridge", f"{node} has no network interface {shown(link)}", "make it there")
    host = destination.told.host if destination.told is not None else None
    if host is None:
        return
    for network in sorted(needs.networks):
        if network not in host.networks:
            yield Reason("network", f"{node} has no libvirt network {shown(network)}", "define it there (net-define)")
        elif needs.live and not host.networks[network]:
            yield Reason(
                "network", f"libvirt's network {shown(network)} is off on {node}", f"net-start {shown(network)}"
            )


def _clocks(source: Offer, destination: Offer) -> Iterator[Reason]:
    if source.sight is None or destination.sight is None:
        return
    here_s, there_s = source.sight.clock_ahead_s, destination.sight.clock_ahead_s
    if here_s is None or there_s is None or abs(there_s - here_s) <= _CLOCKS_APART_S:
        return
    text = f"the clocks of {source.node.name} and {destination.node.name} are {abs(there_s - here_s):.0f} s apart"
    yield Reason("clocks", f"{text} (a migration bears that)", "set up NTP on both", warns=True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
