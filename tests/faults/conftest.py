"""One ground for all cells of the matrix; rebuilt from nothing after a cell that did not end well."""

from collections.abc import Generator, Iterator

import pytest

from lab import faults
from lab.place import Lab
from tests.faults.ground import Ground
from tests.faults.table import Table
from tests.lab.conftest import empty
from tests.lab.vme import Vme


@pytest.fixture(scope="module")
def _grounds(running_lab: Lab) -> Iterator[list[Ground]]:
    grounds: list[Ground] = []
    yield grounds
    clear(running_lab)


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """The table of all cells; a run that played many of them writes it."""
    table = Table()
    yield table
    if table.is_worth_writing():
        table.write()


@pytest.fixture
def ground(_grounds: list[Ground], running_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Ground]:
    if not _grounds:
        clear(running_lab)
        made = Ground(Vme(running_lab))
        made.set_up()
        _grounds.append(made)
    ground = _grounds[0]
    yield ground
    for process in ground.vme.started:
        process.kill()
        process.communicate()
    ground.vme.started.clear()
    if request.node.stash.get(_SPOILT, False):
        _grounds.clear()


_SPOILT = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_SPOILT] = True
    return report


def clear(lab: Lab) -> None:
    """Every fault healed, every guest gone, the stores empty."""
    faults.clear(lab)
    empty(lab)
