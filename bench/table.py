"""Times to results, results to docs/performance.md."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.rows import Row

# What is written into docs/performance.md stands between one of these and the END that follows.
ROWS_MARK, FLOORS_MARK, END = "<!-- made by bin/bench -->", "<!-- floors, by bin/bench -->", "<!-- until here -->"


def result(row: Row, ours: Sequence[tuple[float, float]], peers: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """A row's figures, in milliseconds: medians, the distance of the quartiles, the ratio."""
    found: dict[str, Any] = {"what": row.what, "peer": row.peer}
    for name, runs in (("ours", ours), ("peers", peers)):
        taken = [took for took, _ in runs]
        low, middle, high = statistics.quantiles(taken, n=4) if len(taken) > 1 else (taken[0],) * 3
        found |= {f"{name}_ms": round(middle, 1), f"{name}_spread_ms": round(high - low, 1), f"{name}_runs": len(taken)}
    found |= {"ratio": round(found["ours_ms"] / found["peers_ms"], 3), "at_most": row.at_most}
    if row.inner:
        # The peer's for both: it is the same work on the same guest, and our tool reads libvirt's figure away.
        inner_ms = statistics.median(of_it for _, of_it in peers)
        found |= {f"{name}_less_inner_ms": round(found[f"{name}_ms"] - inner_ms, 1) for name in ("ours", "peers")}
    return found


def lines(results: Sequence[dict[str, Any]]) -> list[str]:
    """The table, in Markdown."""
    rows = ["| ours | ms | beside | ms | ratio | at most |", "|---|--:|---|--:|--:|--:|"]
    for found in results:
        ours = f"{found['ours_ms']} (±{found['ours_spread_ms']})"
        peers = f"{found['peers_ms']} (±{found['peers_spread_ms']})"
        limit = found["at_most"] or "-"
        rows.append(f"| {found['what']} | {ours} | {found['peer']} | {peers} | {found['ratio']} | {limit} |")
    for found in results:
        if "ours_less_inner_ms" in found:
            ours, peers = found["ours_less_inner_ms"], found["peers_less_inner_ms"]
            rows.append(
                f"| {found['what']}, less QEMU's own time | {ours} | {found['peer']}, the same | {peers} | - | 400 ms |"
            )
    return rows


def floor_lines(floors: Mapping[str, float]) -> list[str]:
    """The table of what no tool gets below."""
    return ["| alone | ms |", "|---|--:|", *(f"| {what} | {took_ms} |" for what, took_ms in floors.items())]


def with_table(page: str, mark: str, made: Sequence[str]) -> str:
    """The page with what is between this mark and the next END replaced."""
    before, _, rest = page.partition(mark)
    return "\n".join([before + mark, "", *made, "", END + rest.partition(END)[2]])
