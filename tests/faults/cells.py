"""Which fault meets which tool at which point: every cell of the matrix, and why some can't be."""

from dataclasses import dataclass

from tests.faults.at_step import CLOSING, HOLDING
from tests.faults.causes import FAULTS

COPYING = "(copying its memory)"
# Moves to another zone, with its images, of a guest that is shut off and of one that runs.
STILL, RUNNING = "migrate_guest --with-storage", "migrate_guest --with-storage, running"
ACROSS = (STILL, RUNNING)
# The steps of each tool as the journal has them, in their order, with the points before the first and after the last.
POINTS = {
    "create_guest": (
        HOLDING,
        "making its images",
        "defining it",
        "starting it",
        "saving its definition",
        CLOSING,
    ),
    "del_guest": (
        HOLDING,
        "saving its definition",
        "pulling its plug",
        "removing its definition",
        "putting its files away",
        CLOSING,
    ),
    "add_disk_guest": (HOLDING, "making its image", "attaching it", "saving the definition", CLOSING),
    "migrate_guest": (
        HOLDING,
        "keeping what travels with it on the store",
        "taking its snapshots' descriptions down at the source",
        "moving it",
        COPYING,
        "giving it back what was kept on the store",
        "saving its definition",
        CLOSING,
    ),
    STILL: (
        HOLDING,
        "keeping what travels with it on the store",
        "copying its files to the other store",
        "defining it at the destination",
        "undefining it at the source",
        "giving it back what was kept on the store",
        "saving its definition",
        "putting its old files away",
        CLOSING,
    ),
    RUNNING: (
        HOLDING,
        "copying its files to the other store",
        "moving it",
        COPYING,
        "saving its definition",
        "putting its old files away",
        CLOSING,
    ),
}
_OF_ANOTHER_STORE = ("destination's store unmounted here", "destination's store full")
_OF_TWO_QEMUS = ("QEMU killed", "destination's QEMU killed", "nodes' link cut")
_OF_DESTINATION = (*(name for name in FAULTS if "destination" in name), "nodes' link cut")


@dataclass(frozen=True)
class Cell:
    """One case."""

    tool: str
    point: str
    fault: str

    def __str__(self) -> str:
        words = "-".join((self.tool, self.point, self.fault))
        return "".join("_" if letter == " " else letter for letter in words if letter not in "()',")


def why_not(cell: Cell) -> str | None:
    """Why a fault has no meaning at that point; None if it has."""
    tool, point, fault = cell.tool, cell.point, cell.fault
    if fault in _OF_DESTINATION and not tool.startswith("migrate_guest"):
        return "one node is all it is about"
    if fault in _OF_ANOTHER_STORE and tool not in ACROSS:
        return "both nodes have the same store"
    if fault in _OF_TWO_QEMUS and tool == STILL:
        return "it is shut off: there is no QEMU, and the nodes have nothing to say to each other"
    if fault == "destination's QEMU killed" and point != COPYING:
        return "while no memory is copied there is no QEMU of it at the destination, or the guest is there already"
    if fault == "stale definition" and (tool, point) not in _WHERE_A_NAME_IS_TAKEN:
        return "it defines nothing after this point"
    if fault == "QEMU killed":
        if tool == "create_guest" and point not in ("saving its definition", CLOSING):
            return "no QEMU of it runs yet"
        if tool == "del_guest" and point not in (HOLDING, "saving its definition", "pulling its plug"):
            return "its plug is pulled already"
        if tool == "add_disk_guest":
            return "the guest of these cells is shut off: its disk is taken back whether its system lets go or not"
        if tool in ("migrate_guest", RUNNING) and POINTS[tool].index(point) > POINTS[tool].index(COPYING):
            return "it has left this node"
    return None


def _is_played(cell: Cell) -> bool:
    """Before the first step and after the last no node is asked anything: there the tool's own end and the store count.

    Of those that end it in the same way each point has one, in turn, so that each meets every kind of step.
    """
    if cell.tool == RUNNING and cell.point not in ("moving it", COPYING):
        return cell.fault == "killed"  # the rest of its way is that of a guest that is shut off
    if cell.point in _EDGES:
        return cell.fault in _AT_THE_EDGES
    if cell.tool in ACROSS and cell.fault in _AS_WITHIN_A_ZONE:
        return False
    pairs = (*_ALIKE, *_AS_SILENT) if cell.tool in ACROSS else _ALIKE
    alike = next((faults for faults in pairs if cell.fault in faults), None)
    if alike is None:
        return True
    turn = POINTS[cell.tool].index(cell.point) + sorted(POINTS).index(cell.tool)
    return alike.index(cell.fault) == turn % len(alike)


# What a migration keeps it writes to the store, before any node is asked for a change; what it puts away, after that.
_EDGES = (HOLDING, CLOSING, "keeping what travels with it on the store", "putting its old files away")
_AT_THE_EDGES = (
    "killed",
    "interrupted",
    "second manager",
    "store unmounted here",
    "destination's store unmounted here",
    "store full",
    "stale definition",
)
_ALIKE = (("interrupted twice", "terminated"), ("frozen", "killed, tried again", "frozen, then killed"))
# Two ways of a node to give no answer.
_AS_SILENT = (
    ("libvirtd frozen", "link to node cut"),
    ("destination's libvirtd frozen", "link to destination cut"),
)
# What a node's own loss does to a move is seen within a zone; what is new between two are the stores.
_AS_WITHIN_A_ZONE = (
    "store unmounted on node",
    "store hangs",
    "node without power",
    "destination without power",
)
_WHERE_A_NAME_IS_TAKEN = (
    ("create_guest", "making its images"),
    ("create_guest", "defining it"),
    ("migrate_guest", HOLDING),
    ("migrate_guest", "moving it"),
    (STILL, HOLDING),
    (STILL, "defining it at the destination"),
    (RUNNING, "moving it"),
)

ALL = tuple(Cell(tool, point, fault) for tool, points in POINTS.items() for point in points for fault in FAULTS)
PLAYED = tuple(cell for cell in ALL if why_not(cell) is None and _is_played(cell))
_OF = {tool: [cell for cell in PLAYED if cell.tool == tool] for tool in POINTS}
# The tools in turn, so that a run that is broken off has met them all.
CELLS = tuple(sorted(PLAYED, key=lambda cell: _OF[cell.tool].index(cell) / len(_OF[cell.tool])))
# Those that run without --long: each tool, and the harshest of what may come.
SPREAD = frozenset(
    {
        Cell("create_guest", "making its images", "killed"),
        Cell("create_guest", "defining it", "libvirtd frozen"),
        Cell("create_guest", "starting it", "killed"),
        Cell("create_guest", "saving its definition", "store full"),
        Cell("del_guest", "removing its definition", "killed"),
        Cell("del_guest", "putting its files away", "killed"),
        Cell("del_guest", "removing its definition", "libvirtd killed"),
        Cell("add_disk_guest", "attaching it", "killed"),
        Cell("add_disk_guest", "making its image", "store unmounted here"),
        Cell("add_disk_guest", "attaching it", "interrupted"),
        Cell("migrate_guest", "moving it", "second manager"),
        Cell("migrate_guest", COPYING, "killed"),
        Cell("migrate_guest", COPYING, "interrupted"),
        Cell("migrate_guest", COPYING, "destination without power"),
        Cell("migrate_guest", "saving its definition", "killed"),
        Cell("migrate_guest", "moving it", "link to destination cut"),
        Cell("migrate_guest", "taking its snapshots' descriptions down at the source", "killed"),
        Cell(STILL, "defining it at the destination", "destination's store unmounted here"),
        Cell(STILL, "undefining it at the source", "killed"),
        Cell(STILL, "putting its old files away", "killed"),
        Cell(RUNNING, COPYING, "killed"),
    }
)
