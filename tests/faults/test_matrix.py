"""Every tool that changes something, broken off or hindered at each of its steps: what it says, where the guest is
then, and what `vme repair` makes of it. tests/faults/checker.py says what must be so."""

import pytest

from tests.faults import stopped
from tests.faults.at_step import NOWHERE
from tests.faults.case import play, ready
from tests.faults.cells import CELLS, COPYING, POINTS, SPREAD, Cell
from tests.faults.ground import Ground
from tests.faults.table import Table


@pytest.mark.parametrize("tool", POINTS)
def test_a_tool_comes_to_these_points(ground: Ground, tool: str) -> None:
    """A step that is new must get its cells."""
    scene = ready(ground, Cell(tool, "", ""))
    said = stopped.begin(ground.vme, NOWHERE, *scene.words).end()
    assert said.status == 0, said
    assert said.points == tuple(point for point in POINTS[tool] if point != COPYING)
    ground.put_away(scene.guest, ground.glance())


@pytest.mark.parametrize(
    "cell", [pytest.param(cell, marks=[] if cell in SPREAD else [pytest.mark.long]) for cell in CELLS], ids=str
)
def test_nothing_is_lost(ground: Ground, table: Table, cell: Cell) -> None:
    outcome = play(ground, cell)
    table.add(cell, outcome)
    assert not outcome.violations, "\n".join(["", *outcome.violations, "", *table.lines_about(cell, outcome)])
