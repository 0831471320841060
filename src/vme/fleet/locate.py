"""Guests' names -> the guests, each on exactly one node, or precisely why not."""

from collections.abc import Iterable, Sequence

from vme.config import Config
from vme.errors import Ambiguous, NotFound, Silent
from vme.fleet.everywhere import Replies, Silence, silence_text
from vme.fleet.guests import ask_guests, ask_labelled_guests
from vme.fleet.inventory import folded
from vme.fleet.selection import Selection, select
from vme.hypervisor.guest import Guest
from vme.hypervisor.late import load
from vme.names import shown
from vme.records import dataclass


class Twins(Ambiguous):
    """Guests of these names are on more than one node each."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Located:
    """The guests asked for, in the order of their names; every guest seen anywhere; and the nodes that said nothing."""

    guests: tuple[Guest, ...]
    everyone: tuple[Guest, ...]
    silences: tuple[Silence, ...]


def locate(config: Config, words: Sequence[str], timeout_s: float) -> Located:
    """Find guests by name (`web1`), node set (`web[01-20]`), glob (`'web*'`) or `@tag` on all nodes.

    Raises NotFound or Ambiguous if the whole fleet answered, Silent if a name is missing while a node is silent: it may
    be there.
    """
    return locate_selected(config, select(config, words), timeout_s)


def locate_selected(config: Config, selection: Selection, timeout_s: float, *, by_library: bool = True) -> Located:
    """Find the guests of a selection, to act on them; raises as locate() does.

    All nodes are asked, also where the selection is narrower: whoever acts needs to know what runs elsewhere. What is
    found by a tag is confirmed by the guest's own libvirt. With `by_library` libvirt's library is loaded meanwhile, to
    act with.
    """
    silences: tuple[Silence, ...] = ()
    if selection.needs_labels:
        replies = ask_labelled_guests(config, config.nodes, timeout_s, confirm=selection.matches_by_tag)
        silences = untold(replies)
    else:
        replies = ask_guests(config, config.nodes, timeout_s, meanwhile=load if by_library else lambda: None)
    everyone = tuple(guest for answer in replies.answers for guest in answer.value)
    silences = (*replies.silences, *silences)
    refuse_missing(selection, everyone, silences)
    matched = _without_arrivals([guest for guest in everyone if selection.matches(guest)])
    if not matched:
        raise _nothing_found(selection, silences)
    _refuse_twins(matched)
    return Located(tuple(sorted(matched, key=lambda guest: guest.name)), everyone, silences)


def refuse_missing(selection: Selection, everyone: Iterable[Guest], silences: Iterable[Silence]) -> None:
    """Raise NotFound or Silent if a word of the selection means a guest that is on none of the selection's nodes."""
    there = [guest for guest in everyone if guest.node in selection.nodes]
    missing = [name for word in selection.words for name in word.missing_from(there)]
    if not missing:
        return
    names = ", ".join(shown(name) for name in missing)
    silent = [silence for silence in silences if silence.node in selection.nodes]
    if silent:
        raise Silent(
            f"{names}: not on any node that answered; no answer from {silence_text(silent)}",
            hint="it may be on a silent node: try again, or see what is wrong there",
        )
    hint = "list_guests shows those there are"
    raise NotFound(f"{names}: no such guest on {_place(selection)}", hint=hint, names=missing)


def _nothing_found(selection: Selection, silences: Sequence[Silence]) -> NotFound | Silent:
    """Every word found its guests, and none of them is in a state asked for; or there are no guests at all."""
    silent = [silence for silence in silences if silence.node in selection.nodes]
    states = f" that is {' or '.join(sorted(selection.states))}" if selection.states else ""
    if silent:
        return Silent(f"no such guest{states} on any node that answered; no answer from {silence_text(silent)}")
    return NotFound(f"there is no such guest{states}", hint="list_guests shows those there are")


def untold(replies: Replies[tuple[Guest, ...]]) -> tuple[Silence, ...]:
    """Nodes that listed their guests and did not come to say their tags: silent, as far as tags are asked for."""
    return tuple(
        Silence(answer.node, "its guests' tags are not known in time")
        for answer in replies.answers
        if any(guest.labels is None for guest in answer.value)
    )


def _place(selection: Selection) -> str:
    """Where was looked, as the end of `no such guest on`."""
    if selection.on_all_nodes:
        return "any node"
    return folded(tuple(sorted(selection.nodes, key=lambda node: node.name)))


def _without_arrivals(guests: Sequence[Guest]) -> list[Guest]:
    """A guest that is moving is one guest: the one that runs, not what has arrived of it so far elsewhere."""
    running = {guest.uuid for guest in guests if guest.active and not guest.arriving}
    return [guest for guest in guests if not (guest.arriving and guest.uuid in running)]


def _refuse_twins(guests: Sequence[Guest]) -> None:
    by_name: dict[str, list[Guest]] = {}
    for guest in guests:
        by_name.setdefault(guest.name, []).append(guest)
    twins = [f"{shown(name)} ({_whereabouts(same)})" for name, same in by_name.items() if len(same) > 1]
    if twins:
        problem = Twins(
            f"on more than one node: {'; '.join(twins)}",
            hint="keep one: look at both with virsh, and undefine the one that should not be (never while both run)",
        )
        problem.names = tuple(name for name, same in by_name.items() if len(same) > 1)
        raise problem


def _whereabouts(guests: Iterable[Guest]) -> str:
    return ", ".join(f"{guest.state} on {guest.node.name}" for guest in guests)
