"""What a node's libvirtd was asked, told by the daemon itself: a line of its log for each call that came in."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.lab.vme import Vme

# libvirt's src/remote/remote_protocol.x; others are told by their numbers.
_PROGRAM = "536903814"
_NAMES = {
    "1": "open",
    "2": "close",
    "24": "lookup_by_uuid",
    "60": "supports_feature",
    "66": "auth_list",
    "234": "set_keepalive",
    "264": "set_metadata",
    "265": "get_metadata",
    "344": "get_all_domain_stats",
}
_LOG = "/var/log/libvirt/calls.log"
# An error that is sent back is logged by another function.
_LINE = re.compile(rf"virNetServerProgramDispatch:\d+ : prog={_PROGRAM} .* proc=(\d+)")
# What opening and closing a connection takes; in `counted_calls` it is left away.
OPENING = frozenset({"open", "close", "supports_feature", "auth_list", "set_keepalive"})


@contextmanager
def counted_calls(vme: Vme, nodes: Sequence[str]) -> Iterator[dict[str, Counter[str]]]:
    """While the block runs, count the calls that each node's libvirtd gets; filled in when the block ends."""
    calls: dict[str, Counter[str]] = {}
    for node in nodes:
        vme.on(node, "rm", "-f", _LOG)
        _log(vme, node, "1:rpc.netserverprogram", f"1:file:{_LOG}")
    try:
        yield calls
    finally:
        for node in nodes:
            _log(vme, node, "", "3:file:/var/log/libvirt/libvirtd.log")
    for node in nodes:
        names = [_NAMES.get(number, number) for number in _LINE.findall(vme.on(node, "cat", _LOG))]
        assert names, f"the daemon of {node} logged no call"
        calls[node] = Counter(name for name in names if name not in OPENING)


def _log(vme: Vme, node: str, filters: str, outputs: str) -> None:
    admin = ("virt-admin", "-c", "libvirtd:///system")
    vme.on(node, *admin, "daemon-log-filters", filters)
    vme.on(node, *admin, "daemon-log-outputs", outputs)
