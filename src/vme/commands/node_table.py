"""The columns of node_list."""

from typing import Any

from vme.commands.listing import Table, mib_text, percent_text, rate_text
from vme.config import Node
from vme.fleet.everywhere import Answer
from vme.fleet.report import NodeReport
from vme.report import Column

RATES = "rates"


def _load_text(load: float) -> str:
    return f"{load:.2f}"


NODE = Column("node", "NODE", meaning="the node's name")
TABLE = Table(
    (
        NODE,
        Column("zone", "ZONE", meaning="the zone it is in"),
        Column("state", "STATE", meaning="up, slow (not all was told in time) or silent"),
        Column("running", "RUNNING", right=True, meaning="guests that have a QEMU"),
        Column("guests", "GUESTS", right=True, meaning="guests that are defined or run"),
        Column("cpus", "CPUS", right=True, meaning="its CPUs"),
        Column("allocated_vcpus", "VCPUS", right=True, meaning="virtual CPUs of the guests that run"),
        Column("memory_mib", "MEMORY", mib_text, right=True, meaning="its memory, in MiB"),
        Column("allocated_mib", "ALLOCATED", mib_text, right=True, meaning="memory promised to those guests, in MiB"),
        Column(
            "available_mib",
            "AVAILABLE",
            mib_text,
            right=True,
            meaning="memory that can be promised to one more guest: all less the reserve less what is promised, in MiB",
        ),
        Column(
            "memory_used_mib", "USED", mib_text, right=True, meaning="memory neither free nor a cache of files, in MiB"
        ),
        Column("load", "LOAD", _load_text, right=True, meaning="its load average over one minute"),
        Column("libvirt", "LIBVIRT", meaning="version of its libvirt"),
        Column("qemu", "QEMU", meaning="version of its QEMU"),
        Column(
            "cpu_percent",
            "CPU",
            percent_text,
            right=True,
            meaning="time its CPUs work, 100 for all of them (this and the next ask twice, 1 s apart)",
            needs=RATES,
        ),
        Column("disk_read_bytes_s", "READ", rate_text, right=True, meaning="bytes/s its guests read", needs=RATES),
        Column("disk_write_bytes_s", "WRITE", rate_text, right=True, meaning="bytes/s its guests write", needs=RATES),
        Column(
            "net_received_bytes_s",
            "RECEIVED",
            rate_text,
            right=True,
            meaning="bytes/s its guests receive",
            needs=RATES,
        ),
        Column("net_sent_bytes_s", "SENT", rate_text, right=True, meaning="bytes/s its guests send", needs=RATES),
    ),
    text=(
        *("node", "zone", "state", "running", "guests", "cpus", "allocated_vcpus"),
        *("memory_mib", "allocated_mib", "available_mib", "load", "libvirt", "qemu"),
    ),
    wide=(
        *("node", "zone", "state", "running", "guests", "cpus", "allocated_vcpus", "cpu_percent", "load"),
        *("memory_mib", "memory_used_mib", "allocated_mib", "available_mib"),
        *("disk_read_bytes_s", "disk_write_bytes_s", "net_received_bytes_s", "net_sent_bytes_s", "libvirt", "qemu"),
    ),
    data=(
        *("node", "zone", "state", "running", "guests", "cpus", "allocated_vcpus"),
        *("memory_mib", "allocated_mib", "available_mib", "load", "libvirt", "qemu"),
    ),
)
_RATES = tuple(column.key for column in TABLE.columns if column.needs == RATES)


def row_of(answer: Answer[NodeReport]) -> dict[str, Any]:
    """The row of a node that answered: a value for every column, None where it was not asked for or not told."""
    report = answer.value
    return {
        "node": report.node.name,
        "zone": report.node.zone,
        "state": "up" if answer.complete else "slow",
        "running": len(report.running),
        "guests": len(report.guests),
        "cpus": report.facts.cpus,
        "allocated_vcpus": report.allocated_vcpus,
        "memory_mib": report.facts.memory_mib,
        "allocated_mib": report.allocated_mib,
        "available_mib": report.available_mib,
        "memory_used_mib": report.facts.memory_used_mib,
        "load": report.load,
        "libvirt": report.facts.libvirt_version,
        "qemu": report.facts.qemu_version,
        **(dict.fromkeys(_RATES) if report.rates is None else vars(report.rates)),
    }


def silent_row(node: Node) -> dict[str, Any]:
    """The row of a node that said nothing."""
    return dict.fromkeys(TABLE.keys) | {"node": node.name, "zone": node.zone, "state": "silent"}
