"""Which node a guest goes to."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from vme.errors import Refused, Silent
from vme.fleet.everywhere import Answer, Silence, silence_text
from vme.fleet.report import NodeReport
from vme.records import dataclass

# Node's name -> memory that was promised in this very plan, beside what its guests have already.
Promised = Mapping[str, int]
NOTHING_PROMISED: Promised = {}


@dataclass(frozen=True)
class OnItsWay:
    """A guest that was given room on a node."""

    uuid: str
    node: str
    memory_mib: int


def promised_beside(reports: Sequence[NodeReport], guests: Sequence[OnItsWay]) -> Promised:
    """What guests on their way need on nodes where they have not appeared yet: those that have count by themselves."""
    seen = {(report.node.name, guest.uuid) for report in reports for guest in report.running}
    promised: dict[str, int] = defaultdict(int)
    for guest in guests:
        if (guest.node, guest.uuid) not in seen:
            promised[guest.node] += guest.memory_mib
    return promised


def best_node(
    subject: str,
    answers: Sequence[Answer[NodeReport]],
    silences: Sequence[Silence],
    promised: Promised = NOTHING_PROMISED,
) -> NodeReport:
    """The node with most memory available. Raises Silent if none said how much it has, Refused if there is none."""
    candidates = [answer.value for answer in answers if answer.value.available_mib is not None]
    if not candidates and silences:
        raise Silent(f"{subject}: no node to choose from answered: {silence_text(silences)}")
    if not candidates:
        raise Refused(subject, ["there is no node to choose from that said how much memory it has available"])

    def left_mib(report: NodeReport) -> int:
        return (report.available_mib or 0) - promised.get(report.node.name, 0)

    return max(candidates, key=lambda report: (left_mib(report), -len(report.running)))


def why_not_room(report: NodeReport, memory_mib: int, promised: Promised = NOTHING_PROMISED) -> str | None:
    """The reason a node has no room for a guest of that size, or None if it has."""
    available_mib = report.available_mib
    if available_mib is None:
        return f"{report.node.name} did not say how much memory it has available (is a guest of it stuck?)"
    new_mib = promised.get(report.node.name, 0)
    if available_mib - new_mib < memory_mib:
        also = f", and {new_mib} MiB of it are for guests before this one" if new_mib else ""
        return (
            f"{report.node.name} has {available_mib} MiB available ({report.facts.memory_mib} in all, "
            f"{report.reserve_mib} reserved, {report.allocated_mib} promised to guests{also}), not {memory_mib} MiB"
        )
    return None
