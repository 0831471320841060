"""Every reason against a plan, guest by guest; what holds for several guests is said once for all of them."""

from collections.abc import Sequence

from vme.errors import Refused


class Reasons:
    """Reasons as they are found. One guest's are said under its name; of several guests, each reason names its own."""

    def __init__(self, guests: Sequence[str]) -> None:
        self._guests = tuple(guests)
        self._said: dict[str, list[str]] = {}

    def add(self, guest: str, *reasons: str) -> None:
        """Note reasons against one guest."""
        for reason in reasons:
            named = self._said.setdefault(reason, [])
            if guest not in named:
                named.append(guest)

    def add_to_all(self, *reasons: str) -> None:
        """Note reasons against every guest."""
        for guest in self._guests:
            self.add(guest, *reasons)

    def __bool__(self) -> bool:
        return bool(self._said)

    def refusal(self) -> Refused:
        """The error that lists them all."""
        if len(self._guests) == 1:
            return Refused(self._guests[0], tuple(self._said))
        from vme.nodesets import folded

        lines = [f"{folded(guests)}: {reason}" for reason, guests in self._said.items()]
        return Refused(f"{len(self._guests)} guests, of which none is created", lines)
