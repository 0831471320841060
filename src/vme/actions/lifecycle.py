"""Starting, stopping and pausing guests: six verbs, a row each."""

import time
from collections.abc import Callable, Sequence

from vme.config import Config, Store
from vme.errors import Failed, NotFound, Refused
from vme.fleet.deadline import Late, within
from vme.fleet.everywhere import Silence, silence_text
from vme.hypervisor import guest as hypervisor_guest
from vme.hypervisor.connection import reasons_not_to_change
from vme.hypervisor.guest import Guest
from vme.hypervisor.start import start
from vme.journal.glance import has_entry
from vme.records import dataclass
from vme.units import duration_text

# Starting can take minutes where memory is filled with huge pages, and stopping where a disk is slow to flush.
CALL_TIMEOUT_S = 120.0
_POLL_S = 0.2


@dataclass(frozen=True)
class Verb:
    """What one tool does to a guest in each state. States in neither `acts_on` nor `satisfied_by` are refused.

    `needs_whole_zone`: it lets the guest run, which then may run nowhere else. `needs_library`: libvirt's, which is
    loaded while the guest is looked for.
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
        Verb(
            "resume",
            "resumed",
            _states("paused", "suspended"),
            _RUNS,
            hypervisor_guest.unpause,
            "start_guest",
            needs_whole_zone=True,
        ),
    )
}


def check(
    config: Config,
    verb: Verb,
    guest: Guest,
    everyone: Sequence[Guest],
    silences: Sequence[Silence],
    *,
    force: bool,
) -> Plan:
    """What is to be done to this guest. `everyone` is every guest seen anywhere. Raises Refused with every reason.

    `force` overrides doubts, not facts; that another tool is at work on a guest that is to run is one.
    """
    if guest.state in verb.satisfied_by:
        return Plan(verb, guest, needed=False)
    reasons = reasons_not_to_change(guest.hypervisor)
    if guest.state not in verb.acts_on:
        reasons.append(f"is {guest.state} ({guest.reason}){f'; {verb.advice}' if verb.advice else ''}")
    if verb.needs_whole_zone:
        reasons += _reasons_it_runs_elsewhere(guest, everyone)
        busy, unfinished = _work_on(config, guest)
        reasons += busy
        doubts = [*_doubts_where_it_runs(guest, silences), *unfinished]
        reasons += [] if force else [f"{doubt}; --force {verb.name}s it all the same" for doubt in doubts]
    if reasons:
        raise Refused(str(guest), reasons)
    return Plan(verb, guest, needed=True)


def _reasons_it_runs_elsewhere(guest: Guest, everyone: Sequence[Guest]) -> list[str]:
    """A guest of the same UUID that runs on another node, whatever its name there."""
    return [
        f"the same guest (UUID {guest.uuid}) is {twin.state} on {twin.node.name} as {twin.name!a}"
        for twin in everyone
        if twin.uuid == guest.uuid and twin.node != guest.node and twin.active
    ]


def _doubts_where_it_runs(guest: Guest, silences: Sequence[Silence]) -> list[str]:
    """Why it may run where that can't be seen."""
    in_zone = [silence for silence in silences if silence.node.zone == guest.node.zone]
    doubts = [f"it may run on a silent node of its zone: {silence_text(in_zone)}"] if in_zone else []
    if guest.arriving:
        doubts.append(f"is in the midst of a move ({guest.state}, {guest.reason}), and may have run elsewhere since")
    return doubts


def _work_on(config: Config, guest: Guest) -> tuple[list[str], list[str]]:
    """Who is at work on it, and what was begun of earlier work and is not done."""
    stores = config.zone(guest.node.zone).stores
    try:
        return within(config.defaults.timeout_s, str(guest), lambda: _work_seen(guest.name, stores))
    except (Late, OSError) as problem:
        why = "no answer" if isinstance(problem, Late) else problem.strerror
        return [], [f"whether work on it was left unfinished can't be seen on the virt-stores of its zone ({why})"]


def _work_seen(guest: str, stores: Sequence[Store]) -> tuple[list[str], list[str]]:
    if not has_entry(guest, stores):
        return [], []
    from vme.journal.lock import AtWork, held
    from vme.journal.work import reasons_unfinished

    try:
        with held(guest, stores, f"a look at {guest}"):
            return [], reasons_unfinished(guest, stores)
    except AtWork as busy:
        # Nobody waits here: what was found out about the guest would be old then.
        return [f"{holder}: wait until that is done, then try again" for holder in busy.reasons], []
    except OSError:
        return [], reasons_unfinished(guest, stores)  # a full store has no room for a lock


def carry_out(config: Config, plan: Plan, *, wait_s: float) -> str:
    """Do it, and return one line that says what was done.

    Raises Failed if the guest is not off after `wait_s`, or goes on elsewhere.
    """
    guest, verb = plan.guest, plan.verb
    if not plan.needed:
        return f"{guest}: is {guest.state} already"
    started_s = time.monotonic()
    within(CALL_TIMEOUT_S, str(guest), lambda: verb.act(guest))
    if verb.waits_until_off:
        _wait_until_off(config, guest, wait_s)
        return f"{guest}: {verb.done} in {duration_text(time.monotonic() - started_s)}"
    return f"{guest}: {verb.done}"


def _wait_until_off(config: Config, guest: Guest, wait_s: float) -> None:
    deadline_s = time.monotonic() + wait_s
    while (left_s := deadline_s - time.monotonic()) > 0:
        try:
            now = within(max(1.0, left_s), str(guest), lambda: hypervisor_guest.refreshed(guest))
        except NotFound:
            # It was never defined, only running; or it was moved.
            return _fail_if_it_runs_elsewhere(config, guest)
        if not now.active:
            return _fail_if_it_runs_elsewhere(config, guest) if now.reason == "migrated" else None
        time.sleep(_POLL_S)
    raise Failed(
        f"{guest}: still running after {duration_text(wait_s)}; it was asked to shut down and may yet do so",
        hint=f"wait, look at its console, or pull the plug: stop_guest {guest.name}",
    )


def _fail_if_it_runs_elsewhere(config: Config, guest: Guest) -> None:
    from vme.actions.found_again import elsewhere

    moved = elsewhere(config, guest)
    if moved is not None and moved.active:
        raise Failed(
            f"{guest}: it was moved to {moved.node.name} meanwhile, and is {moved.state} there; it was asked to shut "
            "down before that, and may yet do so",
            hint=f"shutdown_guest {guest.name} asks it again",
        )
