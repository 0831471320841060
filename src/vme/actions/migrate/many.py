"""Several guests moving at once: how many may leave a node, arrive at one, and be under way in a zone."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from vme.actions.migrate.plan import Plan
from vme.actions.placement import OnItsWay
from vme.actions.together import Stop
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import MigrationSettings
from vme.fleet.deadline import within
from vme.hypervisor.domain_xml import describe
from vme.hypervisor.guest import Guest, live_form

_LOOK_S = 0.2


class Traffic:
    """Who is under way. One guest after the other is given a destination, so that each counts those before it."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._planning = threading.Lock()
        self._changed = threading.Condition()
        self._given_room: dict[str, OnItsWay] = {}
        self._leaving: Counter[str] = Counter()
        self._arriving: Counter[str] = Counter()
        self._in_zone: Counter[str] = Counter()

    def planned(self, guest: Guest, check: Callable[[tuple[OnItsWay, ...]], Plan]) -> Plan:
        """Let `check` decide where the guest goes, knowing of those on their way; from then on it has its room."""
        with self._planning:
            self._stop.check()
            plan = check(tuple(self._given_room.values()))
            self._given_room[guest.uuid] = OnItsWay(guest.uuid, plan.destination.node.name, _memory_mib(plan))
            return plan

    def turn(self, plan: Plan) -> AbstractContextManager[None]:
        """Wait until the source, the destination and the zone take one more; it counts until what is returned ends.

        Raises KeyboardInterrupt if a person wants everything to end.
        """
        source, destination, zone = plan.guest.node.name, plan.destination.node.name, plan.guest.node.zone
        with self._changed:
            while not self._is_free(source, destination, zone, plan.settings):
                self._stop.check()
                self._changed.wait(_LOOK_S)
            self._stop.check()
            self._count(source, destination, zone, 1)
        return self._counted(source, destination, zone)

    @contextmanager
    def _counted(self, source: str, destination: str, zone: str) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._count(source, destination, zone, -1)
                self._changed.notify_all()

    def over(self, guest: Guest) -> None:
        """The guest has arrived or stays: it needs no room beside what the nodes say themselves."""
        self._given_room.pop(guest.uuid, None)

    def _is_free(self, source: str, destination: str, zone: str, settings: MigrationSettings) -> bool:
        return (
            self._leaving[source] < settings.outgoing
            and self._arriving[destination] < settings.incoming
            and self._in_zone[zone] < settings.at_once
        )

    def _count(self, source: str, destination: str, zone: str, one: int) -> None:
        self._leaving[source] += one
        self._arriving[destination] += one
        self._in_zone[zone] += one


def _memory_mib(plan: Plan) -> int:
    if not plan.live:
        return 0
    return describe(within(CALL_TIMEOUT_S, str(plan.guest), lambda: live_form(plan.guest))).memory_mib
