"""Waiting for new guests: until their agents speak, sshd answers, they are off again, or their kernels run."""

import socket
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_interface

from vme.actions.create.plan import GuestPlan
from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import Interrupted, NotFound, VmeError
from vme.fleet.deadline import within
from vme.hypervisor.details import addresses_of
from vme.hypervisor.guest import Guest, refreshed
from vme.hypervisor.new_domain import has_agent_channel
from vme.hypervisor.signs import agent_connected, kernel_has_spoken
from vme.progress import Advance
from vme.records import dataclass

EVENTS = {
    "agent": "the guest's agent is connected",
    "ssh": "an ssh server answers at an address of the guest",
    "shutdown": "the guest has shut itself down (an installer, or cloud-init's power_state)",
    "boot": "the guest's kernel runs: its memory balloon's driver, or its agent, has spoken",
}
_POLL_S = 0.5
_SSH_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Waited:
    """How it ended for each guest: after how many seconds, or that it did not come in time and why as far as known."""

    after_s: Mapping[str, float]
    problems: Mapping[str, str]


def why_never(event: str, plan: GuestPlan) -> str | None:
    """The reason that this can't come for a guest, known before it is created."""
    if event == "agent" and not has_agent_channel(plan.xml):
        return f"{plan.name} has no channel for a guest agent, so --wait agent would wait in vain"
    return None


def wait_for(event: str, guests: Mapping[str, tuple[GuestPlan, Guest]], timeout_s: float, advance: Advance) -> Waited:
    """Wait until the event has come for every guest, or the time is up. Nothing is undone in any case."""
    began_s = time.monotonic()
    after_s: dict[str, float] = {}
    problems: dict[str, str] = {}
    waiting = dict(guests)
    try:
        while waiting and time.monotonic() - began_s < timeout_s:
            for name, (plan, guest) in list(waiting.items()):
                ended = _ended(event, plan, guest, problems)
                if ended:
                    after_s[name] = time.monotonic() - began_s
                if ended is not False:
                    del waiting[name]
            share = (time.monotonic() - began_s) / timeout_s
            advance(100 * share, f"{len(after_s)} of {len(guests)}; until {EVENTS[event]}")
            if waiting:
                time.sleep(_POLL_S)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted while waiting; created and left as they are: {', '.join(guests)}") from None
    for name in waiting:
        problems.setdefault(name, f"not within {timeout_s:g} s: {EVENTS[event]}")
    return Waited(after_s, problems)


def _ended(event: str, plan: GuestPlan, guest: Guest, problems: dict[str, str]) -> bool | None:
    """Whether the event has come; None if it never will, and why is in `problems`."""
    try:
        now = within(CALL_TIMEOUT_S, str(guest), lambda: refreshed(guest))
        if event == "shutdown":
            return not now.active
        if not now.active:
            problems[plan.name] = f"it is {now.state} ({now.reason})"
            return None
        return within(CALL_TIMEOUT_S, str(guest), lambda: _QUESTIONS[event](plan, now))
    except NotFound:
        problems[plan.name] = "it is gone"
        return None
    except VmeError:
        return False  # a node that is silent for a moment; the deadline decides


def _ssh_answers(plan: GuestPlan, guest: Guest) -> bool:
    """Whether something that speaks ssh listens at an address that was given to the guest, or that it has told."""
    given = [str(ip_interface(wish.address).ip) for wish in plan.request.seed.addresses]
    told = [str(ip_interface(address).ip) for found in addresses_of(guest).values() for address in found]
    return any(_speaks_ssh(address) for address in dict.fromkeys([*given, *told]))


def _speaks_ssh(address: str) -> bool:
    """RFC 4253, 4.2: a server begins with SSH-."""
    try:
        with socket.create_connection((address, 22), timeout=_SSH_TIMEOUT_S) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


_QUESTIONS: dict[str, Callable[[GuestPlan, Guest], bool]] = {
    "agent": lambda _plan, guest: agent_connected(guest),
    "ssh": _ssh_answers,
    "boot": lambda _plan, guest: kernel_has_spoken(guest) or agent_connected(guest),
}
