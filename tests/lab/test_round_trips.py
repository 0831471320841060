"""How often a listing waits for a node, counted on a long line: what no faster machine makes shorter."""

import time
from collections.abc import Iterator

import pytest

from lab import distance
from tests.lab.vme import Vme

RTT_MS = 50
# The channel, three questions (hypervisor.wire.bulk), and the channel's end, which nobody waits for.
WARM = 5
# Before that: TCP's and ssh's greeting, the key exchange, the login, and the forwarding of two sockets (12, seen).
COLD = 13


@pytest.fixture
def far(vme: Vme) -> Iterator[Vme]:
    distance.move_away(vme.lab, RTT_MS)
    yield vme
    distance.move_away(vme.lab, 0)


def settled(vme: Vme) -> dict[str, int]:
    """The counts once the last connection has said goodbye."""
    time.sleep(4 * RTT_MS / 1000)
    return distance.round_trips(vme.lab)


@pytest.mark.not_under("read", "operate", reason="a key that forbids forwarding has sessions instead: more round trips")
def test_a_listing_waits_for_a_node_as_seldom_as_it_can(far: Vme) -> None:
    far.tool("list_guests")
    cold = settled(far)
    assert len(cold) == len(far.lab.topology.nodes)
    assert all(0 < count <= COLD for count in cold.values()), cold
    far.tool("list_guests")
    warm = {node: count - cold[node] for node, count in settled(far).items()}
    # One more where what belongs together has come apart on a busy machine.
    assert all(WARM - 1 <= count <= WARM + 1 for count in warm.values()), warm
