"""What a node is as a place for a guest that moves: virConnectGetCapabilities and a few calls that touch no guest."""

from vme.errors import Silent
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.domain_xml import parse
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.records import dataclass


@dataclass(frozen=True)
class HostCpu:
    """The processors of a node as libvirt knows them."""

    model: str
    vendor: str
    features: frozenset[str]


@dataclass(frozen=True)
class Host:
    """A node's answer. `uid` and `gid` are those its QEMU runs as, None if libvirt does not say; pages are in KiB.

    `host_name` is what the node tells others to connect to when a guest comes. `networks` are libvirt's: name -> runs.
    """

    host_name: str
    cpu: HostCpu
    uid: int | None
    gid: int | None
    free_pages: dict[int, int]
    networks: dict[str, bool]


@dataclass(frozen=True)
class Wanted:
    """What a guest needs of an emulator: its path, architecture, machine type and `kvm` or `qemu`; its CPU's XML."""

    emulator: str | None
    arch: str | None
    machine: str | None
    virt_type: str | None
    cpu: str | None


@dataclass(frozen=True)
class Fit:
    """What a node's libvirt says to a guest's needs: why the machine type or the CPU won't do, None if it will."""

    machine_problem: str | None
    cpu_problem: str | None
    tpm_emulator: bool


def host_of(hypervisor: Hypervisor) -> Host:
    """Ask a node about itself: five calls."""
    connection = hypervisor.libvirt
    with translated(hypervisor.node.name):
        text = connection.getCapabilities()
        host_name = connection.getHostname()
        networks = {network.name(): bool(network.isActive()) for network in connection.listAllNetworks()}
        root = parse(text)
        sizes = sorted({int(page.get("size", "0")) for page in root.iterfind("host/cpu/pages")})
        cells = [int(cell.get("id", "0")) for cell in root.iterfind("host/topology/cells/cell")] or [0]
        free = connection.getFreePages(sizes, min(cells), len(cells)) if sizes else {}
    uid, gid = read_qemu_user(text)
    pages = {size: sum(cell.get(size, 0) for cell in free.values()) for size in sizes}
    return Host(host_name, read_host_cpu(text), uid, gid, pages, networks)


def read_host_cpu(capabilities: str) -> HostCpu:
    """The processors in libvirt's formatcaps."""
    root = parse(capabilities)
    features = frozenset(feature.get("name", "") for feature in root.iterfind("host/cpu/feature"))
    return HostCpu(root.findtext("host/cpu/model", ""), root.findtext("host/cpu/vendor", ""), features)


def read_qemu_user(capabilities: str) -> tuple[int | None, int | None]:
    """Whose QEMUs are, as the dac driver's base label in libvirt's formatcaps tells it: `+64055:+108`."""
    for model in parse(capabilities).iterfind("host/secmodel"):
        if model.findtext("model") == "dac":
            uid, _, gid = model.findtext("baselabel", "").replace("+", "").partition(":")
            if uid.isdigit() and gid.isdigit():
                return int(uid), int(gid)
    return None, None


def fit_of(hypervisor: Hypervisor, wanted: Wanted) -> Fit:
    """Ask whether a node's emulator has the machine type and can give the CPU (virConnectCompareHypervisorCPU)."""
    emulator, arch, machine, virt_type = wanted.emulator, wanted.arch, wanted.machine, wanted.virt_type
    flags = libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
    connection = hypervisor.libvirt
    try:
        text = connection.getDomainCapabilities(emulator, arch, machine, virt_type)
    except libvirt.libvirtError as error:
        return Fit(_refusal(error, hypervisor), None, tpm_emulator=True)
    tpm = any(
        value.text == "emulator" for value in parse(text).iterfind("devices/tpm/enum[@name='backendModel']/value")
    )
    try:
        if wanted.cpu is not None:
            connection.compareHypervisorCPU(emulator, arch, machine, virt_type, wanted.cpu, flags)
    except libvirt.libvirtError as error:
        return Fit(None, _refusal(error, hypervisor), tpm)
    return Fit(None, None, tpm)


def _refusal(error: "libvirt.libvirtError", hypervisor: Hypervisor) -> str:
    """What libvirt said against it. Raises Silent where it said nothing, but the connection broke."""
    from vme.hypervisor.error_classes import as_vme_error

    problem = as_vme_error(error, hypervisor.node.name)
    if isinstance(problem, Silent):
        raise problem from error
    return error.get_error_message() or "no reason given"
