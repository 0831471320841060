"""What vme_ssh_wrapper costs a session: the same command over the same warm ssh connection, with it and without.

    VME_LAB_DIR=... bin/lab up; .venv/bin/python -m bench.wrapper

Pairs are measured in turns, so that a busy machine slows both alike. The limit is 40 ms more, by the fastest tenth:
what is slower than that tells of the machine's other work.
"""

import statistics
import sys
import time

from lab import run
from lab.host import environment_of, inside, powered
from lab.lifecycle import must_be_up
from lab.place import Lab, default_lab
from tests.lab.wrapped import Wrapped, wrapped_node

ROUNDS = 40
LIMIT_MS = 40.0
NODE = "kvm01"


def main() -> int:
    lab = default_lab()
    must_be_up(lab)
    with wrapped_node(lab, NODE) as node:
        plain, wrapped = measure(lab, node)
    quiet = [statistics.quantiles(taken, n=10)[0] for taken in (plain, wrapped)]
    middle = [statistics.median(taken) for taken in (plain, wrapped)]
    print("ms a session                    median   fastest tenth")
    print(f"without the wrapper            {middle[0]:7.1f}  {quiet[0]:14.1f}")
    print(f"with it                        {middle[1]:7.1f}  {quiet[1]:14.1f}")
    print(f"more (limit {LIMIT_MS:g})                {middle[1] - middle[0]:7.1f}  {quiet[1] - quiet[0]:14.1f}")
    return 0 if quiet[1] - quiet[0] <= LIMIT_MS else 1


def measure(lab: Lab, node: Wrapped) -> tuple[list[float], list[float]]:
    """Milliseconds of `ssh NODE true` over two warm connections, unwrapped and wrapped, in turns."""
    own = str(lab.home_of(lab.topology.management) / "root/.ssh/id_ed25519")
    sockets = {own: "/run/bench-plain", node.key("operate"): "/run/bench-wrapped"}
    taken: dict[str, list[float]] = {key: [] for key in sockets}
    for key, socket in sockets.items():
        must(lab, "ssh", "-o", "IdentitiesOnly=yes", "-i", key, "-f", "-N", "-M", "-S", socket, node.name)
    try:
        for number in range(ROUNDS + 5):
            for key, socket in sockets.items():
                began_s = time.perf_counter()
                must(lab, "ssh", "-S", socket, node.name, "true")
                if number >= 5:
                    taken[key].append(1000 * (time.perf_counter() - began_s))
    finally:
        for socket in sockets.values():
            must(lab, "ssh", "-S", socket, "-O", "exit", node.name)
    return taken[own], taken[node.key("operate")]


def must(lab: Lab, *argv: str) -> None:
    management = lab.topology.management
    run.must(inside(powered(lab, management), argv), environment=environment_of(lab, management))


if __name__ == "__main__":
    sys.exit(main())
