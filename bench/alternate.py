"""Time whole processes in turns and print their milliseconds: run on the lab's management side, one case on stdin."""

import json
import resource
import subprocess  # noqa: TID251 (a stopwatch of its own, with nothing between it and the process)
import sys
import time

WARM_UP = 2


def main() -> None:
    """Read {"rounds", "cases": {name: command line}, "before", "inner"}, as bench.rows.Row describes them.

    Print {"taken": {name: [[ms, of which inner], ...]}, "peak_mib": the most memory that one of the processes had,
    "cpu_ms": what all of them took of processors}.
    """
    given = json.load(sys.stdin)
    rounds = given["rounds"]
    warm_up = WARM_UP if rounds > 1 else 0  # it warms connections and caches, of ours and of the peers alike
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in given["cases"]}
    for number in range(rounds + warm_up):
        for name, line in given["cases"].items():
            shell(given["before"])
            began_s = time.perf_counter()
            shell(line, must=True)
            took_ms = 1000 * (time.perf_counter() - began_s)
            if number >= warm_up:
                taken[name].append((took_ms, float(shell(given["inner"]) or 0)))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_ms = 1000 * (used.ru_utime + used.ru_stime)
    json.dump({"taken": taken, "peak_mib": used.ru_maxrss / 1024, "cpu_ms": cpu_ms}, sys.stdout)


def shell(line: str, *, must: bool = False) -> str:
    """What a command line prints. Raises CalledProcessError if it must not fail, and does."""
    if not line:
        return ""
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
    if must and done.returncode != 0:
        sys.stderr.write(done.stderr)
        done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    main()
