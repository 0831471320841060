"""What the words and options that name guests mean."""

from dataclasses import replace

import pytest

from tests.unit import made
from vme.config import Config, Zone
from vme.errors import Misused, NotFound, Silent
from vme.fleet.everywhere import Silence
from vme.fleet.locate import refuse_missing
from vme.fleet.selection import select
from vme.hypervisor.guest import Guest, Labels

CONFIG = Config(None, (Zone("east", made.EAST, ()), Zone("west", made.WEST, ())))


def guest(name: str, node: str, state: str, *tags: str) -> Guest:
    return replace(made.guest(name, state, node), labels=Labels(tags))


FLEET = (
    guest("web1", "kvm01", "running", "prod", "web"),
    guest("web2", "kvm02", "shut off", "web"),
    guest("web10", "kvm04", "paused"),
    guest("db1", "kvm04", "crashed", "prod"),
)


def chosen(*words: str, **options: list[str]) -> list[str]:
    selection = select(CONFIG, words, **options)
    return [one.name for one in FLEET if selection.matches(one)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["web1"], ["web1"]),
        (["web[1-2]"], ["web1", "web2"]),
        (["web1,db1"], ["web1", "db1"]),
        (["web[1-2]!web2"], ["web1"]),
        (["web?"], ["web1", "web2"]),
        (["web*", "db1"], ["web1", "web2", "web10", "db1"]),
        (["@prod"], ["web1", "db1"]),
        (["@prod", "web10"], ["web1", "web10", "db1"]),
        (["WEB1"], []),
        ([], ["web1", "web2", "web10", "db1"]),
    ],
)
def test_words_are_a_union(words: list[str], names: list[str]) -> None:
    assert chosen(*words) == names


def test_options_narrow() -> None:
    assert chosen("web*", zones=["east"]) == ["web1", "web2"]
    assert chosen("web*", nodes=["kvm[02,04]"]) == ["web2", "web10"]
    assert chosen(nodes=["@west"]) == ["web10", "db1"]
    assert chosen("web*", zones=["east"], nodes=["kvm02"]) == ["web2"]
    assert chosen(states=["off"]) == ["web2"]
    assert chosen(states=["on"]) == ["web1", "web10", "db1"]
    assert chosen(states=["shut-off,paused"]) == chosen(states=["shut off", "paused"]) == ["web2", "web10"]


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["web[1-"], {}, "not a set of names"),
        (["web[1-2]*"], {}, "both a set and a pattern"),
        (["@east"], {}, "east is a zone"),
        (["@$(id)"], {}, "can't be the name of a tag"),
        (["@"], {}, "can't be the name of a tag"),
        ([], {"zones": ["north"]}, "there is no zone"),
        ([], {"nodes": ["kvm09"]}, "there is no node"),
        ([], {"zones": ["east"], "nodes": ["kvm04"]}, "no node is left"),
        ([], {"states": ["asleep"]}, "there is no state asleep"),
    ],
)
def test_what_can_not_be_meant_is_refused(words: list[str], options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(Misused) as caught:
        select(CONFIG, words, **options)
    assert message in caught.value.message


def test_what_nobody_named_is_open() -> None:
    """A silent node may have more of it."""
    assert [select(CONFIG, words).is_open for words in (["web1"], ["web[1-2]"], ["web*"], ["@prod"], [])] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_what_only_a_tag_selects_is_to_be_confirmed() -> None:
    selection = select(CONFIG, ["@prod", "web1"])
    assert [one.name for one in FLEET if selection.matches_by_tag(one)] == ["db1"]
    assert not any(select(CONFIG).matches_by_tag(one) for one in FLEET)


def test_a_tag_that_was_not_told_is_no_match() -> None:
    untold = replace(FLEET[0], labels=None)
    assert not select(CONFIG, ["@prod"]).matches(untold)


def test_a_word_that_means_nobody_is_missing() -> None:
    with pytest.raises(NotFound, match=r"nope\*, @none, web3, web4: no such guest on any node"):
        refuse_missing(select(CONFIG, ["nope*", "@none", "web[3-4]", "web1"]), FLEET, ())
    with pytest.raises(NotFound, match="web10: no such guest on kvm01"):
        refuse_missing(select(CONFIG, ["web10"], nodes=["kvm01"]), FLEET, ())


def test_only_a_silent_node_of_the_selection_may_have_it() -> None:
    silence = Silence(CONFIG.nodes[0], "no answer within 5 s")
    with pytest.raises(Silent, match="web3: not on any node that answered; no answer from kvm01"):
        refuse_missing(select(CONFIG, ["web3"]), FLEET, (silence,))
    with pytest.raises(NotFound, match="web3: no such guest on kvm04"):
        refuse_missing(select(CONFIG, ["web3"], nodes=["kvm04"]), FLEET, (silence,))


def test_states_do_not_make_a_guest_missing() -> None:
    refuse_missing(select(CONFIG, ["web1"], states=["off"]), FLEET, ())
