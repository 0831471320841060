"""The columns of list_guests."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vme.commands.listing import Table, mib_text, percent_text, rate_text
from vme.hypervisor.guest import Guest
from vme.names import shown
from vme.report import Column

if TYPE_CHECKING:
    from vme.fleet.twins import Twins
    from vme.fleet.usage import Usage

# What a column's value has to be asked for, beyond the states of all guests.
LABELS, SIZES, RATES = "labels", "sizes", "rates"


def _tags_text(tags: Sequence[str]) -> str:
    return ",".join(tags) or "-"


NAME = Column("name", "NAME", shown, meaning="the guest's name")
TWIN = Column("twin", "TWIN", meaning="there twice: with its name, uuid or both on another node too")
TABLE = Table(
    (
        NAME,
        Column("state", "STATE", meaning="running, paused, shut off ..., as libvirt says"),
        Column("node", "NODE", meaning="the node that has it"),
        Column("zone", "ZONE", meaning="the zone of that node"),
        Column("uuid", "UUID", meaning="its UUID"),
        TWIN,
        Column("reason", "REASON", meaning="why it is in that state, as virsh domstate --reason says"),
        Column("tags", "TAGS", _tags_text, meaning="its tags, see tag_guest", needs=LABELS),
        Column("title", "TITLE", shown, meaning="its title", needs=LABELS),
        Column("description", "DESCRIPTION", shown, meaning="its description", needs=LABELS),
        Column("vcpus", "VCPUS", right=True, meaning="its virtual CPUs", needs=SIZES),
        Column("memory_mib", "MEMORY", mib_text, right=True, meaning="memory it was promised, in MiB", needs=SIZES),
        Column(
            "memory_used_mib",
            "USED",
            mib_text,
            right=True,
            meaning="memory of the node that its QEMU takes now, in MiB",
            needs=SIZES,
        ),
        Column(
            "cpu_percent",
            "CPU",
            percent_text,
            right=True,
            meaning="CPU time it takes, 100 for one CPU of the node (this and the next ask twice, 1 s apart)",
            needs=RATES,
        ),
        Column("disk_read_bytes_s", "READ", rate_text, right=True, meaning="bytes/s it reads", needs=RATES),
        Column("disk_write_bytes_s", "WRITE", rate_text, right=True, meaning="bytes/s it writes", needs=RATES),
        Column(
            "net_received_bytes_s",
            "RECEIVED",
            rate_text,
            right=True,
            meaning="bytes/s it receives",
            needs=RATES,
        ),
        Column("net_sent_bytes_s", "SENT", rate_text, right=True, meaning="bytes/s it sends", needs=RATES),
    ),
    text=("name", "state", "node", "zone"),
    wide=("name", "state", "reason", "node", "zone", "vcpus", "memory_mib", "memory_used_mib", "tags", "title", "uuid"),
    data=("name", "state", "node", "zone", "uuid", "twin"),
)


def row_of(guest: Guest, twins: "Twins", usage: "Usage | None" = None) -> dict[str, Any]:
    """One guest's row: a value for every column, None where it was not asked for or not told."""
    labels = guest.labels
    return {
        "name": guest.name,
        "state": guest.state,
        "node": guest.node.name,
        "zone": guest.node.zone,
        "uuid": guest.uuid,
        "twin": twins.mark(guest),
        "reason": guest.reason,
        "tags": None if labels is None else list(labels.tags),
        "title": None if labels is None else labels.title,
        "description": None if labels is None else labels.description,
        **(dict.fromkeys(_USAGE) if usage is None else vars(usage)),
    }


_USAGE = tuple(column.key for column in TABLE.columns if column.needs in (SIZES, RATES))


def is_mute(usage: "Usage | None") -> bool:
    """Whether the QEMU of a guest that runs did not tell what it uses."""
    return usage is None or usage.memory_used_mib is None
