"""What a machine has: its disks, where each is plugged in, and its arrays. Asked over ssh, in few calls."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from vme.config import Node, SshConfig
from vme.errors import Failed
from vme.node.md.block_devices import Block, Disk, parse_by_path, parse_enclosures, parse_lsblk, parse_swaps
from vme.node.md.mdadm import Detail, parse_detail
from vme.node.md.mdstat import MdArray, parse_mdstat
from vme.node.md.smart import Health, parse_smartctl
from vme.node.md.verbs import Action, action, fits
from vme.process import Result
from vme.records import dataclass
from vme.ssh import run_on_node

# Longer than a question: a disk that is ill lets smartctl and sfdisk wait.
SLOW_S = 60.0
# Sessions over one connection: sshd allows 10 (MaxSessions), and another tool may have some.
_AT_ONCE = 5


@dataclass(frozen=True)
class Machine:
    """A machine's disks and arrays. `places`: disk -> its names in by-path; `slots`: disk -> its enclosure's slot."""

    node: Node
    disks: tuple[Disk, ...]
    arrays: tuple[MdArray, ...]
    swaps: frozenset[str]
    places: dict[str, tuple[str, ...]]
    slots: dict[str, str]

    def disk(self, name: str) -> Disk | None:
        return next((disk for disk in self.disks if disk.name == name), None)

    def arrays_on(self, disk: Disk) -> tuple[MdArray, ...]:
        """The arrays that have this disk, or a partition of it, as a member."""
        names = {block.name for block in disk.block.all()}
        return tuple(array for array in self.arrays if any(member.name in names for member in array.members))


@dataclass(frozen=True)
class Session:
    """How to ask and act on one machine."""

    node: Node
    ssh: SshConfig
    timeout_s: float

    def ask(self, verb: str, **fields: str) -> Result:
        """Run a command of the table, whatever its status."""
        return self.run(Action(verb, fields))

    def ask_all(self, questions: Sequence[Action]) -> list[Result]:
        """Run them at the same time, over the one connection; the results are in the questions' order."""
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return list(pool.map(self.run, questions))

    def run(self, what: Action, *, timeout_s: float | None = None) -> Result:
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        return run_on_node(self.node, self.ssh, what.argv, timeout_s=limit_s, stdin=what.input)


def ask_machine(session: Session) -> Machine:
    """The machine as it is now. Raises Failed where its lsblk can't be read."""
    questions = [Action(verb) for verb in ("disks", "mdstat", "swaps", "by-path", "enclosures")]
    disks, mdstat, swaps, by_path, enclosures = session.ask_all(questions)
    try:
        known = parse_lsblk(disks.output)
    except ValueError as problem:
        why = disks.last_words if disks.status != 0 else str(problem)
        raise Failed(f"{session.node.name}: lsblk can't be read: {why}") from None
    return Machine(
        session.node,
        known,
        parse_mdstat(mdstat.output),
        frozenset(parse_swaps(swaps.output)),
        parse_by_path(by_path.output),
        parse_enclosures(enclosures.output),
    )


def ask_details(session: Session, names: Collection[str]) -> tuple[Detail, ...]:
    """`mdadm --detail` of these arrays. Raises Failed where one gives none."""
    asked = sorted(names)
    details = []
    for name, done in zip(asked, session.ask_all([action("array", array=name) for name in asked]), strict=True):
        detail = parse_detail(done.output)
        if detail is None:
            raise Failed(f"{session.node.name}: mdadm --detail /dev/{name} can't be read: {done.last_words}")
        details.append(detail)
    return tuple(details)


def ask_health(session: Session, disks: Sequence[Disk]) -> dict[str, Health]:
    """Disk -> its health; of kinds of disks that smartctl is not asked about (mmcblk0) nothing is known."""
    names = [disk.name for disk in disks if fits("disk", disk.name)]
    told = session.ask_all([action("smart", disk=name) for name in names])
    return {name: parse_smartctl(done.output) for name, done in zip(names, told, strict=True)}


def mounted(blocks: Collection[Block]) -> list[str]:
    """`sda5 on /scratch` for each of these that is mounted (swap counts apart)."""
    return [
        f"{block.name} on {block.mountpoint}"
        for block in blocks
        if block.mountpoint is not None and block.mountpoint != "[SWAP]"
    ]
