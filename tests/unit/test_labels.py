"""Tags, titles and descriptions: read from the files that libvirt keeps, and changed."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.unit import made
from tests.unit.golden import DATA
from vme.actions import tag as tag_module
from vme.actions.tag import Change, Plan, carry_out, checked_change, labels_text
from vme.errors import Failed, Misused, Silent
from vme.fleet import labels as fleet_labels
from vme.fleet.labels import labelled
from vme.hypervisor.guest import Guest, Labels
from vme.hypervisor.metadata import labels_in
from vme.node.definition_files import parse

# What `cat` printed of a node with two guests, one of which runs.
KEPT = (DATA / "kept-definitions-libvirt-9.0.xml").read_text()
OURS = "xmlns:v='https://vme-tools.org/xmlns/1'"
WEB1 = Labels(("prod", "web"), "Shop & co")


def found() -> dict[tuple[str, bool], Labels]:
    return {(one.domain.findtext("name", ""), one.live): labels_in(one.domain) for one in parse(KEPT, "kvm01")}


def test_every_definition_with_whether_it_is_that_of_a_guest_that_runs() -> None:
    assert found() == {("web1", False): WEB1, ("web1", True): WEB1, ("web2", False): Labels(("old",))}
    assert len({one.uuid for one in parse(KEPT, "kvm01")}) == 2
    assert parse("", "kvm01") == ()


@pytest.mark.parametrize("text", ["<domain>", "</all><domain/><all>x", KEPT[:-20]])
def test_what_is_no_xml_is_said(text: str) -> None:
    with pytest.raises(Failed, match="kvm01: the definitions that libvirt keeps are not XML"):
        parse(text, "kvm01")


def test_a_description_can_not_pretend_to_be_another_guest() -> None:
    evil = "<![CDATA[</description></domain><domain><uuid>other</uuid></domain>]]>"
    (only,) = parse(f"<domain><uuid>u</uuid><description>{evil}</description></domain>", "kvm01")
    assert only.uuid == "u"


@pytest.mark.parametrize(
    ("inside", "tags"),
    [
        ("", ()),
        (f"<v:guest {OURS}/>", ()),
        (f"<v:guest {OURS}><v:tag>b</v:tag><v:tag>a</v:tag><v:tag>b</v:tag></v:guest>", ("a", "b")),
        (f"<v:guest {OURS}><tag>a b</tag><tag/><tag>ok</tag></v:guest>", ("ok",)),
        ("<v:guest xmlns:v='urn:other'><v:tag>a</v:tag></v:guest>", ()),
    ],
)
def test_only_our_own_and_allowed_tags_count(inside: str, tags: tuple[str, ...]) -> None:
    domain = ElementTree.fromstring(f"<domain><metadata>{inside}</metadata></domain>")
    assert labels_in(domain).tags == tags


def asked(monkeypatch: pytest.MonkeyPatch, kept: Any) -> list[str]:
    """Let the files be as `kept` says, and note which guests are asked one by one: they then bear the tag `asked`."""
    names: list[str] = []

    def one_by_one(guest: Guest) -> Labels:
        names.append(guest.name)
        return Labels(("asked",))

    monkeypatch.setattr(fleet_labels, "kept_definitions", kept)
    monkeypatch.setattr(fleet_labels, "labels_of", one_by_one)
    return names


def test_no_guest_is_asked_whose_definition_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = parse(KEPT, "kvm01")
    uuids = {one.domain.findtext("name"): one.uuid for one in definitions}
    web1, web2 = made.guest("web1", uuid=uuids["web1"]), made.guest("web2", "shut off", uuid=uuids["web2"])
    names = asked(monkeypatch, lambda *_words, **_more: definitions)
    told = labelled(made.hypervisor(), (web1, web2), 5, None)
    assert [guest.labels for guest in told] == [WEB1, Labels(("old",))]
    assert names == []
    # One that came after the files were read, one that runs and was off then; and one that is to be confirmed.
    new, started = made.guest("new"), replace(web2, state="running")
    told = labelled(made.hypervisor(), (web1, started, new), 5, lambda guest: guest.name == "web1")
    assert names == ["web1", "web2", "new"]
    assert {guest.labels for guest in told} == {Labels(("asked",))}


@pytest.mark.parametrize("problem", [Failed("denied"), Silent("no ssh")])
def test_where_files_can_not_be_read_each_is_asked(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    def kept(*_words: object, **_more: object) -> None:
        raise problem

    names = asked(monkeypatch, kept)
    labelled(made.hypervisor(), (made.guest("web1"), made.guest("web2")), 5, None)
    assert names == ["web1", "web2"]


def test_changes() -> None:
    before = Labels(("a", "b"), "T", "D")
    assert Change().applied_to(before) == before
    assert Change().is_none
    assert Change(add=("c", "a"), remove=("b", "x")).applied_to(before) == Labels(("a", "c"), "T", "D")
    assert Change(add=("c",), clear=True).applied_to(before) == Labels(("c",), "T", "D")
    assert Change(title="", description="new").applied_to(before) == Labels(("a", "b"), None, "new")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change(add=("a b",)), "can't be the name of a tag"),
        (Change(remove=("",)), "can't be the name of a tag"),
        (Change(add=("east",)), "it is a zone"),
        (Change(add=("a",), remove=("a",)), "to be added and removed"),
        (Change(title="a\nb"), "a title is one line"),
        (Change(title="x" * 201), "a title is one line"),
        (Change(description="\x1b"), "a description is printable"),
    ],
)
def test_changes_that_can_not_be_made(tmp_path: Path, change: Change, said: str) -> None:
    with pytest.raises(Misused, match=said):
        checked_change(made.config(tmp_path), change)
    # A foreign zone's name may be removed, and an empty title removes.
    assert checked_change(made.config(tmp_path), Change(remove=("east",), title=""))


def test_what_a_person_is_told() -> None:
    plan = Plan(made.guest(), Change(add=("b",)), Labels(("a",)), Labels(("a", "b"), "T\u202e"))
    assert str(plan) == r"web1 on kvm01: tags a, b; title 'T\u202e' (was: tags a)"
    assert labels_text(Labels((), None, "x\ny")) == r"no tags; description 'x\ny'"


def test_a_guest_that_moved_while_its_turn_was_waited_for_is_tagged_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = made.guest(node="kvm02")
    written: list[Guest] = []
    monkeypatch.setattr(tag_module, "found_again", lambda *_: moved)
    monkeypatch.setattr(tag_module, "saved_form", lambda one: f"<domain on='{one.node.name}'/>")
    monkeypatch.setattr(tag_module, "labels_of", lambda _: Labels(("web",)))
    monkeypatch.setattr(tag_module, "is_persistent", lambda _: True)
    monkeypatch.setattr(tag_module, "set_labels", lambda one, *_, **_more: written.append(one))
    monkeypatch.setattr(tag_module, "definition_changed", lambda _, one, **_more: written.append(one))
    change = Change(add=("prod",))
    plan = Plan(made.guest(), change, Labels(), change.applied_to(Labels()))
    assert carry_out(made.config(tmp_path), plan) == "web1 on kvm02: tags prod, web"
    assert written == [moved, moved]
