"""A definition is removed while its guest is off, whoever starts it meanwhile."""

import pytest

from tests.unit.made import guest
from vme.actions import undefine_off
from vme.actions.undefine_off import undefine_while_off
from vme.errors import Failed, NotFound
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.guest import Guest


class Node:
    """A node with one guest, as libvirt has it: of one that runs, undefining leaves what runs (it is transient)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, starts: str = "never", keeps: bool = False) -> None:
        self.defined: str | None = "<domain/>"
        self.runs = starts == "before"
        self._starts, self._keeps = starts, keeps
        for name in ("saved_form", "refreshed", "undefine", "define"):
            monkeypatch.setattr(undefine_off, name, getattr(self, f"_{name}"))

    def _saved_form(self, _: Guest) -> str | None:
        return self.defined

    def _refreshed(self, one: Guest) -> Guest:
        if self.defined is None and not self.runs:
            raise NotFound(f"{one}: there is no such guest")
        return guest(state="running" if self.runs else "shut off")

    def _undefine(self, _: Guest, **_kept: bool) -> None:
        self.runs = self.runs or self._starts == "in between"
        self.defined = self.defined if self._keeps else None

    def _define(self, _: Hypervisor, xml: str, *, subject: str) -> None:
        assert subject == "web1 on kvm01"
        self.defined = xml


def test_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch)
    undefine_while_off(guest(state="shut off"), keep_nvram=False)
    assert node.defined is None


@pytest.mark.parametrize(
    ("starts", "says"),
    [
        ("before", "web1 on kvm01: is running: it was started meanwhile, and keeps its definition"),
        ("in between", "it was started while its definition was removed, and has that again"),
    ],
)
def test_one_that_was_started_has_its_definition(monkeypatch: pytest.MonkeyPatch, starts: str, says: str) -> None:
    node = Node(monkeypatch, starts=starts)
    with pytest.raises(Failed, match=says):
        undefine_while_off(guest(state="shut off"), keep_nvram=False)
    assert node.runs
    assert node.defined == "<domain/>"


def test_libvirt_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(monkeypatch, keeps=True)
    with pytest.raises(Failed, match="its definition is still there after it was removed"):
        undefine_while_off(guest(state="shut off"), keep_nvram=False)
