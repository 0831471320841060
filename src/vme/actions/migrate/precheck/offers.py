"""What nodes offer to guests that might move to them: all nodes at once, libvirt and ssh side by side."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from vme.actions.migrate.precheck.needs import Needs
from vme.config import Config, Node
from vme.errors import VmeError
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


def ask_offers(
    config: Config, nodes: Sequence[Node], needs: Sequence[Needs], paths: Sequence[PurePosixPath], timeout_s: float
) -> dict[Node, Offer]:
    """Ask all these nodes about themselves, about what these guests need, and about these paths."""
    seen: list[Replies[Sight]] = []

    def look() -> None:
        seen.append(ask_by_ssh(config, nodes, lambda node: _sights(config, node, paths, timeout_s), timeout_s))

    # A thread that may come too late: what it has not brought by then counts as not seen.
    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    told = ask_everywhere(config, nodes, lambda one: _telling(config, one, needs, timeout_s), timeout_s)
    looking.join(timeout_s)
    sights = seen[0] if seen else Replies((), tuple(Silence(node, "no answer") for node in nodes))
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


def _sights(config: Config, node: Node, paths: Sequence[PurePosixPath], timeout_s: float) -> Iterator[Sight]:
    yield sight_of(node, config.ssh, paths, timeout_s=timeout_s)


def _telling(config: Config, hypervisor: Hypervisor, needs: Sequence[Needs], timeout_s: float) -> Iterator[Told]:
    """What is known soonest first: what a stuck QEMU may hold up comes last."""
    report = NodeReport(hypervisor, facts_of(hypervisor), guests_on(hypervisor), config.defaults.node_reserve_mib)
    told = Told(report)
    yield told
    told = replace(told, host=host_of(hypervisor))
    yield told
    fits: dict[str, Fit] = {}
    for one in needs:
        if one.guest.node != hypervisor.node:
            fits[one.guest.uuid] = fit_of(hypervisor, one.wanted)
    told = replace(told, fits=fits)
    yield told
    try:
        _, sizes = past_a_stuck_one(hypervisor, timeout_s, sizes_on)
    except VmeError:
        return  # how much memory is available stays unknown, and is a reason of its own
    yield replace(told, report=replace(report, sizes=sizes))


def _silence(silences: Sequence[Silence], node: Node) -> str | None:
    return next((silence.reason for silence in silences if silence.node == node), None)
