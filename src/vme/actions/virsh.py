"""Running virsh on the node of a guest: which node that is, and what the guest's saved XML needs afterwards."""

from collections.abc import Iterator, Sequence

from vme.actions.definition import definition_changed
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Node
from vme.errors import Ambiguous, Failed, Misused, NotFound, Silent, VmeError
from vme.fleet.deadline import within
from vme.fleet.everywhere import Replies, Silence, ask_everywhere, silence_text
from vme.fleet.guests import ask_guests
from vme.hypervisor.connection import Hypervisor, uri_for_a_program
from vme.hypervisor.guest import Guest, refreshed, saved_form
from vme.names import shown
from vme.process import run_on_terminal
from vme.programs import find_program
from vme.records import dataclass


@dataclass(frozen=True)
class Plan:
    """Where to run virsh: on the node of `guest`, or, if that is None, on each of these nodes in turn."""

    hypervisors: tuple[Hypervisor, ...]
    silences: tuple[Silence, ...]
    guest: Guest | None = None


def run_virsh(*words: str) -> int:
    """Run this machine's virsh on the user's terminal; returns its exit status, 128 + N for signal N.

    Raises Failed where there is none.
    """
    virsh = find_program("virsh")
    if virsh is None:
        raise Failed("virsh is not installed on this machine", hint="apt-get install libvirt-clients")
    status = run_on_terminal((virsh, *words), own_environment=True)
    return status if status >= 0 else 128 - status


def at_nodes(config: Config, nodes: Sequence[Node], timeout_s: float) -> Plan:
    """A plan for these nodes. Raises Silent where none of them answers."""

    def question(hypervisor: Hypervisor) -> Iterator[Hypervisor]:
        yield hypervisor

    replies: Replies[Hypervisor] = ask_everywhere(config, nodes, question, timeout_s)
    if not replies.answers:
        raise Silent(f"no answer from {silence_text(replies.silences)}")
    return Plan(tuple(answer.value for answer in replies.answers), replies.silences)


def at_guest(config: Config, words: Sequence[str], timeout_s: float) -> Plan:
    """A plan for the node of the guest that a virsh command line (command first) is about.

    Raises Misused where no word could be a guest; NotFound, Ambiguous; Silent where it may be on a silent node.
    """
    if not any(_could_name_a_guest(word) for word in words[1:]):
        raise Misused(
            f"{' '.join(map(shown, words)) or 'virsh'}: names no guest, so nothing says on which node to run it",
            hint="name a node with --node, or a zone with --zone to run it on every node there",
        )
    replies = ask_guests(config, config.nodes, timeout_s)
    everyone = [guest for answer in replies.answers for guest in answer.value]
    word = guest_word(
        words, {name for guest in everyone for name in (guest.name, guest.uuid)}, sure=not replies.silences
    )
    matched = [guest for guest in everyone if word in (guest.name, guest.uuid)]
    if not matched:
        raise _not_found(words, replies.silences)
    if len(matched) > 1:
        places = ", ".join(f"{guest.state} on {guest.node.name}" for guest in matched)
        raise Ambiguous(f"{shown(matched[0].name)}: on more than one node: {places}", hint="say which with --node")
    return Plan((matched[0].hypervisor,), (), matched[0])


def guest_word(words: Sequence[str], known: set[str], *, sure: bool) -> str | None:
    """The word of a virsh command line (command first) that names its guest; None if there is none.

    That is what follows --domain, else the first word after the command that is known as a guest's name or UUID. If it
    is not `sure` that all guests are known, no word may stand before it: that might be the guest.
    """
    rest = list(words[1:])
    for index, word in enumerate(rest):
        if word.startswith("--domain="):
            return word.removeprefix("--domain=")
        if word == "--domain" and index + 1 < len(rest):
            return rest[index + 1]
    for word in rest:
        if word in known:
            return word
        if not sure and _could_name_a_guest(word):
            return None
    return None


def carry_out(config: Config, plan: Plan, hypervisor: Hypervisor, words: Sequence[str]) -> tuple[int, str | None]:
    """Run virsh for one node of the plan on the user's terminal.

    Returns virsh's exit status, and a warning if the guest's XML was changed and could not be saved beside its images.
    """
    before = None if plan.guest is None else _persistent_xml(plan.guest)
    read_only = ["--readonly"] if hypervisor.read_only else []
    status = run_virsh("--connect", uri_for_a_program(hypervisor), *read_only, *words)
    if plan.guest is None or before is None:
        return status, None
    try:
        _follow_change(config, plan.guest, before)
    except (VmeError, OSError) as problem:
        return status, f"{plan.guest}: the XML saved beside its images may be older than its definition: {problem}"
    return status, None


def _follow_change(config: Config, guest: Guest, before: str) -> None:
    try:
        now = within(CALL_TIMEOUT_S, str(guest), lambda: refreshed(guest))
        after = within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
    except NotFound:
        return  # virsh has undefined it, or moved it away
    if after != before and now.name == guest.name:
        definition_changed(config, guest, tool="vme_virsh")


def _persistent_xml(guest: Guest) -> str | None:
    """The guest's persistent XML; None if its node does not tell: virsh may still do what it is asked."""
    try:
        return within(CALL_TIMEOUT_S, str(guest), lambda: saved_form(guest))
    except VmeError:
        return None


def _could_name_a_guest(word: str) -> bool:
    return not word.startswith("-") or word.startswith("--domain=")


def _not_found(words: Sequence[str], silences: Sequence[Silence]) -> VmeError:
    line = " ".join(map(shown, words))
    if silences:
        return Silent(
            f"{line}: names no guest on any node that answered; no answer from {silence_text(silences)}",
            hint="it may be on a silent node: try again, or see what is wrong there",
        )
    return NotFound(
        f"{line}: no word of it names a guest on any node",
        hint="list_guests shows those there are; for a command that takes no guest, name a node with --node",
    )
