"""The guests of all nodes with what a listing may ask for beyond their states. Imported where more is asked."""

from collections.abc import Iterator

from vme.config import Config, Node
from vme.fleet.by_wire import Listing, ask_of_guests
from vme.fleet.everywhere import Replies
from vme.fleet.labels import labelled
from vme.fleet.usage import Usage, usages_on
from vme.hypervisor.guest import Guest
from vme.records import dataclass, field


@dataclass(frozen=True)
class Listed:
    """A node's guests, and what they use by UUID, as far as it has been asked and told."""

    guests: tuple[Guest, ...]
    usages: dict[str, Usage] = field(default_factory=dict)


def ask_listed(
    config: Config, nodes: tuple[Node, ...], timeout_s: float, *, labels: bool, sizes: bool, rates: bool
) -> Replies[Listed]:
    """Every guest of these nodes, with labels, sizes and rates where asked: a bulk call each for states and usage (for
    rates two), and no call a guest. What may be slow comes last, so that the rest is said in any case.
    """

    def more(listing: Listing) -> Iterator[Listed]:
        guests = listing.guests
        if labels:
            guests = labelled(listing.hypervisor, guests, timeout_s, confirm=None)
            yield Listed(guests)
        if sizes or rates:
            for usages in usages_on(listing.hypervisor, rates=rates, timeout_s=timeout_s):
                yield Listed(guests, _of_those_that_run(guests, usages))

    return ask_of_guests(config, nodes, timeout_s, Listed, more)


def _of_those_that_run(guests: tuple[Guest, ...], usages: dict[str, Usage]) -> dict[str, Usage]:
    return {guest.uuid: usages[guest.uuid].of(running=guest.active) for guest in guests if guest.uuid in usages}
