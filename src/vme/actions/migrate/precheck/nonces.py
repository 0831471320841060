"""Nonces on stores (store.nonce), put on all at once and taken away while something else is done."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from vme.config import Store
from vme.errors import VmeError
from vme.fleet.deadline import begun
from vme.store.nonce import Nonce, put_nonce, take_nonce


class Nonces:
    """One on each of these stores from now on, until they are taken away, which the end of the block waits for."""

    def __init__(self, stores: Iterable[Store], timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._putting = {store: begun(timeout_s, store.name, partial(put_nonce, store)) for store in stores}
        self._taking: list[Callable[[], None]] = []

    def __enter__(self) -> "Nonces":
        return self

    def __exit__(self, *_problem: object) -> None:
        self.take()
        for taken in self._taking:
            with suppress(VmeError):
                taken()

    def put(self) -> list[Nonce]:
        """All of them; each says what was wrong if it could not be put there."""
        return [self._put(store) for store in self._putting]

    def _put(self, store: Store) -> Nonce:
        try:
            return self._putting[store]()
        except VmeError:
            return Nonce(store, store.node_path, "", f"no answer within {self._timeout_s:g} s")

    def take(self) -> None:
        """Begin to take them away: all nodes have looked."""
        for store, put in self._putting.items():
            self._taking.append(begun(self._timeout_s, store.name, partial(_take, put)))
        self._putting = {}


def _take(put: Callable[[], Nonce]) -> None:
    take_nonce(put())
