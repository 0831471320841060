"""`lab fault ...`: a table of the faults, what each needs to know, and the function that does it."""

from collections.abc import Callable
from dataclasses import dataclass

from lab import faults
from lab.errors import LabError
from lab.place import Lab


@dataclass(frozen=True, slots=True)
class Fault:
    """A row: the words it takes (in brackets: may be left out) and what it does, the effect first."""

    words: tuple[str, ...]
    action: Callable[..., None]
    help: str

    @property
    def least(self) -> int:
        return sum(not word.startswith("[") for word in self.words)


FAULTS = {
    "power-off": Fault(("HOST",), faults.switch_off, "every process of a host dies at once"),
    "power-on": Fault(("HOST",), faults.switch_on, "a host starts again, with the disks it had"),
    "freeze": Fault(("HOST", "DAEMON"), faults.freeze, "a daemon, a tool or qemu:GUEST stops answering"),
    "thaw": Fault(("HOST", "DAEMON"), faults.thaw, "it goes on"),
    "kill": Fault(("HOST", "DAEMON"), faults.kill, "it dies"),
    "start": Fault(("HOST", "DAEMON"), faults.start, "a daemon starts again"),
    "cut": Fault(("HOST", "HOST"), faults.cut, "no frame passes between two hosts, nor between their guests"),
    "heal": Fault(("HOST", "HOST"), faults.heal, "frames pass again"),
    "unmount": Fault(("HOST", "[ZONE]"), faults.unmount, "a host loses its store"),
    "mount": Fault(("HOST", "[ZONE]"), faults.mount, "it has it again"),
    "fill": Fault(("ZONE",), faults.fill, "a store has no block left"),
    "free": Fault(("ZONE",), faults.free, "it has again"),
    "kill-qemu": Fault(("NODE", "GUEST"), faults.kill_qemu, "a guest's QEMU dies"),
    "clear": Fault((), faults.clear, "every fault is undone"),
}


def usage() -> str:
    rows = [(" ".join((name, *fault.words)), fault.help) for name, fault in FAULTS.items()]
    width = max(len(left) for left, _ in rows)
    return "".join(f"  lab fault {left.ljust(width)}  {right}\n" for left, right in rows)


def cause(lab: Lab, words: list[str]) -> None:
    """Do what `lab fault WORDS` says. Raise LabError if it says nothing that we know."""
    name, given = (words[0], words[1:]) if words else ("", [])
    fault = FAULTS.get(name)
    if fault is None:
        raise LabError(f"no fault {name!r}" if name else "which fault?", hint=f"there are:\n{usage()}".rstrip())
    if not fault.least <= len(given) <= len(fault.words):
        raise LabError(f"`lab fault {name}` takes: {' '.join(fault.words) or 'nothing'}")
    fault.action(lab, *given)
