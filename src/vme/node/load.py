"""The load of a node."""

from vme.config import Node, SshConfig
from vme.errors import Failed
from vme.node.verbs import LOAD, ask


def load_of(node: Node, ssh: SshConfig, *, timeout_s: float) -> float:
    """The node's load average over one minute. Raises Failed or Silent."""
    done = ask(node, ssh, LOAD, timeout_s=timeout_s)
    load = parse_loadavg(done.output)
    if load is None:
        raise Failed(f"{node.name}: /proc/loadavg can't be read: {done.last_words}")
    return load


def parse_loadavg(text: str) -> float | None:
    """The first figure of /proc/loadavg (proc(5)), or None if it is none."""
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None
