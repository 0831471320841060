"""Names of guests: sets, globs, twins, and what is said of a missing one while nodes are silent."""

from pathlib import Path

import pytest

from tests.unit.made import EAST, NODES, config, guest
from vme.errors import Ambiguous, Misused, NotFound, Silent
from vme.fleet import locate as module
from vme.fleet.everywhere import Answer, Replies, Silence
from vme.fleet.locate import Located, locate
from vme.hypervisor.guest import Guest

THERE = (guest("web2", node="kvm02"), guest("web1"), guest("db1", node="kvm04"), guest("[odd]", node="kvm03"))
SILENT = (Silence(EAST[2], "no answer within 5 s"),)


def look(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    patterns: list[str],
    *,
    there: tuple[Guest, ...] = THERE,
    silences: tuple[Silence, ...] = (),
) -> Located:
    answers = tuple(Answer(node, tuple(g for g in there if g.node == node), True) for node in NODES.values())
    monkeypatch.setattr(module, "ask_guests", lambda *_words, **_more: Replies(answers, silences))
    return locate(config(tmp_path), patterns, 5)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["web1"], ["web1"]),
        (["web2", "web1"], ["web1", "web2"]),
        (["web1", "web1", "web*"], ["web1", "web2"]),
        (["web[1-2]"], ["web1", "web2"]),
        (["web[1,2],db1"], ["db1", "web1", "web2"]),
        (["*1"], ["db1", "web1"]),
        (["web?"], ["web1", "web2"]),
        (["*"], ["[odd]", "db1", "web1", "web2"]),
    ],
)
def test_who_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patterns: list[str], names: list[str]) -> None:
    found = look(tmp_path, monkeypatch, patterns)
    assert [one.name for one in found.guests] == names
    assert len(found.everyone) == 4


@pytest.mark.parametrize(
    ("patterns", "missing"),
    [
        (["web3"], "web3"),
        (["web[1-4]"], "web3, web4"),
        (["nothing*"], "nothing*"),
        (["WEB1"], "WEB1"),
        (["web"], "web"),
        (["web1", "\x1b[31mx"], "'\\x1b[31mx'"),
    ],
)
def test_who_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patterns: list[str], missing: str) -> None:
    if "\x1b[" in patterns[-1]:
        patterns = [*patterns[:-1], "\x1bx"]
        missing = r"'\x1bx'"
    with pytest.raises(NotFound) as caught:
        look(tmp_path, monkeypatch, patterns)
    assert caught.value.message == f"{missing}: no such guest on any node"
    with pytest.raises(Silent) as silent:
        look(tmp_path, monkeypatch, patterns, silences=SILENT)
    assert silent.value.message.startswith(f"{missing}: not on any node that answered; no answer from kvm03 (")


def test_a_silent_node_matters_not_where_all_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(tmp_path, monkeypatch, ["web1"], silences=SILENT)
    assert found.silences == SILENT


def test_a_twin_is_never_chosen_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = (*THERE, guest("web1", "shut off", "kvm03"))
    with pytest.raises(Ambiguous) as caught:
        look(tmp_path, monkeypatch, ["web*"], there=there)
    assert caught.value.message == "on more than one node: web1 (running on kvm01, shut off on kvm03)"
    assert [one.name for one in look(tmp_path, monkeypatch, ["web2"], there=there).guests] == ["web2"]


@pytest.mark.parametrize("text", ["web[1-", "web[a]", "web[]"])
def test_no_set_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(Misused, match="not a set of names"):
        look(tmp_path, monkeypatch, [text])
