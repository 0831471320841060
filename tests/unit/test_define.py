"""define_guest: what is undone, and what is said of it, when its call to the node is interrupted or fails."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.made import config, guest, hypervisor
from vme.actions import define as module
from vme.actions.define import Plan, Request, carry_out, check, read_request
from vme.errors import Failed, Interrupted, Misused, Refused
from vme.fleet.everywhere import Replies
from vme.hypervisor.domain_xml import is_uuid, parse
from vme.hypervisor.guest import Guest
from vme.store.layout import journal_file

UUID = "8b0c8541-9c59-4c34-ade1-9977256a95bb"
XML = "<domain type='kvm'><name>web1</name>{}<memory>65536</memory></domain>"


class Node:
    """A node whose libvirt has the guest of that UUID or not; `defining` is what befalls the call that defines it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has: set[str] = set()
        self.kept_state: list[bool] = []
        self.defining: Callable[[], None] = lambda: None
        monkeypatch.setattr(module, "define", self._define)
        monkeypatch.setattr(module, "remove_by_uuid", self._remove)
        monkeypatch.setattr(module, "_refuse_if_changed_meanwhile", lambda _plan: None)
        monkeypatch.setattr(module, "definition_changed", lambda *_words, **_more: None)

    def _define(self, _hypervisor: object, _xml: str, *, subject: str) -> Guest:
        assert subject == "web1 on kvm01"
        self.has.add(UUID)
        self.defining()
        return guest("web1", "shut off", uuid=UUID)

    def _remove(self, _hypervisor: object, uuid: str, *, keep_state: bool) -> None:
        self.has.discard(uuid)
        self.kept_state.append(keep_state)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(monkeypatch)


def plan(tmp_path: Path, *, old: Guest | None = None) -> Plan:
    there = config(tmp_path)
    request = Request(XML.format(""), "web1.xml", "web1", None, "east", None, force=False)
    return Plan(there, request, hypervisor(), "web1", UUID, old, None, there.zone("east").stores, None)


def entry(plan: Plan) -> Path:
    return journal_file(plan.claims[0], "web1")


@contextmanager
def interrupting() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as in a tool."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.3)  # the main thread hears of it meanwhile, and the call succeeds


def test_ctrl_c_while_it_is_defined_takes_the_definition_back_and_nothing_of_its_state(
    tmp_path: Path, node: Node
) -> None:
    node.defining = interrupted
    new = plan(tmp_path)
    with interrupting(), pytest.raises(Interrupted, match="everything was undone"):
        carry_out(new)
    assert (node.has, node.kept_state, entry(new).exists()) == (set(), [True], False)


def test_a_call_whose_answer_is_lost_is_taken_back_too(tmp_path: Path, node: Node) -> None:
    def cut() -> None:
        raise Failed("web1 on kvm01: the connection is cut")

    node.defining = cut
    new = plan(tmp_path)
    with pytest.raises(Failed, match="the connection is cut; everything was undone"):
        carry_out(new)
    assert (node.has, entry(new).exists()) == (set(), False)


def test_of_a_guest_that_gets_a_new_form_nothing_is_said_to_be_undone(tmp_path: Path, node: Node) -> None:
    node.defining = interrupted
    anew = plan(tmp_path, old=guest("web1", "shut off", uuid=UUID))
    with interrupting(), pytest.raises(Interrupted) as caught:
        carry_out(anew)
    assert caught.value.message == "web1: interrupted midway"
    assert caught.value.hint == "vme repair web1 finishes or undoes what was begun"
    assert (node.has, node.kept_state, entry(anew).exists()) == ({UUID}, [], True)


def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, xml: str) -> Plan:
    there = config(tmp_path)
    monkeypatch.setattr(module, "ask_guests", lambda *_words, **_more: Replies((), ()))
    monkeypatch.setattr(module, "reasons_stores_unusable", lambda *_words: [])
    monkeypatch.setattr(module, "claims_on", lambda *_words, **_more: ((), []))
    monkeypatch.setattr(module, "connect", lambda *_words, **_more: hypervisor())
    monkeypatch.setattr(module, "reasons_not_to_change", lambda _hypervisor: [])
    return check(there, Request(xml, "web1.xml", "web1", "kvm01", None, None, force=True), 5)


@pytest.mark.parametrize(
    ("words", "uuid"),
    [
        (f"<uuid>{UUID.upper()}</uuid>", UUID),
        (f"<sysinfo type='smbios'><system><entry name='uuid'>{UUID}</entry></system></sysinfo>", UUID),
        ("", None),
        ("<uuid/>", None),
    ],
)
def test_the_uuid_is_known_before_the_guest_is_defined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, uuid: str | None
) -> None:
    plan = checked(tmp_path, monkeypatch, XML.format(words))
    if uuid is None:
        root = parse(plan.request.xml)
        assert [element.text for element in root.iter("uuid")] == [plan.uuid]
        assert is_uuid(plan.uuid)
    else:
        assert (plan.uuid, plan.request.xml) == (uuid, XML.format(words))


def test_what_is_no_uuid_is_refused_before_anything_is_asked_of_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="the UUID in it, 7, is none"):
        checked(tmp_path, monkeypatch, XML.format("<uuid>7</uuid>"))


def test_a_file_that_is_not_utf_8_is_said_in_words(tmp_path: Path) -> None:
    file = tmp_path / "latin1.xml"
    file.write_bytes("<domain><title>Büro</title></domain>".encode("latin-1"))
    more: dict[str, Any] = {"node": None, "zone": None, "reason": None, "force": False, "timeout_s": 5}
    with pytest.raises(Misused, match=r"latin1\.xml is not text in UTF-8") as caught:
        read_request(config(tmp_path), str(file), **more)
    assert "iconv" in (caught.value.hint or "")
