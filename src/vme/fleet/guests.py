"""The guests of all nodes: what every listing and every look-up of a name begins with."""

from collections.abc import Callable, Iterator

from vme.config import Config, Node
from vme.fleet.by_wire import Listing, ask_of_guests
from vme.fleet.everywhere import Replies
from vme.hypervisor.guest import Guest


def ask_guests(
    config: Config, nodes: tuple[Node, ...], timeout_s: float, *, meanwhile: Callable[[], object] = lambda: None
) -> Replies[tuple[Guest, ...]]:
    """Every guest of these nodes, by one bulk call a node; `meanwhile` is done while they are being asked."""
    return ask_of_guests(config, nodes, timeout_s, lambda guests: guests, meanwhile=meanwhile)


def ask_labelled_guests(
    config: Config, nodes: tuple[Node, ...], timeout_s: float, *, confirm: Callable[[Guest], bool] | None = None
) -> Replies[tuple[Guest, ...]]:
    """Every guest of these nodes with its labels: a bulk call and a session of ssh a node, no call a guest.

    Guests that `confirm` says true of are asked by a call each, and what libvirt says of them counts. An answer that is
    not complete has guests without labels.
    """
    from vme.fleet.labels import labelled

    def more(listing: Listing) -> Iterator[tuple[Guest, ...]]:
        yield labelled(listing.hypervisor, listing.guests, timeout_s, confirm)

    return ask_of_guests(config, nodes, timeout_s, lambda guests: guests, more)
