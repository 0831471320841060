"""The guests of all nodes: what every listing and every look-up of a name begins with."""

from collections.abc import Callable, Iterator

from vme.config import Config, Node
from vme.fleet.everywhere import Replies, ask_everywhere
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.guest import Guest, guests_on


def ask_guests(config: Config, nodes: tuple[Node, ...], timeout_s: float) -> Replies[tuple[Guest, ...]]:
    """Every guest of these nodes, by one bulk call a node."""

    def question(hypervisor: Hypervisor) -> Iterator[tuple[Guest, ...]]:
        yield guests_on(hypervisor)

    return ask_everywhere(config, nodes, question, timeout_s)


def ask_labelled_guests(
    config: Config, nodes: tuple[Node, ...], timeout_s: float, *, confirm: Callable[[Guest], bool] | None = None
) -> Replies[tuple[Guest, ...]]:
    """Every guest of these nodes with its labels: a bulk call and a session of ssh a node, no call a guest.

    Guests that `confirm` says true of are asked by a call each, and what libvirt says of them counts. An answer that is
    not complete has guests without labels.
    """
    from vme.fleet.labels import labelled

    def question(hypervisor: Hypervisor) -> Iterator[tuple[Guest, ...]]:
        guests = guests_on(hypervisor)
        yield guests
        yield labelled(hypervisor, guests, timeout_s, confirm)

    return ask_everywhere(config, nodes, question, timeout_s)
