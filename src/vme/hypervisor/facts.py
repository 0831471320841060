"""Facts of a node that libvirt tells: memory, CPUs, versions."""

from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.translation import translated
from vme.records import dataclass


@dataclass(frozen=True)
class NodeFacts:
    """A node as libvirt describes it. Versions are as people write them: 9.0.0."""

    cpus: int
    memory_mib: int
    libvirt_version: str
    qemu_version: str
    memory_used_mib: int | None = None


@dataclass(frozen=True)
class CpuTime:
    """How long a node's CPUs, all together, have worked and been there since it was booted."""

    busy_s: float
    all_s: float


def facts_of(hypervisor: Hypervisor) -> NodeFacts:
    """Ask virNodeGetInfo, virNodeGetMemoryStats and the two versions: four calls that touch no guest.

    The memory is what the node's kernel calls MemTotal; virNodeGetInfo's own figure misses memory that was added later.
    """
    with translated(hypervisor.node.name):
        _model, _memory_mib, cpus, *_rest = hypervisor.libvirt.getInfo()
        memory = hypervisor.libvirt.getMemoryStats(-1)
        library = hypervisor.libvirt.getLibVersion()
        emulator = hypervisor.libvirt.getVersion()
    return NodeFacts(cpus, memory["total"] // 1024, _version(library), _version(emulator), _used_mib(memory))


def cpu_time_of(hypervisor: Hypervisor) -> CpuTime:
    """Ask virNodeGetCPUStats, which touches no guest."""
    with translated(hypervisor.node.name):
        stats = hypervisor.libvirt.getCPUStats(-1)
    busy_ns, idle_ns = stats["kernel"] + stats["user"], stats["idle"] + stats.get("iowait", 0)
    return CpuTime(busy_ns / 1e9, (busy_ns + idle_ns) / 1e9)


def _used_mib(memory: dict[str, int]) -> int:
    """What is neither free nor a cache that gives way, of figures in KiB (virNodeGetMemoryStats)."""
    free_kib = memory.get("free", 0) + memory.get("buffers", 0) + memory.get("cached", 0)
    return max(0, memory["total"] - free_kib) // 1024


def _version(number: int) -> str:
    """libvirt packs 9.0.0 as 9000000."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
