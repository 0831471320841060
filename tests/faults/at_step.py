"""Run a tool that stops itself (SIGSTOP) at a step of its work: `python at_step.py POINT TOOL ARGUMENT ...`.

POINT is a step as the journal has it ("defining it"): the tool stops right after it is written and before it is done.
HOLDING is before the first step, CLOSING after the last, before the entry goes; NOWHERE lets it run through. Each point
it comes to is told on stderr, behind MARK. How long the tool waits for a node's call is cut short, or each frozen
daemon would cost half a minute.
"""

import os
import signal
import sys
from typing import Any

HOLDING, CLOSING, NOWHERE = "(holding the name)", "(closing)", "(nowhere)"
MARK = "at_step: "
_CALL_TIMEOUT_S = 10.0


def stop_at(point: str) -> None:
    """Wrap the journal, so that this process stops itself at the point."""
    from vme.journal.work import Work

    def come_to(name: str) -> None:
        os.write(2, f"{MARK}{name}\n".encode())
        if name == point:
            os.kill(os.getpid(), signal.SIGSTOP)

    held, write, close = Work.__init__, Work.step, Work.settled

    def begin(work: Work, *words: Any, **more: Any) -> None:
        held(work, *words, **more)
        come_to(HOLDING)

    def step(work: Work, name: str, **facts: Any) -> None:
        write(work, name, **facts)
        come_to(name)

    def settled(work: Work) -> None:
        if work.begun:
            come_to(CLOSING)
        close(work)

    for name, wrapped in (("__init__", begin), ("step", step), ("settled", settled)):
        setattr(Work, name, wrapped)


def shorten_deadlines() -> None:
    """Before any action is imported: each takes the value it finds."""
    from vme.actions import undo

    undo.CALL_TIMEOUT_S = _CALL_TIMEOUT_S


if __name__ == "__main__":
    shorten_deadlines()
    stop_at(sys.argv[1])
    from vme.__main__ import main

    sys.argv[:] = sys.argv[2:]
    main()
