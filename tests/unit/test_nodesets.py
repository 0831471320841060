"""Sets of names: what they are, and which are too large to be spelled out."""

from pathlib import Path

import pytest

from vme import nodesets
from vme.config import Config, read_file
from vme.errors import Misconfigured, Misused
from vme.fleet.inventory import nodes_named
from vme.fleet.selection import select
from vme.nodesets import expanded, expanded_names
from vme.set_size import MOST


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("web[09-10],db1", ("db1", "web09", "web10")),
        ("web[1-3]!web2", ("web1", "web3")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("web[0-900000000/300000000]", ("web0", "web300000000", "web600000000", "web900000000")),
        ("web1[8-9]", ("web18", "web19")),
    ],
)
def test_a_set_is_its_names(text: str, names: tuple[str, ...]) -> None:
    assert expanded_names(text) == expanded(text) == names


def test_the_largest_set_there_may_be() -> None:
    assert len(expanded_names(f"web[1-{MOST}]")) == MOST
    assert len(expanded_names("a[1-250]b[1-400]")) == MOST


@pytest.mark.parametrize(
    "text",
    [
        f"web[1-{MOST + 1}]",
        "web[1-99999999999]",
        f"web[1-{'9' * 90}]",
        "web[000000001-999999999]",
        "web[1-1_000_000]",
        "web[-99999999-5]",
        "web[1-3000000/2]",
        "web[5,7,9-500000]",
        "a[1-400]b[1-400]",
        "a[1-100]b[1-100]c[1-100]",
        "web[1-60000],db[1-60000]",
        "web[1-5000000]!web[2-5000000]",
        "web[1-5000000]&web5",
        "web99999999[9-10]",
    ],
)
def test_a_set_that_is_too_large_is_not_spelled_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodesets, "NodeSet", lambda *_words, **_options: pytest.fail("it is about to be spelled out"))
    for spelled_out in (expanded, expanded_names):
        with pytest.raises(ValueError, match=r"^100,000 names are the most$"):
            spelled_out(text)


@pytest.mark.parametrize(
    "text", ["web[", "web[1-2", "web[2-1]", "web[1-2/0]", "web[x-y]", "web[]", "web[1-2][3-4]", "web[1-3]0000000000"]
)
def test_a_set_that_is_none(text: str) -> None:
    for spelled_out in (expanded, expanded_names):
        with pytest.raises(ValueError, match=r"\w") as told:
            spelled_out(text)
        assert "most" not in str(told.value)


def test_whoever_names_too_many_is_told_how_many_there_may_be(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="is not a set of names: 100,000 names are the most"):
        select(Config(None, ()), ["web[1-5000000]"])
    with pytest.raises(Misused, match="is not a set of nodes: 100,000 names are the most"):
        nodes_named(Config(None, ()), "kvm[1-5000000]")
    file = tmp_path / "vme.toml"
    file.write_text('[zones.east]\nnodes = "kvm[1-99999999999]"\nstore = "/a"\nmanagement_store = "/b"\n')
    with pytest.raises(Misconfigured, match=r"zones.east.nodes: .* is not a node set: 100,000 names are the most"):
        read_file(file)
