"""What a tool must not import before it needs it: each of these would cost it as much as all of its own modules."""

import sys

import pytest

from lab.place import CHECKOUT
from lab.run import must

# dataclasses brings inspect, ast and tokenize.
DEAR = ("dataclasses", "inspect", "subprocess", "tomllib", "ClusterShell", "rich", "yaml", "tempfile", "logging")
READING = "import vme.__main__, vme.commands.parser, vme.audit, vme.fleet.locate, vme.commands.{}"


def imported(statement: str) -> set[str]:
    """The modules that are loaded after a statement, in a process of its own that no site-packages begin in."""
    paths = [str(CHECKOUT / "src"), "/usr/lib/python3/dist-packages"]
    code = f"import sys; sys.path += {paths}; {statement}; print(*sys.modules)"
    return set(must([sys.executable, "-S", "-P", "-c", code]).split())


@pytest.mark.parametrize("module", ["list_guests", "node_list", "lifecycle", "info_guest", "migrate_guest"])
def test_a_tool_imports_nothing_dear(module: str) -> None:
    assert not imported(READING.format(module)) & {*DEAR}


@pytest.mark.parametrize("module", ["list_guests", "lifecycle"])
def test_what_asks_for_guests_needs_neither_libvirt_nor_the_module_around_sockets(module: str) -> None:
    """Over warm connections; who acts loads libvirt while the nodes are being asked."""
    assert not imported(READING.format(module)) & {"libvirt", "socket"}


@pytest.mark.parametrize("words", [["--help"], ["--complete", "nodes"]])
def test_help_and_completion_need_neither_libvirt_nor_argparse(words: list[str]) -> None:
    """Seen from within: what the process has loaded when it is done."""
    loaded = imported(
        f"import vme.__main__; vme.__main__.run('list_guests' if {words} == ['--help'] else 'vme', {words})"
    )
    assert not loaded & {"libvirt", "argparse", *DEAR}
