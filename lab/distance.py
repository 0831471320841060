"""How far the nodes are from the management side: every ssh connection through a relay that takes its time."""

from lab.host import must_on, powered, root_of
from lab.keys import SSH_CONFIG
from lab.place import CHECKOUT, Lab

COUNTS = "run/round-trips"
CLOSE_CONNECTIONS = "for s in $XDG_RUNTIME_DIR/vme/*.ctl; do ssh -S $s -O exit node 2>/dev/null; done; true"


def move_away(lab: Lab, rtt_ms: float, config: str = SSH_CONFIG) -> None:
    """New connections take so many milliseconds there and back; those that tools kept are closed.

    `config` is the management side's ssh configuration apart from that.
    """
    counts = root_of(powered(lab, lab.topology.management)) / COUNTS
    counts.mkdir(exist_ok=True)
    relay = CHECKOUT / "lab/relay.py"
    proxy = f"/usr/bin/python3 -IS {relay} %h %p {rtt_ms:g} /{COUNTS}/%h" if rtt_ms else "none"
    (lab.home_of(lab.topology.management) / "root/.ssh/config").write_text(
        f"{config}Host *\n    ProxyCommand {proxy}\n"
    )
    close_connections(lab)


def close_connections(lab: Lab) -> None:
    """Close what the management side's tools have kept open, as after an hour without one."""
    must_on(lab, lab.topology.management, ["sh", "-c", f"export XDG_RUNTIME_DIR=/run/user/0; {CLOSE_CONNECTIONS}"])


def round_trips(lab: Lab) -> dict[str, int]:
    """How many round trips the newest connection to each node has seen so far."""
    counts = root_of(powered(lab, lab.topology.management)) / COUNTS
    return {file.name: int(file.read_text() or 0) for file in counts.iterdir()}
