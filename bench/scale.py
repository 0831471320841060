"""`bin/bench scale [NODES]`: a listing over few and many nodes, few and many guests, near and far; times and memory."""

import json
import os
import statistics
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from bench.place import STOCK_SSH, a_lab, timed, used_by
from lab import distance
from lab.host import must_on
from lab.parallel import all_at_once
from lab.place import CHECKOUT, Lab
from lab.topology import large

RESULTS = CHECKOUT / "bench/results/scale.json"
GUESTS_PER_NODE = 100
NODES = (3, 5, 20, 50, 100)
RTTS_MS = (0, 1, 20, 100)
# Three: the relays of more would take the two cores for themselves.
FAR_NODES = 3
SOME_NODES = 50
# Left on each of SOME_NODES nodes, one after the other; the first is what all have.
GUESTS = (100, 50, 20, 5, 0)
ROUNDS = 7
# Its errors aside, which the relay would keep open for two seconds after its end.
VIRSH = "virsh -c qemu+ssh://kvm001/system list --all 2>/dev/null"
UNDEFINE = "virsh -q list --all --name | head -n {count} | sed 's/^/undefine /' | virsh -q"

CONFIG = """\
[ssh]
user = "root"

[defaults]
timeout_s = 60

[zones.large]
nodes = "kvm[001-{nodes:03}]"
store = "/srv/vme/virt-store"
management_store = "/srv/vme/large"
"""


def measure(sizes: Sequence[int]) -> int:
    """Write bench/results/scale.json and say what is in it."""
    numbers = [count for count in NODES if count <= (sizes[0] if sizes else NODES[-1])]
    with a_lab(large(numbers[-1], GUESTS_PER_NODE)) as lab:
        found = {
            "load": os.getloadavg(),
            "nodes": list(said(over_nodes(lab, numbers))),
            "rtt": list(said(over_distances(lab, min(FAR_NODES, numbers[-1])))),
            "guests": list(said(over_guests(lab, min(SOME_NODES, numbers[-1])))),
        }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def said(points: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same points, each printed as it comes."""
    for point in points:
        print(point, file=sys.stderr, flush=True)
        yield point


def over_nodes(lab: Lab, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    for count in numbers:
        yield {"nodes": count, "guests": count * GUESTS_PER_NODE, **listing(lab, count)}


def over_distances(lab: Lab, nodes: int) -> Iterator[dict[str, Any]]:
    for rtt_ms in RTTS_MS:
        distance.move_away(lab, rtt_ms, STOCK_SSH)
        yield {"rtt_ms": rtt_ms, "nodes": nodes, **listing(lab, nodes)}
    distance.move_away(lab, 0, STOCK_SSH)


def over_guests(lab: Lab, nodes: int) -> Iterator[dict[str, Any]]:
    there = GUESTS_PER_NODE
    for left in GUESTS:
        if there > left:
            line = UNDEFINE.format(count=there - left)
            undefine = [partial(must_on, lab, node, ["sh", "-c", line]) for node in lab.topology.nodes[:nodes]]
            all_at_once(undefine)
        there = left
        yield {"nodes": nodes, "guests": nodes * left, **listing(lab, nodes)}


def listing(lab: Lab, nodes: int) -> dict[str, Any]:
    """Milliseconds of a warm list_guests over the first nodes, beside virsh listing one; and its memory."""
    config = lab.home_of(lab.topology.management) / f"{nodes}.toml"
    config.write_text(CONFIG.format(nodes=nodes))
    cases = {"ours": "list_guests", "virsh": VIRSH}
    taken = timed(lab, cases, rounds=ROUNDS, config=config)
    peak_mib, cpu_ms = used_by(lab, "list_guests", config)
    return {
        "ours_ms": round(statistics.median(took for took, _ in taken["ours"]), 1),
        "virsh_one_ms": round(statistics.median(took for took, _ in taken["virsh"]), 1),
        "peak_mib": round(peak_mib, 1),
        "cpu_ms": round(cpu_ms, 1),
    }
