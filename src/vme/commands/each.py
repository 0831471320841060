"""The same work on many guests at once: a line of outcome for each, a summary, and one exit status for all."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from vme.actions.together import Stop
from vme.commands.context import Context
from vme.errors import Failed, Interrupted, NoneDone, Silent, VmeError
from vme.fleet.deadline import GRACE_S
from vme.fleet.everywhere import silence_text
from vme.hypervisor.guest import Guest

# What breaks off may have to wait for a node's libvirt, twice.
_BREAKING_OFF_S = 60.0


def on_each(context: Context, guests: Sequence[Guest], work: Callable[[int], str], *, stop: Stop | None = None) -> int:
    """Do `work` (given a guest's index) for every guest; failures of one do not stop the others.

    With `stop`, work that looks at it breaks off and undoes its own when a person presses Ctrl-C, and is waited for.
    On one node as many at once as context.jobs_per_node says. Returns 0 if all were done. Otherwise raises: the one
    guest's own error; Failed if some were done and some not; NoneDone if none was; Silent if all were, and a node that
    said nothing may have more of them; Interrupted, when what had begun has come to its end.
    """
    if len(guests) == 1:
        context.say(work(0))
    else:
        _sum_up(context, len(guests), _not_done(context, guests, work, stop))
    if context.unseen:
        raise Silent(
            f"no answer from {silence_text(context.unseen)}",
            hint="of the guests asked for, more may be there; those that were found are done",
        )
    return 0


def _not_done(context: Context, guests: Sequence[Guest], work: Callable[[int], str], stop: Stop | None) -> int:
    """Do the work in a thread a guest, saying each outcome; returns how many were not done."""
    turns = {guest.node: threading.Semaphore(context.jobs_per_node) for guest in guests}
    problems: list[Exception] = []
    begun: set[int] = set()
    ended = [threading.Event() for _ in guests]
    interrupted = threading.Event()

    def one(index: int) -> None:
        with turns[guests[index].node]:
            try:
                if interrupted.is_set():
                    return
                begun.add(index)
                context.say(work(index))
            except VmeError as problem:
                problems.append(problem)
                context.warn(f"{problem.message}{f' (hint: {problem.hint})' if problem.hint else ''}")
            except Exception as bug:  # noqa: BLE001 (raised again below)
                problems.append(bug)
            finally:
                ended[index].set()

    started = 0
    try:
        for index in range(len(guests)):
            started = index + 1
            threading.Thread(target=one, args=(index,), daemon=True).start()
        for event in ended:
            event.wait()
    except KeyboardInterrupt:
        # What has begun comes to its end, if it can: half a deletion is worse than a whole one. Nothing more begins.
        interrupted.set()
        if stop is not None:
            stop.request()
        with suppress(KeyboardInterrupt):  # who presses it again waits no longer
            _wait_for_all(ended[:started], GRACE_S if stop is None else _BREAKING_OFF_S)
        hangs = stop is not None and not all(event.is_set() for event in ended[:started])
        hint = "vme repair finishes or undoes what was begun" if hangs else None
        raise Interrupted(_where_things_stand(guests, begun, ended), hint=hint) from None
    for problem in problems:
        if not isinstance(problem, VmeError):
            raise problem
    return len(problems)


def _sum_up(context: Context, total: int, not_done: int) -> None:
    """Say or raise how many were done. On stderr, so that stdout has a line a guest and nothing else."""
    if not_done == 0:
        if not context.quiet:
            context.warn(f"{total} guests, {'nothing done yet (--dry-run)' if context.dry_run else 'all done'}")
    elif not_done < total:
        raise Failed(f"{not_done} of {total} guests not done; each is said above")
    else:
        raise NoneDone(f"none of {total} guests done; each is said above")


def _wait_for_all(events: Sequence[threading.Event], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    for event in events:
        event.wait(max(0.0, deadline_s - time.monotonic()))


def _where_things_stand(guests: Sequence[Guest], begun: set[int], ended: Sequence[threading.Event]) -> str:
    hanging = [str(guest) for index, guest in enumerate(guests) if not ended[index].is_set() and index in begun]
    untouched = [str(guest) for index, guest in enumerate(guests) if index not in begun]
    parts = ["interrupted; what was done is said above"]
    parts += [f"begun, and how it ended is not known: {', '.join(hanging)}"] if hanging else []
    parts += [f"not begun: {', '.join(untouched)}"] if untouched else []
    return "; ".join(parts)
