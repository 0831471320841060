"""The guests of many nodes over the sockets that are there already, all served by one thread and without libvirt.

With a thread and a connection of libvirt's library a node, fifty nodes' listing was passing Python's lock around.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from select import POLLIN, poll
from typing import TypeVar

from vme.config import Config, Node
from vme.fleet.everywhere import Asked, Replies, ask_all, ask_libvirt, speak, started
from vme.hypervisor.connection import Hypervisor, Line, connect_later, kept_socket, line_to
from vme.hypervisor.guest import Guest, guests_on, guests_told
from vme.hypervisor.wire.bulk import Told, states_again, states_of_all
from vme.hypervisor.wire.channel import Channel, hear_out, reached
from vme.hypervisor.wire.xdr import Unusual
from vme.records import dataclass

T = TypeVar("T")


@dataclass(frozen=True)
class Listing:
    """A node's guests, and the node to ask more of: libvirt's library is loaded and opens it only then."""

    hypervisor: Hypervisor
    guests: tuple[Guest, ...]


def ask_of_guests(
    config: Config,
    nodes: Sequence[Node],
    timeout_s: float,
    first: Callable[[tuple[Guest, ...]], T],
    more: Callable[[Listing], Iterator[T]] | None = None,
    *,
    meanwhile: Callable[[], object] = lambda: None,
) -> Replies[T]:
    """As ask_everywhere, for questions that begin with a node's guests: `first` makes the first answer of them.

    `more` goes on from there, in a thread a node. `meanwhile` is done here once all are being asked. Where no socket
    leads to a node yet, a thread makes a line. A node that does not answer plainly is asked by libvirt's library, and
    what that says counts.
    """

    def answers(listing: Listing) -> Iterator[T]:
        yield first(listing.guests)
        if more is not None:
            yield from more(listing)

    def by_library(one: Asked[T]) -> Iterator[T]:
        return ask_libvirt(config, one, lambda node: answers(Listing(node, guests_on(node))), timeout_s)

    def by_line(one: Asked[T]) -> Iterator[T]:
        if more is not None or one.node.local:
            return by_library(one)  # it is needed in any case
        listing = _over_a_line(config, one, timeout_s, lines)
        return by_library(one) if listing is None else answers(listing)

    lines: list[Line] = []

    def serve(everyone: Sequence[Asked[T]], threads: list[threading.Thread], deadline_s: float) -> None:
        asked, begun = {one.node: one for one in everyone}, {}
        try:
            for one in everyone:
                found = _at_once(config, one.node)
                if found is None:
                    threads.append(started(speak, one, by_line))
                else:
                    begun[one.node] = found
            for node, listing in listings(config, begun, timeout_s, deadline_s):
                if listing is None:
                    threads.append(started(speak, asked[node], by_library))
                elif more is None:
                    speak(asked[node], partial(_of, answers(listing)))
                else:
                    threads.append(started(speak, asked[node], partial(_of, answers(listing))))
        except Exception as bug:  # noqa: BLE001 (a bug of ours, raised again by ask_all)
            everyone[0].bug = bug

    def start(everyone: Sequence[Asked[T]], threads: list[threading.Thread], deadline_s: float) -> None:
        for one in everyone:
            one.stale = not one.node.local
        threads.append(started(serve, everyone, threads, deadline_s))
        meanwhile()

    replies = ask_all(config, nodes, start, timeout_s)
    _keep(lines)
    return replies


def _over_a_line(config: Config, one: Asked[T], timeout_s: float, lines: list[Line]) -> Listing | None:
    """What a node tells over a line that is made now, and added to those that were; None without a plain answer."""
    try:
        line = line_to(one.node, config.ssh, timeout_s=timeout_s)
        one.stale = not line.hypervisor.fresh
        told = hear_out(line.connected, states_of_all(read_only=line.hypervisor.read_only))
    except Unusual:
        return None
    lines.append(line)
    return Listing(line.hypervisor, guests_told(line.hypervisor, told))


def _keep(lines: Sequence[Line]) -> None:
    """Leave what was dear to make to a keeper, for the next tool, and close all."""
    dear = [(line.connected, line.to_keep) for line in lines if line.to_keep is not None]
    if dear:
        from vme.hypervisor.wire.keeper import leave_to_a_keeper

        leave_to_a_keeper(dear)
    for line in lines:
        line.connected.close()


def _of(answers: Iterator[T], _asked: Asked[T]) -> Iterator[T]:
    """Answers that need nothing more of the node to begin with."""
    return answers


def listings(
    config: Config, begun: Mapping[Node, Channel[tuple[Told, ...]]], timeout_s: float, deadline_s: float
) -> Iterator[tuple[Node, Listing | None]]:
    """Each node with its guests as soon as it has told them, or with None as soon as that takes libvirt's library.

    Nodes that have said nothing by `deadline_s` are left out. `timeout_s` is for what may be asked of a node later.
    """
    ready, channels = poll(), {}
    for node, channel in begun.items():
        ready.register(channel, POLLIN)
        channels[channel.fileno()] = node, channel
    while channels and (left_s := deadline_s - time.monotonic()) > 0:
        for number, _event in ready.poll(1000 * left_s):
            node, channel = channels[number]
            try:
                told = channel.hear()
            except Unusual:
                listing = None
            else:
                if told is None:
                    continue
                hypervisor = connect_later(node, config.ssh, timeout_s=timeout_s)
                listing = Listing(hypervisor, guests_told(hypervisor, told))
            ready.unregister(number)
            channel.close()
            del channels[number]
            yield node, listing


def _at_once(config: Config, node: Node) -> Channel[tuple[Told, ...]] | None:
    """The first question written to the node's daemon, or None where no socket leads to it."""
    kept = kept_socket(node, config.ssh)
    if kept is None:
        return None
    conversation = states_again() if kept.opened else states_of_all()
    try:
        return Channel(reached(kept.path), conversation)
    except Unusual:
        return None
