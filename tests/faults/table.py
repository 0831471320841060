"""The table of all cells, written by the run that played them: docs/faults.md."""

from collections.abc import Iterator
from pathlib import Path

from lab.place import CHECKOUT
from tests.faults.case import Outcome
from tests.faults.causes import FAULTS
from tests.faults.cells import ALL, PLAYED, POINTS, Cell, why_not
from tests.faults.stopped import Said

FILE = CHECKOUT / "docs/faults.md"
_LONGEST = 220
_ENOUGH = 120


class Table:
    """The outcomes so far."""

    def __init__(self) -> None:
        self._outcomes: dict[Cell, Outcome] = {}

    def add(self, cell: Cell, outcome: Outcome) -> None:
        self._outcomes[cell] = outcome

    def is_worth_writing(self) -> bool:
        """Whether this was a run of the matrix, and not of a few cells."""
        return len(self._outcomes) >= _ENOUGH

    def lines_about(self, cell: Cell, outcome: Outcome) -> Iterator[str]:
        """One case at length, for whoever looks into a failure."""
        yield f"{cell.tool} at {cell.point}: {FAULTS[cell.fault].help}"
        yield f"  said ({outcome.said.status}): {outcome.said.text}"
        for name, words in (("repair --dry-run", outcome.dry), ("repair", outcome.repaired)):
            if words is not None:
                yield f"  {name} ({words.status}): {words.text}"
        yield f"  came nearest to: {outcome.outcome}; {outcome.seconds:.1f} s"

    def write(self, file: Path = FILE) -> None:
        """Write the table, with the cells that can't be and why."""
        file.write_text("\n".join([*_HEAD.format(count=len(self._outcomes)).splitlines(), *self._body()]) + "\n")

    def _body(self) -> Iterator[str]:
        for tool, points in POINTS.items():
            yield from ("", f"## {tool}", "")
            yield "| at the step | fault | it said (exit status) | where the guest is | `vme repair` |"
            yield "|---|---|---|---|---|"
            for point in points:
                cells = [cell for cell in PLAYED if (cell.tool, cell.point) == (tool, point)]
                yield from (_row(cell, self._outcomes[cell]) for cell in cells if cell in self._outcomes)
        yield from ("", "## What can't be", "", "| tool | at the step | fault | why |", "|---|---|---|---|")
        for cell in ALL:
            reason = why_not(cell)
            if reason is not None:
                yield f"| {cell.tool} | {cell.point} | {FAULTS[cell.fault].help} | {reason} |"


def _row(cell: Cell, outcome: Outcome) -> str:
    said = "(nothing: it was killed)" if outcome.said.status == -9 else _cell_text(outcome.said)
    repaired = "nothing to do" if outcome.repaired is None else _cell_text(outcome.repaired)
    where = f"**not well**: {'; '.join(outcome.violations)}" if outcome.violations else outcome.outcome
    return f"| {cell.point} | {FAULTS[cell.fault].help} | {said} | {where} | {repaired} |"


def _cell_text(said: Said) -> str:
    text = " ".join(said.text.split()).replace("|", "\\|")
    return f"{text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'} ({said.status})"


_HEAD = """\
# What happens when something breaks

Written by the tests themselves (`./test --long tests/faults`) from {count} cases in the lab of real hypervisors: each
tool was stopped at each step of its work, and met a fault there. After it `vme repair` ran where something was left.
Then a checker asked the nodes' process tables and files, not the tools: no guest runs twice, each runs where it was
said, memory, images, definitions and snapshots are as before or as they should be, and nothing is left over."""
