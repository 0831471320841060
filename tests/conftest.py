"""Which tests run: those marked `long` only with --long. And one lab for all of them, in a folder of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lifecycle, requirements
from lab.errors import LabError
from lab.place import Lab
from lab.topology import DEFAULT

# Not the folder of `./demo`: both may be up at once. Each of several processes that share the tests has its own lab.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
FOLDER = Path(os.environ.get("VME_TEST_LAB_DIR", "/var/lib/vme-lab-test") + (f"-{_WORKER}" if _WORKER else ""))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked `long` too: many faults, many examples")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; run with --long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    kept = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    lab = Lab(FOLDER, DEFAULT)
    try:
        requirements.check(lab)
    except LabError as problem:
        reason = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
        # In CI a test that does not run is a failure: everything it needs is there, or set-up is wrong.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the lab can't run here: {reason}")
    lifecycle.down(lab)
    lifecycle.up(lab)
    yield lab
    lifecycle.down(lab)
