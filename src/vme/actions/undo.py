"""Taking back what was done so far, newest first, when a later step fails or a person presses Ctrl-C."""

from collections.abc import Callable

from vme.errors import Failed, Interrupted, Silent, VmeError
from vme.fleet.deadline import Late
from vme.journal.work import Work

CALL_TIMEOUT_S = 30.0


class Undo:
    """The steps that would take back what has been done. Used as a context: on any exception they are carried out.

    The journal's entry of `work` goes with the last of them.
    """

    def __init__(self, subject: str, work: Work | None = None) -> None:
        self._subject = subject
        self._work = work
        self._steps: list[tuple[str, Callable[[], None]]] = []

    def add(self, left_behind: str, step: Callable[[], None]) -> None:
        """Remember a step, before the deed it takes back; `left_behind` says what stays if the step fails."""
        self._steps.append((left_behind, step))

    def __enter__(self) -> "Undo":
        return self

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        if problem is None:
            return
        if self._work is not None and isinstance(problem, Late):
            # What it undoes now, the call that is under way could bring back in part: `vme repair` looks later.
            if self._steps:
                things = ", ".join(what for what, _ in self._steps)
                problem.message += f"; it may still be done, so nothing was undone, and there may be: {things}"
            return
        begun = bool(self._steps)
        left = self._take_back()
        if self._work is not None and not left:
            try:
                self._work.settled()
            except OSError:
                left = [f"its entry in the journal (vme repair {self._work.intent.guest} removes it)"]
        if isinstance(problem, KeyboardInterrupt):
            raise Interrupted(f"{self._subject}: interrupted; {_ending(left)}") from None
        # An error that comes from work within, which had an Undo of its own, has said already what became of it.
        if left or isinstance(problem, OSError) or (begun and isinstance(problem, Failed)):
            message = problem.message if isinstance(problem, VmeError) else f"{self._subject}: {problem}"
            hint = "see to what was left behind, then try again" if left else None
            raise Failed(f"{message}; {_ending(left)}", hint=hint) from problem
        if begun and isinstance(problem, Silent):
            problem.message += f"; {_ending(left)}"

    def _take_back(self) -> list[str]:
        """Carry out the steps; at the first that fails the rest stays too, for it may still be in use."""
        while self._steps:
            left_behind, step = self._steps[-1]
            try:
                step()
            except (VmeError, OSError, KeyboardInterrupt) as problem:
                # A second Ctrl-C ends the undoing, but not without saying what stays.
                problem = problem if str(problem) else Interrupted("interrupted again")
                return [f"{what}" for what, _ in self._steps] + [f"({left_behind}: {problem})"]
            self._steps.pop()
        return []


def _ending(left: list[str]) -> str:
    return f"left behind: {', '.join(left)}" if left else "everything was undone"
