"""`bin/bench moves [COUNT]`: what a guest's clients notice of a plain live migration, and what it costs beyond QEMU.

A guest that boots and is idle is moved to and fro between two nodes, while the management side pings it (lab/ping.py)
and talks to it over TCP (lab/talk.py).
"""

import json
import re
import statistics
import time

from bench.place import THREE_NODES, a_lab, in_lab
from lab import witness
from lab.guest.build import NAME
from lab.host import must_on
from lab.place import CHECKOUT, Lab
from lab.run import PATH, Process, start

_SETTLE_S = 1.0
# By a clock on the management side: what brings a command there takes a tenth of a second itself.
CLOCKED = 'began=$EPOCHREALTIME; "$@" || exit; echo $began $EPOCHREALTIME'


def measure(words: list[int]) -> int:
    """Print each move's figures, then the median and the worst of each."""
    with a_lab(THREE_NODES) as lab:
        in_lab(lab, ["create_guest", "moving", "-s", "kvm01", "--image", NAME, "--start"])
        address = witness.answering_address(lab, "moving", patience_s=120)
        moves = []
        for number in range(words[0] if words else 5):
            moves.append(_one_move(lab, address, "kvm02" if number % 2 == 0 else "kvm01"))
            print(json.dumps(moves[-1]), flush=True)
    for name in moves[0]:
        figures = [move[name] for move in moves]
        print(f"{name}: median {statistics.median(figures):g}, worst {max(figures):g}")
    return 0


def _one_move(lab: Lab, address: str, node: str) -> dict[str, float]:
    clients = [_client(lab, f"lab/{program}.py", address) for program in ("ping", "talk")]
    time.sleep(_SETTLE_S)
    said = in_lab(lab, ["bash", "-c", CLOCKED, "bash", "migrate_guest", "moving", node])
    began_s, ended_s = map(float, said.split()[-2:])
    time.sleep(_SETTLE_S)
    pinged, talked = [json.loads(_ended(client)) for client in clients]
    assert talked["unbroken"], talked
    virsh = ["virsh", "-c", "qemu:///system", "domjobinfo", "moving", "--completed"]
    job = must_on(lab, lab.node(node), virsh)
    return {
        "pings": pinged["sent"],
        "pings lost": pinged["lost"],
        "longest gap of pings, ms": pinged["longest_gap_ms"],
        "longest wait for TCP's echo, ms": talked["longest_silence_ms"],
        "paused, ms (QEMU)": float(_found(r"paused for (\d+) ms", said)),
        "QEMU's job, ms": float(_found(r"Time elapsed: +(\d+) +ms", job)),
        "migrate_guest, ms": round((ended_s - began_s) * 1000),
    }


def _client(lab: Lab, program: str, address: str) -> Process:
    words = [str(CHECKOUT / "bin/lab"), "run", "--", "python3", str(CHECKOUT / program), address]
    return start(words, environment={"PATH": PATH, "VME_LAB_DIR": str(lab.folder)})


def _ended(client: Process) -> str:
    client.terminate()
    said, _ = client.communicate(timeout=30)
    return said.splitlines()[-1]


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found[1]
