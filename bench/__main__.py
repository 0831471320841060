"""bin/bench: start a lab, time the tools and their peers in turns, write the table.

`bin/bench scale`: many nodes; `bin/bench moves`: what a guest's clients notice of a live migration.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from bench.place import THREE_NODES, a_lab, define_guests, in_lab, timed, wrapped_nodes
from bench.rows import FLOORS, ROWS, Row
from bench.table import FLOORS_MARK, ROWS_MARK, floor_lines, lines, result, with_table
from lab.errors import LabError
from lab.place import CHECKOUT, Lab

RESULTS = CHECKOUT / "bench/results"
PAGE = CHECKOUT / "docs/performance.md"


def main(words: list[str]) -> int:
    if words[:1] == ["scale"]:
        from bench.scale import measure

        return measure([int(word) for word in words[1:]])
    if words[:1] == ["moves"]:
        from bench.moves import measure as measure_moves

        return measure_moves([int(word) for word in words[1:]])
    chosen = [row for row in ROWS if not words or any(word in row.what or word in row.peer for word in words)]
    with a_lab(THREE_NODES) as lab, wrapped_nodes(lab):
        define_guests(lab)
        results = list(results_of(lab, chosen))
        floors = {} if words else floors_in(lab)
    if not words:
        RESULTS.mkdir(exist_ok=True)
        kept = {"load": os.getloadavg(), "rows": results, "floors": floors}
        (RESULTS / "latest.json").write_text(json.dumps(kept, indent=2) + "\n")
        page = with_table(PAGE.read_text(), ROWS_MARK, lines(results))
        PAGE.write_text(with_table(page, FLOORS_MARK, floor_lines(floors)))
    too_slow = [found for found in results if found["at_most"] and found["ratio"] > found["at_most"]]
    for found in too_slow:
        print(f"bench: above its limit: {found['what']} beside {found['peer']}", file=sys.stderr)
    return 1 if too_slow else 0


def floors_in(lab: Lab) -> Any:
    """What no tool gets below, in this lab: bench/floors.py."""
    return json.loads(in_lab(lab, ["sh", "-c", FLOORS]))


def results_of(lab: Lab, rows: list[Row]) -> Iterator[dict[str, Any]]:
    """Each row's figures, as they are measured; what is not installed is said and left out."""
    for row in rows:
        if not in_lab(lab, ["sh", "-c", f"command -v {row.needs} || true"]):
            print(f"bench: {row.needs} is not installed: left out: {row.what} beside {row.peer}", file=sys.stderr)
            continue
        cases = {"ours": row.ours, "peers": row.peers}
        try:
            taken = timed(lab, cases, rounds=row.rounds, before=row.before, inner=row.inner)
        except LabError as problem:
            print(
                f"bench: failed, so left out: {row.what} beside {row.peer}: {problem.message[-300:]}", file=sys.stderr
            )
            continue
        found = result(row, taken["ours"], taken["peers"])
        print(lines([found])[2], flush=True)
        yield found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
