"""What nodes offer to guests that might move to them: all nodes at once, libvirt and ssh side by side."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from vme.actions.migrate.precheck.needs import Needs
from vme.config import Config, Node
from vme.errors import VmeError
from vme.fleet.deadline import Late, begun
from vme.fleet.everywhere import Replies, Silence, ask_by_ssh, ask_everywhere
from vme.fleet.report import NodeReport
from vme.fleet.usage import past_a_stuck_one
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.facts import facts_of
from vme.hypervisor.guest import guests_on, sizes_on
from vme.hypervisor.host import Fit, Host, fit_of, host_of
from vme.node.sight import Reached, Sight, reach, sight_of
from vme.records import dataclass, field, replace


@dataclass(frozen=True)
class Told:
    """What a node's libvirt said, `fits` by guest's UUID. What has not been said in time is None, or not there."""

    report: NodeReport
    host: Host | None = None
    fits: dict[str, Fit] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """One node: what its libvirt told and what it sees itself; why one of the two is missing, where it is."""

    node: Node
    told: Told | None
    sight: Sight | None
    silence: str | None = None
    blindness: str | None = None


# What comes of nodes that look around: wait for it.
Looking = Callable[[], Replies[Sight]]


def begin_to_look(config: Config, nodes: Sequence[Node], paths: Sequence[PurePosixPath], timeout_s: float) -> Looking:
    """Have all these nodes look at themselves and at these paths; what is not seen in time counts as not seen."""

    def question(node: Node) -> Iterator[Sight]:
        yield sight_of(node, config.ssh, paths, timeout_s=timeout_s)

    looking = begun(timeout_s, "looking", lambda: ask_by_ssh(config, nodes, question, timeout_s))

    def seen() -> Replies[Sight]:
        try:
            return looking()
        except Late:
            return Replies((), tuple(Silence(node, "no answer") for node in nodes))

    return seen


def ask_offers(
    config: Config, nodes: Sequence[Node], needs: Sequence[Needs], looking: Looking, timeout_s: float
) -> dict[Node, Offer]:
    """Ask all these nodes about themselves and about what these guests need; they look around meanwhile."""
    told = ask_everywhere(config, nodes, lambda one: _telling(config, one, needs, timeout_s), timeout_s)
    sights = looking()
    values = {answer.node: answer.value for answer in told.answers}
    views = {answer.node: answer.value for answer in sights.answers}
    return {
        node: Offer(
            node, values.get(node), views.get(node), _silence(told.silences, node), _silence(sights.silences, node)
        )
        for node in nodes
    }


def ask_reach(config: Config, endpoints: dict[Node, list[str]], timeout_s: float) -> dict[Node, dict[str, Reached]]:
    """From each of these nodes: which of its endpoints it reaches. A node that does not say is not in the answer."""

    def question(node: Node) -> Iterator[dict[str, Reached]]:
        yield reach(node, config.ssh, endpoints[node], timeout_s=timeout_s)

    replies = ask_by_ssh(config, list(endpoints), question, timeout_s)
    return {answer.node: answer.value for answer in replies.answers}


def _telling(config: Config, hypervisor: Hypervisor, needs: Sequence[Needs], timeout_s: float) -> Iterator[Told]:
    """What is known soonest first: what a stuck QEMU may hold up comes last."""
    report = NodeReport(hypervisor, facts_of(hypervisor), guests_on(hypervisor), config.defaults.node_reserve_mib)
    told = Told(report)
    yield told
    told = replace(told, host=host_of(hypervisor))
    yield told
    may_come = [one for one in needs if one.guest.node != hypervisor.node]
    if not may_come:
        return  # they are here: it is not asked for room
    told = replace(told, fits={one.guest.uuid: fit_of(hypervisor, one.wanted) for one in may_come})
    yield told
    try:
        _, sizes = past_a_stuck_one(hypervisor, timeout_s, sizes_on)
    except VmeError:
        return  # how much memory is available stays unknown, and is a reason of its own
    yield replace(told, report=replace(report, sizes=sizes))


def _silence(silences: Sequence[Silence], node: Node) -> str | None:
    return next((silence.reason for silence in silences if silence.node == node), None)
