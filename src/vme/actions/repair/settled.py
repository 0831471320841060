"""What the nodes say of guests whose work was left unfinished, once that changes no more.

A call of the tool that left it may still be under way to its node, or be done there just now. So two looks must agree,
a second apart, and nothing that was sent to those nodes before may be on its way still.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from vme.actions.repair.unfinished import Unfinished
from vme.config import Config, Node
from vme.errors import Refused, Silent, VmeError
from vme.fleet.definitions import Definition, ask_definitions
from vme.fleet.everywhere import Silence, ask_all, by_threads, silence_text
from vme.fleet.guests import ask_guests
from vme.hypervisor.guest import Guest
from vme.invoker import this_host
from vme.node.on_the_way import Peer, overdue_here, way_to
from vme.records import dataclass

_BETWEEN_LOOKS_S = 1.0
_PATIENCE_S = 60.0
# ssh gives a link up after 60 s (its keepalive), and the kernel what it could not send by then after as long again.
_FOR_CERTAIN_S = 200.0

# None where it can't be told from here.
Ways = dict[Node, frozenset[Peer] | None]


@dataclass(frozen=True)
class Look:
    """What the nodes said at one moment."""

    guests: tuple[Guest, ...]
    definitions: tuple[Definition, ...]
    silences: tuple[Silence, ...] = ()

    def at(self, nodes: Iterable[Node]) -> "Look":
        """The part of it that these nodes said."""
        there = set(nodes)
        return Look(
            tuple(guest for guest in self.guests if guest.node in there),
            tuple(one for one in self.definitions if one.node in there),
            tuple(silence for silence in self.silences if silence.node in there),
        )


def settled(
    config: Config, works: Sequence[Unfinished], timeout_s: float, tell: Callable[[str], None]
) -> list[Look | VmeError]:
    """For each work what its nodes say, or the error that says why that is nothing to decide on.

    `tell` is told what is waited for. All are looked at together, so that many cost no more time than one.
    """
    nodes = tuple(dict.fromkeys(node for work in works for node in work.nodes))
    ways = _ways(config, nodes, timeout_s)
    found: dict[int, Look | VmeError] = {}
    for number, work in enumerate(works):
        too_early = _reason_to_wait(work, ways)
        if too_early is not None:
            found[number] = too_early
    last: dict[int, Look | None] = {}
    deadline_s, told = time.monotonic() + _PATIENCE_S, False
    while open_ := [number for number in range(len(works)) if number not in found]:
        late = overdue_here()
        unreached = {node for node, way in ways.items() if way is not None and way & late}
        if unreached and not told:
            tell(f"what was sent to {_names(unreached)} before is still on its way; waiting {_PATIENCE_S:g} s at most")
            told = True
        asked = {node for number in open_ for node in works[number].nodes} - unreached
        everything = look_at(config, tuple(node for node in nodes if node in asked), timeout_s)
        is_last = time.monotonic() > deadline_s
        for number in open_:
            work, missed = works[number], unreached & set(works[number].nodes)
            look = everything.at(work.nodes)
            outcome = _outcome(work, last.get(number), look, missed, is_last=is_last)
            last[number] = None if missed else look
            if outcome is not None:
                found[number] = outcome
        if len(found) < len(works):
            time.sleep(_BETWEEN_LOOKS_S)
    return [found[number] for number in range(len(works))]


def _outcome(
    work: Unfinished, before: Look | None, now: Look, missed: set[Node], *, is_last: bool
) -> Look | VmeError | None:
    """The look to decide on, or why there is none; None while another look may tell."""
    if now.silences:
        return _silent(work, now)
    agree = before is not None and _told_of(work, before) == _told_of(work, now)
    if agree and not missed and not _is_starting(work, now):
        return now
    return _never_settled(work, missed) if is_last else None


def look_at(config: Config, nodes: tuple[Node, ...], timeout_s: float) -> Look:
    """Ask these nodes for their guests and every definition."""
    guests, definitions = ask_guests(config, nodes, timeout_s), ask_definitions(config, nodes, timeout_s)
    return Look(
        tuple(guest for answer in guests.answers for guest in answer.value),
        tuple(one for answer in definitions.answers for one in answer.value),
        tuple({silence.node: silence for silence in (*guests.silences, *definitions.silences)}.values()),
    )


def _told_of(work: Unfinished, look: Look) -> list[tuple[str, ...]]:
    """All that a look says of the work's own guest."""
    guests = [
        (guest.node.name, guest.name, guest.uuid, guest.state, guest.reason)
        for guest in look.guests
        if work.is_about(guest.name, guest.uuid)
    ]
    definitions = [
        (one.node.name, one.name, one.uuid, one.xml, *one.more)
        for one in look.definitions
        if work.is_about(one.name, one.uuid)
    ]
    return sorted([*guests, *definitions])


def _is_starting(work: Unfinished, look: Look) -> bool:
    """Whether libvirt is about to let the guest run. One that was to move may stay so: that is for its remedy."""
    about = [guest for guest in look.guests if work.is_about(guest.name, guest.uuid)]
    return work.entry.intent.tool != "migrate_guest" and any(guest.arriving for guest in about)


def _silent(work: Unfinished, look: Look) -> Silent:
    return Silent(
        f"{work}; no answer from {silence_text(look.silences)}",
        hint="what is to be done depends on it: see to that node, then repair again; nothing was changed",
    )


def _never_settled(work: Unfinished, missed: set[Node]) -> VmeError:
    guest = work.entry.intent.guest
    if not missed:
        reasons = [f"left unfinished: {work.entry}; it is still changing"]
        return Refused(guest, reasons, hint=f"when that is done: vme repair {guest}; nothing was changed")
    return Silent(
        f"{work}; what was sent to {_names(missed)} before has not arrived there, and may be done yet",
        hint=f"see to the link, then: vme repair {guest}; within {_FOR_CERTAIN_S:g} s it has arrived or is given up; "
        "nothing was changed",
    )


def _reason_to_wait(work: Unfinished, ways: Ways) -> VmeError | None:
    """Why it is too early, where it can't be seen from here whether a call that was given up may still arrive."""
    entry, guest = work.entry, work.entry.intent.guest
    if entry.gave_up_at_s is None:
        return None
    left_s = _FOR_CERTAIN_S - (time.time() - entry.gave_up_at_s)
    hidden = [node for node in work.nodes if not node.local and ways.get(node) is None]
    if left_s <= 0 or (entry.host == this_host() and not hidden):
        return None
    where = f"; on {entry.host} it can be repaired now" if entry.host != this_host() and not hidden else ""
    return Silent(
        f"{work}; a node fell silent while it was asked to change something, and may do that yet",
        hint=f"in {left_s:.0f} s: vme repair {guest}{where}; nothing was changed",
    )


def _ways(config: Config, nodes: Sequence[Node], timeout_s: float) -> Ways:
    """What ssh connects to for each node."""
    far = [node for node in nodes if not node.local]
    replies = ask_all(
        config, far, by_threads(lambda one: iter((way_to(one.node, config.ssh, timeout_s=timeout_s),))), timeout_s
    )
    return {answer.node: answer.value for answer in replies.answers}


def _names(nodes: Iterable[Node]) -> str:
    return ", ".join(sorted(node.name for node in nodes))
