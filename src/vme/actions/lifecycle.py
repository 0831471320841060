"""Starting, stopping and pausing guests: six verbs, a row each."""

import time
from collections.abc import Callable, Sequence

from vme.errors import Failed, NotFound, Refused
from vme.fleet.deadline import within
from vme.fleet.everywhere import Silence, silence_text
from vme.hypervisor import guest as hypervisor_guest
from vme.hypervisor.connection import reasons_not_to_change
from vme.hypervisor.guest import Guest
from vme.hypervisor.start import start
from vme.records import dataclass
from vme.units import duration_text

# Starting can take minutes where memory is filled with huge pages, and stopping where a disk is slow to flush.
CALL_TIMEOUT_S = 120.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Verb:
    """What one tool does to a guest in each state. States in neither `acts_on` nor `satisfied_by` are refused.

    `needs_library`: libvirt's, which is then loaded while the guest is looked for.
    """

    name: str
    done: str
    acts_on: frozenset[str]
    satisfied_by: frozenset[str]
    act: Callable[[Guest], None]
    advice: str
    waits_until_off: bool = False
    needs_whole_zone: bool = False
    destroys: bool = False
    needs_library: bool = True


@dataclass(frozen=True)
class Plan:
    """One guest and what is to be done to it; `needed` is false where it is so already."""

    verb: Verb
    guest: Guest
    needed: bool

    def __str__(self) -> str:
        return f"{self.guest}: {self.verb.name}" if self.needed else f"{self.guest}: is {self.guest.state} already"


def _states(*states: str) -> frozenset[str]:
    return frozenset(states)


_RUNS = _states("running", "blocked")
_OFF = _states("shut off")

VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "start",
            "started",
            _OFF,
            _RUNS,
            start,
            "resume_guest, or stop_guest first",
            needs_whole_zone=True,
            needs_library=False,
        ),
        Verb(
            "shutdown",
            "shut down",
            _RUNS | {"shutting down"},
            _OFF,
            hypervisor_guest.press_power_button,
            "resume_guest first, or stop_guest",
            waits_until_off=True,
        ),
        Verb(
            "reboot",
            "is rebooting",
            _RUNS,
            _states(),
            hypervisor_guest.press_reset_by_system,
            "start_guest or resume_guest",
        ),
        Verb(
            "stop",
            "stopped",
            _RUNS | {"paused", "suspended", "shutting down", "crashed", "no state"},
            _OFF,
            hypervisor_guest.pull_the_plug,
            "",
            destroys=True,
        ),
        Verb("suspend", "suspended", _RUNS, _states("paused"), hypervisor_guest.pause, "start_guest"),
        Verb("resume", "resumed", _states("paused", "suspended"), _RUNS, hypervisor_guest.unpause, "start_guest"),
    )
}


def check(verb: Verb, guest: Guest, everyone: Sequence[Guest], silences: Sequence[Silence], *, force: bool) -> Plan:
    """What is to be done to this guest. `everyone` is every guest seen anywhere. Raises Refused with every reason."""
    if guest.state in verb.satisfied_by:
        return Plan(verb, guest, needed=False)
    reasons = reasons_not_to_change(guest.hypervisor)
    if guest.state not in verb.acts_on:
        reasons.append(f"is {guest.state} ({guest.reason}){f'; {verb.advice}' if verb.advice else ''}")
    if verb.needs_whole_zone:
        reasons += _reasons_it_may_run_elsewhere(guest, everyone)
        in_zone = [silence for silence in silences if silence.node.zone == guest.node.zone]
        if in_zone and not force:
            reasons.append(
                f"it may run on a silent node of its zone: {silence_text(in_zone)}; --force starts it all the same"
            )
    if reasons:
        raise Refused(str(guest), reasons)
    return Plan(verb, guest, needed=True)


def _reasons_it_may_run_elsewhere(guest: Guest, everyone: Sequence[Guest]) -> list[str]:
    """A guest of the same UUID that runs on another node, whatever its name there."""
    return [
        f"the same guest (UUID {guest.uuid}) is {twin.state} on {twin.node.name} as {twin.name!a}"
        for twin in everyone
        if twin.uuid == guest.uuid and twin.node != guest.node and twin.active
    ]


def carry_out(plan: Plan, *, wait_s: float) -> str:
    """Do it, and return one line that says what was done. Raises Failed if the guest is not off after `wait_s`."""
    guest, verb = plan.guest, plan.verb
    if not plan.needed:
        return f"{guest}: is {guest.state} already"
    started_s = time.monotonic()
    within(CALL_TIMEOUT_S, str(guest), lambda: verb.act(guest))
    if verb.waits_until_off:
        _wait_until_off(guest, wait_s)
        return f"{guest}: {verb.done} in {duration_text(time.monotonic() - started_s)}"
    return f"{guest}: {verb.done}"


def _wait_until_off(guest: Guest, wait_s: float) -> None:
    deadline_s = time.monotonic() + wait_s
    while time.monotonic() < deadline_s:
        try:
            if not within(
                max(1.0, deadline_s - time.monotonic()), str(guest), lambda: hypervisor_guest.refreshed(guest)
            ).active:
                return
        except NotFound:
            return  # it was never defined, only running: it is off, and gone
        time.sleep(_POLL_S)
    raise Failed(
        f"{guest}: still running after {duration_text(wait_s)}; it was asked to shut down and may yet do so",
        hint=f"wait, look at its console, or pull the plug: stop_guest {guest.name}",
    )
