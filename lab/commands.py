"""`lab up`, `down`, `status` and `fault`: each an action under the lab's lock."""

import sys
import time
from collections.abc import Callable

from lab import fault_commands, lifecycle, requirements, status, witness
from lab.errors import LabError
from lab.place import Lab, default_lab, locked


def execute(verb: str, words: list[str]) -> int:
    """Do what one command line says. Raise LabError if it can't be done."""
    action = COMMANDS.get(verb)
    if action is None:
        raise LabError(f"no command {verb!r}", hint=f"there are: {', '.join((*COMMANDS, 'shell', 'run'))}")
    if words and verb not in ("fault", "address"):
        raise LabError(f"`lab {verb}` takes no arguments")
    action(default_lab(), words)
    return 0


def up(lab: Lab, _words: list[str]) -> None:
    begin = time.monotonic()
    requirements.check(lab)
    with locked(lab):
        lifecycle.up(lab)
    sys.stdout.write(f"{status.table(lab)}\nup in {time.monotonic() - begin:.1f} s, in {lab.folder}\n{status.NEXT}")


def down(lab: Lab, _words: list[str]) -> None:
    requirements.must_be_root()
    if not lab.folder.is_dir():
        sys.stdout.write(f"no lab in {lab.folder}\n")
        return
    begin = time.monotonic()
    with locked(lab):
        lifecycle.down(lab)
    sys.stdout.write(f"down in {time.monotonic() - begin:.1f} s; nothing left but {lab.cache} and {lab.logs}\n")


def show(lab: Lab, _words: list[str]) -> None:
    lifecycle.must_be_up(lab)
    sys.stdout.write(status.table(lab))


def address(lab: Lab, words: list[str]) -> None:
    if len(words) != 1:
        raise LabError("`lab address` takes one guest")
    lifecycle.must_be_up(lab)
    sys.stdout.write(f"{witness.answering_address(lab, words[0])}\n")


def fault(lab: Lab, words: list[str]) -> None:
    if words in (["--help"], ["-h"]):
        sys.stdout.write(fault_usage())
        return
    lifecycle.must_be_up(lab)
    with locked(lab):
        fault_commands.cause(lab, words)


def fault_usage() -> str:
    return fault_commands.usage()


COMMANDS: dict[str, Callable[[Lab, list[str]], None]] = {
    "up": up,
    "down": down,
    "status": show,
    "address": address,
    "fault": fault,
}
