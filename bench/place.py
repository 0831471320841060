"""The lab that things are timed in: three nodes with twenty guests each, ssh as OpenSSH ships it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import lifecycle, run
from lab.host import environment_of, inside, must_on, powered, root_of
from lab.place import CHECKOUT, Lab
from lab.topology import DEFAULT, Topology
from tests.lab.wrapped import wrapped_node

GUESTS_PER_NODE = 20
EAST = DEFAULT.zones[0]
THREE_NODES = replace(
    DEFAULT,
    hosts=tuple(host for host in DEFAULT.hosts if host not in DEFAULT.nodes or host.name in EAST.nodes),
    zones=(EAST,),
)
FOLDER = Path(os.environ.get("VME_LAB_DIR", "/var/lib/vme-lab-bench"))
# Peers that no distribution has are looked for here: see docs/performance.md.
PROGRAMS = ":".join(str(CHECKOUT / place) for place in ("bin", ".venv-bench/bin", ".venv/bin"))
STOCK_SSH = "Host *\n    StrictHostKeyChecking yes\n    LogLevel ERROR\n"
KCLI = "default:\n  client: kvm01\n" + "".join(
    f"{node}:\n  host: {node}\n  protocol: ssh\n  user: root\n" for node in EAST.nodes
)
GUEST = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"""


@contextmanager
def a_lab(topology: Topology) -> Iterator[Lab]:
    """A lab of the bench's own, in $VME_LAB_DIR if that is set."""
    lab = Lab(FOLDER, topology)
    lifecycle.down(lab) if lab.folder.is_dir() else None
    lifecycle.up(lab)
    try:
        use_stock_ssh(lab)
        yield lab
    finally:
        lifecycle.down(lab)


def use_stock_ssh(lab: Lab) -> None:
    """The lab's own client saves 60 ms of CPU at each new connection, which would flatter the peers."""
    (lab.home_of(lab.topology.management) / "root/.ssh/config").write_text(STOCK_SSH)


def define_guests(lab: Lab) -> None:
    """Twenty guests on each node, none running: what a listing costs does not depend on that; and one to start."""
    management = lab.topology.management
    for number, node in enumerate(lab.topology.nodes, start=1):
        init = powered(lab, node)
        directory = root_of(init) / "tmp/guests"
        directory.mkdir()
        names = [f"g{number}-{guest}" for guest in range(1, GUESTS_PER_NODE + 1)] + (["blank"] if number == 1 else [])
        for name in names:
            (directory / f"{name}.xml").write_text(GUEST.format(name=name))
        define = "for file in /tmp/guests/*; do echo define $file; done | virsh -q -c qemu:///system"
        run.must(inside(init, ["sh", "-c", define]), environment=environment_of(lab, node))
    image = "/srv/vme/east/virt-store/.images/blank.qcow2"
    must_on(lab, management, ["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"])
    home = lab.home_of(management) / "root/.kcli"
    home.mkdir()
    (home / "config.yml").write_text(KCLI)


@contextmanager
def wrapped_nodes(lab: Lab) -> Iterator[None]:
    """Each node with vme_ssh_wrapper too, and a vme.toml by whose key nothing else is let in (rows.FORCED)."""
    with ExitStack() as nodes:
        for node in lab.topology.nodes:
            key = nodes.enter_context(wrapped_node(lab, node.name)).key("operate")  # one for all of them
        home = lab.home_of(lab.topology.management)
        text = (home / "vme.toml").read_text()
        (home / "vme-operate.toml").write_text(text.replace('user = "root"', f'user = "root"\nkey = "{key}"'))
        yield


def in_lab(lab: Lab, argv: Sequence[str], stdin: str = "") -> str:
    """What a command on the management side prints."""
    words = [str(CHECKOUT / "bin/lab"), "run", "--", "env", f"PATH={PROGRAMS}:{run.PATH}", *argv]
    return run.must(words, stdin=stdin, timeout_s=900, environment={"PATH": run.PATH, "VME_LAB_DIR": str(lab.folder)})


def timed(
    lab: Lab, cases: Mapping[str, str], *, rounds: int, before: str = "", inner: str = "", config: Path | None = None
) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each case's command line, run in turns on the management side, and how many were `inner`'s."""
    taken = _alternate(lab, {"rounds": rounds, "cases": cases, "before": before, "inner": inner}, config)["taken"]
    return {name: [(took, of_it) for took, of_it in runs] for name, runs in taken.items()}


def used_by(lab: Lab, line: str, config: Path) -> tuple[float, float]:
    """The most memory that a command line's process has held, in MiB, and its milliseconds of processor time."""
    found = _alternate(lab, {"rounds": 1, "cases": {"it": line}, "before": "", "inner": ""}, config)
    return float(found["peak_mib"]), float(found["cpu_ms"])


def _alternate(lab: Lab, given: Mapping[str, Any], config: Path | None) -> Any:
    words = ["env", f"VME_CONFIG={config}"] if config else []
    return json.loads(
        in_lab(lab, [*words, "/usr/bin/python3", str(CHECKOUT / "bench/alternate.py")], json.dumps(given))
    )
