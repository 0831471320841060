"""Signals that interrupt a tool, kept waiting; and a guest that moved, which is given all it had in spite of them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.made import NODES, config, guest
from vme.__main__ import _end_by_signals_as_by_interrupt
from vme.actions.migrate import carry_out as module
from vme.actions.migrate.carry_out import carry_out
from vme.actions.together import Stop
from vme.errors import Interrupted
from vme.interrupts import deferred_interrupts
from vme.store.layout import journal_file

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _as_in_a_tool() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _end_by_signals_as_by_interrupt()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupts():
        os.kill(os.getpid(), number)
        done = True
    assert done
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_one_that_is_ignored_interrupts_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with deferred_interrupts():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


class Arrival:
    """A guest that was shut off and has just been moved; `coming` befalls it while it is given what it had."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stores = config(tmp_path).zone("east").stores
        self.given: list[str] = []
        there = guest("web1", "shut off", "kvm02")
        self.plan: Any = SimpleNamespace(
            guest=guest("web1", "shut off"),
            config=config(tmp_path),
            stores=self.stores,
            source=SimpleNamespace(node=NODES["kvm01"]),
            destination=SimpleNamespace(node=NODES["kvm02"], hypervisor=None),
            owners=(),
            passage=None,
            route=None,
            nvram=None,
            live=False,
        )

        def pack(_plan: object, work: Any) -> bool:
            work.step("keeping what travels")
            return True

        for name in ("give_owners", "refuse_if_elsewhere", "move_cold"):
            monkeypatch.setattr(module, name, lambda *_words, **_more: None)
        monkeypatch.setattr(module, "_pack", pack)
        monkeypatch.setattr(module, "seen_on", lambda *_words: there)
        monkeypatch.setattr(module, "keep_owners", lambda _owners: [])
        monkeypatch.setattr(module, "bring_back", lambda *_words: self._bring_back())
        monkeypatch.setattr(module, "definition_changed", lambda *_words, **_more: self.given.append("its saved XML"))

    def _bring_back(self) -> None:
        self.coming()
        self.given.append("what was kept")

    def coming(self) -> None:
        """What befalls it; nothing."""

    @property
    def entry_stays(self) -> bool:
        return journal_file(self.stores[0], "web1").exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_guest_that_moved_is_given_all_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    arrival = Arrival(tmp_path, monkeypatch)
    monkeypatch.setattr(arrival, "coming", lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match="it had moved already, with all it had"):
        carry_out(arrival.plan, lambda _percent, _words: None, Stop())
    assert (arrival.given, arrival.entry_stays) == (["what was kept", "its saved XML"], False)


def test_one_that_was_cut_short_in_it_keeps_its_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_short() -> None:
        raise KeyboardInterrupt

    arrival = Arrival(tmp_path, monkeypatch)
    monkeypatch.setattr(arrival, "coming", cut_short)
    with pytest.raises(Interrupted, match="but not all it had may have come along") as caught:
        carry_out(arrival.plan, lambda _percent, _words: None, Stop())
    assert "vme repair web1" in (caught.value.hint or "")
    assert (arrival.given, arrival.entry_stays) == ([], True)
