"""Doing it: take the step that is due, look whether it took and what is due now. Safe to kill and begin again."""

import time
from collections.abc import Callable

from vme.actions.replace_disk import job as journal
from vme.actions.replace_disk.efi import left_to_do
from vme.actions.replace_disk.exchange import wait_for_new_disk
from vme.actions.replace_disk.job import Job
from vme.actions.replace_disk.objections import standing
from vme.actions.replace_disk.plan import Plan
from vme.actions.replace_disk.rebuild import watch
from vme.actions.replace_disk.report import report_of
from vme.actions.replace_disk.seen import Seen, look
from vme.actions.replace_disk.steps import Step, next_step
from vme.errors import Failed, Interrupted, Refused, VmeError
from vme.node.md.machine import SLOW_S, Session
from vme.node.md.verbs import Action, action
from vme.progress import Advance
from vme.records import dataclass, replace

# A member that was failed just now is busy for a moment, and udev needs one to see a new partition.
_PATIENCE_S = 15.0
_PAUSE_S = 0.5
# If one of these fails, what is due is derived anew. Detached members are a race with udev, which removes them as well;
# mounting is one with systemd, which may mount what fstab has as soon as it is there.
_TRIED_AGAIN = ("remove", "fail-detached", "remove-detached", "write-table", "mount")


@dataclass(frozen=True)
class Manner:
    """How the work is accompanied: `say` prints a line, `pressed` waits for Enter as long as it is told, at most."""

    say: Callable[[str], None]
    advance: Advance
    pressed: Callable[[float], bool]
    exchange_wait_s: float
    wait_for_rebuild: bool


def carry_out(plan: Plan, manner: Manner) -> str:
    """Do every step that is still to be done; returns one line of outcome. Raises Refused, Failed or Interrupted.

    Whatever it raises, the same command begun again goes on where the machine then is.
    """
    job, session = plan.job, plan.session
    with journal.held(job.machine):
        _write_down(plan)
        try:
            return _go_on(session, job, manner, resumed=plan.resumed)
        except KeyboardInterrupt:
            raise Interrupted(f"{job.subject}: interrupted; {_again(job)}") from None
        except Refused as problem:
            raise Refused(job.subject, problem.reasons, hint=problem.hint or _again(job)) from None
        except VmeError as problem:
            problem.hint = problem.hint or _again(job)
            raise


def _again(job: Job) -> str:
    return f"`replace_disk {job.machine} {job.device}` goes on from where the machine is"


def _write_down(plan: Plan) -> None:
    journal.save(plan.job)
    for name, text in plan.files:
        journal.keep(plan.job, name, text)
    journal.note(plan.job, "begun again" if plan.resumed else "begun: " + "; ".join(plan.notes))


def _go_on(session: Session, job: Job, manner: Manner, *, resumed: bool) -> str:
    seen = look(session, job)
    while (step := next_step(job, seen)) is not None:
        _object(job, seen, step)
        manner.say(f"{step.name}: {step.title}")
        if step.name == "exchange":
            # A rescan finds the old disk again if it is still in; so none is made in the run that took it out.
            disk = wait_for_new_disk(session, job, seen, manner, rescan_first=resumed and "old-disk" not in job.forced)
            if disk is None:
                manner.say("  the old disk is still in")
                seen = look(session, job)
                continue
            job = replace(job, new=disk.identity, known=tuple(dict.fromkeys((*job.known, disk.identity or ""))))
            journal.save(job)
            _tell(job, manner, f"the new disk is {disk.name} (serial {disk.identity})")
            _run(session, job, action("led-off", disk=disk.name, optional=True), manner)
            seen = look(session, job)
        elif step.name == "rebuild":
            if not manner.wait_for_rebuild:
                return (
                    f"{job.subject}: the rebuild goes on by itself; disk_list {job.machine} shows it, and {_again(job)}"
                )
            watch(session, job, seen, manner.advance)
            seen = look(session, job)
        else:
            seen = _do(session, job, seen, step, manner)
            resumed = False
        journal.note(job, f"{step.name}: done")
        manner.say(f"{step.name}: done")
    report = journal.finish(job, report_of(job, seen, journal.log_of(job)))
    manner.say(f"report: {report}")
    for line in left_to_do(job, seen):
        manner.say(f"left to do: {line}")
    return f"{job.subject}: replaced; every array is clean"


def _object(job: Job, seen: Seen, step: Step) -> None:
    reasons = standing(step.against(job, seen), job.forced)
    if reasons:
        raise Refused(job.subject, [f"{step.title}: {reason}" for reason in reasons])


def _do(session: Session, job: Job, seen: Seen, step: Step, manner: Manner) -> Seen:
    """Run the step's commands, then look until its effect shows; returns what was seen. Raises Failed if it does not.

    After a command that failed, what is due is derived anew: what is busy now may not be in a second, and what is gone
    needs another command.
    """
    deadline_s = time.monotonic() + _PATIENCE_S
    left = step.actions(job, seen)
    while left:
        problem = _run(session, job, left[0], manner)
        if problem is None:
            left = left[1:]
            deadline_s = time.monotonic() + _PATIENCE_S  # for each command anew: some take long
            continue
        if time.monotonic() > deadline_s or left[0].verb not in _TRIED_AGAIN:
            raise Failed(problem)
        time.sleep(_PAUSE_S)
        seen = look(session, job)
        left = step.actions(job, seen) if step.pending(job, seen) else []
    while step.pending(job, seen := look(session, job)):
        if time.monotonic() > deadline_s:
            due = "; ".join(str(one) for one in step.actions(job, seen))
            raise Failed(f"{job.subject}: {step.title}: the commands ended well, but it is not so; still due: {due}")
        time.sleep(_PAUSE_S)
    return seen


def _run(session: Session, job: Job, one: Action, manner: Manner) -> str | None:
    """Run one command; returns what is to be said if it failed, None if it did not, or need not be done."""
    _tell(job, manner, f"  {one}")
    done = session.run(one, timeout_s=SLOW_S)
    return None if done.status == 0 or one.optional else f"{job.subject}: {one}: {done.last_words}"


def _tell(job: Job, manner: Manner, line: str) -> None:
    journal.note(job, line.strip())
    manner.say(line)
