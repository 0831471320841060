"""Names for completion: known ones at once, renewed behind; no node is waited for."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import made
from vme.commands import complete
from vme.config import Config, Node
from vme.fleet import guests
from vme.fleet.everywhere import Answer, Replies
from vme.records import replace


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What was left to be done in the background; nobody does it but the test."""
    left: list[Callable[[], None]] = []
    monkeypatch.setattr(complete, "private_directory", lambda: tmp_path)
    monkeypatch.setattr(complete, "in_background", left.append)
    monkeypatch.setattr(complete, "_FIRST_WAIT_S", 0.0)
    there = replace(made.config(tmp_path), storage=(Node("st1", ""),))
    monkeypatch.setattr(complete, "load", lambda: there)

    def answers(config: Config, nodes: object, timeout_s: float) -> Replies[tuple[object, ...]]:
        seen = (made.guest("web2"), made.guest("web1"), made.guest("$(id)"), made.guest("--all"))
        return Replies((Answer(config.nodes[0], seen, True),), ())

    monkeypatch.setattr(guests, "ask_guests", answers)
    return left


def printed(capsys: pytest.CaptureFixture[str], kind: str) -> list[str]:
    assert complete.print_names(kind) == 0
    return capsys.readouterr().out.split()


def test_what_is_known_is_printed_and_what_is_old_is_renewed(
    behind: list[Callable[[], None]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "guests") == []
    assert len(behind) == 1
    behind.pop()()
    assert printed(capsys, "guests") == ["web1", "web2"], "and no name that is not ours"
    assert behind == []
    (cache,) = tmp_path.glob("guests-*")
    cache.write_text("old\n")
    os.utime(cache, (1, time.time() - 60))
    assert printed(capsys, "guests") == ["old"]
    behind.pop()()
    assert printed(capsys, "guests") == ["web1", "web2"]


def test_one_renewal_at_a_time_but_a_dead_one_is_taken_over(
    behind: list[Callable[[], None]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "guests")
    claim = tmp_path / f"{complete.cache_of(made.config(tmp_path)).name}.new"
    claim.touch()
    behind[0]()
    assert printed(capsys, "guests") == []
    os.utime(claim, (1, time.time() - 60))
    behind[0]()
    assert printed(capsys, "guests") == ["web1", "web2"]


def test_nodes_zones_and_stores_are_those_of_the_configuration(
    behind: list[Callable[[], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, "nodes") == ["kvm01", "kvm02", "kvm03", "kvm04"]
    assert printed(capsys, "machines") == ["kvm01", "kvm02", "kvm03", "kvm04", "st1"]
    assert printed(capsys, "zones") == ["east", "west"]
    assert printed(capsys, "stores") == ["virt-store"]
    assert printed(capsys, "nosuch") == []
    assert behind == []
