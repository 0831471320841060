"""Pictures of bench/results/scale.json into docs/: time and memory against nodes, guests and distance.

.venv-bench/bin/python -m bench.plot          (matplotlib is needed for nothing else, so it is in no requirement)
"""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

CHECKOUT = Path(__file__).parent.parent
OURS, VIRSH = "list_guests of all", "virsh of one node"


def main() -> None:
    found = json.loads((CHECKOUT / "bench/results/scale.json").read_text())
    figure, (nodes, guests, far) = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    per_node = found["nodes"][0]["guests"] // found["nodes"][0]["nodes"]
    draw(nodes, found["nodes"], "nodes", f"nodes, {per_node} guests each")
    count = found["guests"][0]["nodes"]
    draw(guests, found["guests"], "guests", f"guests on {count} nodes")
    draw(far, found["rtt"], "rtt_ms", f"round-trip time to {found['rtt'][0]['nodes']} nodes, ms", memory=False)
    figure.savefig(CHECKOUT / "docs/performance-scale.png", dpi=80)


def draw(axes: Any, points: list[dict[str, Any]], key: str, label: str, *, memory: bool = True) -> None:
    """Ours and virsh's milliseconds over `key`, and the memory of ours on an axis of its own."""
    across = [point[key] for point in points]
    axes.plot(across, [point["ours_ms"] for point in points], "o-", label=OURS)
    axes.plot(across, [point["virsh_one_ms"] for point in points], "s--", label=VIRSH)
    top = max(max(point["ours_ms"], point["virsh_one_ms"]) for point in points)
    axes.set(xlabel=label, ylabel="ms, whole process, warm", ylim=(0, 1.35 * top))  # with room for the words
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    if memory:
        other = axes.twinx()
        other.plot(across, [point["peak_mib"] for point in points], "^:", color="grey", label="memory of list_guests")
        other.set(ylabel="MiB", ylim=(0, 150))
        other.legend(loc="lower right")


if __name__ == "__main__":
    main()
