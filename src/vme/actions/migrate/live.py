"""The move of a running guest: started, watched, helped up the ladder, and cancelled when a person says so."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from vme.actions.migrate.ladder import Climb, Rung, first_step, helped_by, last_step, next_step
from vme.actions.migrate.plan import Plan
from vme.actions.migrate.reconcile import find
from vme.actions.together import Stop
from vme.actions.undo import CALL_TIMEOUT_S
from vme.errors import Failed, Interrupted, NotFound, Silent, VmeError
from vme.fleet.deadline import begun, within
from vme.hypervisor import migration
from vme.hypervisor.connection import Hypervisor, open_second
from vme.hypervisor.guest import Guest, refreshed
from vme.hypervisor.migration import Carried, JobProgress
from vme.progress import Advance
from vme.records import replace
from vme.units import duration_text, size_text

_POLL_S = 0.25
_FIRST_POLLS_S = 0.05
# A link that carries nothing for so long is down; it may come back from shorter breaks.
_STALLED_S = 120.0
_RECOVERIES = 5
_BEFORE_RECOVERY_S = 2.0


class _Run:
    """One call of libvirt's, in a thread that may hang."""

    def __init__(self) -> None:
        self.ended = threading.Event()  # not thread.join(): see fleet.deadline
        self.problem: BaseException | None = None

    def start(self, call: Callable[[], None]) -> "_Run":
        def run() -> None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001 (carried over to the waiting thread)
                self.problem = error
            finally:
                self.ended.set()

        threading.Thread(target=run, daemon=True).start()
        return self


def begin_to_watch(plan: Plan) -> Callable[[], Guest]:
    """Begin to look up the guest over a second connection, for the first is busy while it moves."""
    return begun(CALL_TIMEOUT_S, str(plan.guest), lambda: _same_guest(open_second(plan.source), plan.guest))


def move(plan: Plan, watched: Guest, advance: Advance, stop: Stop, carried: Carried | None = None) -> tuple[str, ...]:
    """Run the migration and show its progress until the guest is at its destination; returns what helped it there.

    `watched`: the guest over a second connection. `carried`: disks that are copied too, as often as it starts again.

    Raises KeyboardInterrupt when a person wants it to end, after it was aborted and has come to its end; Interrupted
    where that is not known; Failed when it does not converge, or for libvirt's own reasons. In no case but the return
    is it said where the guest is: ask both nodes.
    """
    since_s = time.monotonic()
    throttled = plan.settings.auto_converge == "always"
    rung, climb = _attempt(plan, watched, advance, stop, carried, throttled=throttled, since_s=since_s)
    if rung is Rung.THROTTLE:
        advance(0, "starts again, with auto-converge")
        _, climb = _attempt(plan, watched, advance, stop, carried, throttled=True, since_s=since_s)
    return helped_by(climb)


def _attempt(
    plan: Plan,
    watched: Guest,
    advance: Advance,
    stop: Stop,
    carried: Carried | None,
    *,
    throttled: bool,
    since_s: float,
) -> tuple[Rung | None, Climb]:
    """One migration to its end. Returns the rung it was aborted for, None when the guest arrived; and the climb."""
    there = plan.destination.hypervisor
    run = _Run().start(
        lambda: migration.migrate(plan.guest, there, plan.settings, throttled=throttled, carried=carried)
    )
    watch = _Watch(plan, watched, advance, since_s, *first_step(plan.settings, throttled=throttled))
    try:
        rung = watch.until_end(run.ended, stop)
        if rung is not None:
            _cancel(run.ended, watched)
    except KeyboardInterrupt:
        _end(plan, run.ended, watch, advance)
        if run.problem is None:
            return None, watch.climb  # it had arrived already
        raise
    if run.problem is None:
        return None, watch.climb
    if watch.climb.in_postcopy:
        _recover(plan, watch, stop, run.problem)
        return None, watch.climb
    if rung is Rung.THROTTLE:
        _await_running(watched)
        return rung, watch.climb
    if rung is Rung.GIVE_UP:
        raise Failed(f"{plan.guest}: {watch.why}", hint=_advice(plan, watch))
    raise run.problem


class _Watch:
    """Looks at a migration that runs, and does what the ladder says."""

    def __init__(self, plan: Plan, watched: Guest, advance: Advance, since_s: float, climb: Climb, rung: Rung) -> None:
        self._plan = plan
        self.watched = watched
        self._advance = advance
        self._since_s = since_s
        self.climb = climb
        self._rung = rung
        self._sent = (0, time.monotonic())
        self.last: JobProgress | None = None
        self._recovering = False
        self.why = "it does not converge"

    def recovers(self) -> None:
        """From now on it is one that goes on after it broke off in post-copy: if nothing comes through, it ends."""
        self._recovering = True
        self._sent = (self._sent[0], time.monotonic())

    def until_end(self, ended: threading.Event, stop: Stop) -> Rung | None:
        """Watch until libvirt's call ends, or until a rung needs it to be aborted: that is returned."""
        pause_s = _FIRST_POLLS_S
        while not ended.wait(pause_s):
            pause_s = min(_POLL_S, pause_s * 1.5)
            if not self.climb.in_postcopy:
                stop.check()
            try:
                job = within(5.0, str(self.watched), lambda: migration.progress(self.watched))
                if job is None:
                    continue
                self._advance(job.percent, progress_words(job, in_postcopy=self.climb.in_postcopy))
                if self._aborts(job):
                    return self._rung
            except VmeError:
                continue  # near its end the guest is gone from the source; a question that fails is asked again
        return None

    def _aborts(self, job: JobProgress) -> bool:
        """Take the next rung, if it is time; whether that one is to abort the migration."""
        self.last = job
        if self._rung is Rung.WAIT:
            self.climb, self._rung = self._over_limits(job) or next_step(self.climb, job, self._plan.settings)
        if self._rung in (Rung.THROTTLE, Rung.GIVE_UP):
            if self.why == "it does not converge":
                self.why = (
                    f"it does not converge: it dirties {job.dirty_rate_bytes / 1e6:.0f} MB/s, and the link carries "
                    f"{job.rate_bytes / 1e6:.0f} MB/s"
                )
            return True
        if self._rung is Rung.ALLOW_DOWNTIME:
            migration.allow_downtime(self.watched, self.climb.downtime_ms)
        elif self._rung is Rung.POSTCOPY:
            migration.switch_to_postcopy(self.watched)
            self.climb = replace(self.climb, in_postcopy=True)
        self._rung = Rung.WAIT
        return False

    def _over_limits(self, job: JobProgress) -> tuple[Climb, Rung] | None:
        """The end of the ladder, where the time is up or nothing comes through."""
        now_s, limit_s = time.monotonic(), self._plan.settings.time_limit_s
        if job.passed_bytes != self._sent[0]:
            self._sent = (job.passed_bytes, now_s)
        if self.climb.in_postcopy:
            stalled = self._recovering and now_s - self._sent[1] > _STALLED_S
            return (self.climb, Rung.GIVE_UP) if stalled else None
        if now_s - self._sent[1] > _STALLED_S:
            self.why = f"nothing came through for {_STALLED_S:g} s: is the link between the two nodes up?"
            return self.climb, Rung.GIVE_UP
        if limit_s is not None and now_s - self._since_s > limit_s:
            self.why = f"it did not arrive within {duration_text(limit_s)}"
            return last_step(self.climb, self._plan.settings)
        return None


def _end(plan: Plan, ended: threading.Event, watch: _Watch, advance: Advance) -> None:
    """Abort and wait; who presses Ctrl-C again waits no longer, and is told what is not known then."""
    try:
        if watch.climb.in_postcopy:
            advance(0, "it runs there already, which can't be cancelled: waiting for the rest of its memory")
            ended.wait()
        else:
            advance(0, "cancelling")
            _cancel(ended, watch.watched)
    except KeyboardInterrupt:
        raise handed_over(plan) from None


def handed_over(plan: Plan) -> Interrupted:
    """What is said when a person does not wait for the end."""
    source, destination = plan.source.node.name, plan.destination.node.name
    return Interrupted(
        f"{plan.guest}: interrupted again, so nobody waited for its end: it runs on {source}, or it has arrived on "
        f"{destination}, or it is paused on one or both of them"
    )


def _cancel(ended: threading.Event, watched: Guest) -> None:
    """Abort the job until the migration's call ends: there may be no job yet, or no longer, when Ctrl-C comes."""
    deadline_s = time.monotonic() + CALL_TIMEOUT_S
    while not ended.is_set():
        if time.monotonic() > deadline_s:
            raise Interrupted(
                f"{watched}: libvirt was told to end the migration, and has not within {CALL_TIMEOUT_S:g} s",
                hint="it may still arrive: look with list_guests, and touch neither side while it shows two",
            )
        with suppress(VmeError):
            within(CALL_TIMEOUT_S, str(watched), lambda: migration.abort(watched))
        ended.wait(_POLL_S)


def _recover(plan: Plan, watch: _Watch, stop: Stop, problem: BaseException) -> None:
    """Go on with a migration that broke off in post-copy, when the guest is on both nodes: again and again.

    Raises the problem it broke off with, if that can't be.
    """
    there = plan.destination.hypervisor
    if not within(CALL_TIMEOUT_S, str(plan.guest), lambda: migration.can_recover(plan.source, there)):
        raise problem
    for _ in range(_RECOVERIES):
        time.sleep(_BEFORE_RECOVERY_S)
        watch.recovers()
        run = _Run().start(
            lambda: migration.migrate(
                plan.guest, there, plan.settings, throttled=watch.climb.throttled, recovering=True
            )
        )
        if watch.until_end(run.ended, stop) is Rung.GIVE_UP:
            raise Failed(
                f"{plan.guest}: it broke off in post-copy ({problem}), and libvirt, told to go on with it, sent "
                f"nothing for {_STALLED_S:g} s",
                hint=f"is the QEMU on {there.node.name} stuck? virsh migrate --postcopy-resume tries again",
            )
        if run.problem is None:
            return
    raise problem


def _await_running(watched: Guest) -> None:
    """Wait until the source runs the guest again after an abort."""
    deadline_s = time.monotonic() + CALL_TIMEOUT_S
    while within(CALL_TIMEOUT_S, str(watched), lambda: refreshed(watched)).state != "running":
        if time.monotonic() > deadline_s:
            raise Silent(f"{watched}: after the migration was aborted it does not run again")
        time.sleep(_POLL_S)


def _advice(plan: Plan, watch: _Watch) -> str:
    settings, tried = plan.settings, []
    tried.append(f"a pause of {watch.climb.downtime_ms} ms at its end")
    tried += ["auto-converge"] if watch.climb.throttled else []
    more = [
        *(["--bandwidth, which limits it"] if settings.bandwidth_mib else []),
        f"--max-downtime above {settings.max_downtime_ms}",
        *(["--auto-converge needed"] if settings.auto_converge == "never" else []),
        *(["--postcopy"] if not settings.postcopy and not settings.tunnelled else []),
    ]
    return f"it was given {' and '.join(tried)}; try {', '.join(more)}, or when the guest is less busy"


def progress_words(job: JobProgress, *, in_postcopy: bool = False) -> str:
    """Rate, dirty rate and time left, for the end of the bar; of the disks first, where those are copied."""
    if job.copies_disks:
        done, disk_rate = job.disk_total_bytes - job.disk_remaining_bytes, job.disk_rate_bytes
        end = f", about {duration_text(job.disk_remaining_bytes / disk_rate)} left" if disk_rate > 0 else ""
        return (
            f"copies its disks, {size_text(done)} of {size_text(job.disk_total_bytes)}, {disk_rate / 1e6:.0f} MB/s{end}"
        )
    rate, dirty = job.rate_bytes / 1e6, job.dirty_rate_bytes / 1e6
    left = "" if job.remaining_s is None else f", about {duration_text(job.remaining_s)} left"
    slowed = f", slowed down by {job.throttle_percent} %" if job.throttle_percent else ""
    runs = ", runs there already (post-copy)" if in_postcopy else ""
    return f"{rate:.0f} MB/s, {job.remaining_bytes / 1e6:.0f} MB to go, dirties {dirty:.0f} MB/s{slowed}{runs}{left}"


def _same_guest(hypervisor: Hypervisor, guest: Guest) -> Guest:
    found = find(hypervisor, guest.uuid)
    if found is None:
        raise NotFound(f"{guest}: it is gone meanwhile")
    return found
