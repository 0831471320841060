"""Several guests created together: what of one is unfinished stays in the journal, and nothing else is claimed."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.made import NODES, config, guest
from vme.actions.create import carry_out as module
from vme.actions.create.carry_out import Listener, Outcome, carry_out
from vme.actions.together import together
from vme.commands import create_guest
from vme.commands.context import Context
from vme.errors import Failed, Interrupted, NoneDone, VmeError
from vme.fleet.deadline import Late
from vme.fleet.everywhere import Replies
from vme.hypervisor.guest import Guest
from vme.journal.entry import parsed
from vme.store.layout import journal_file

UUID = "11111111-1111-1111-1111-11111111111"


class Made:
    """Guests that are created with no node behind them: what defining and undefining one raises is said beforehand."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config = config(tmp_path)
        self.store = self.config.zone("east").stores[0]
        self.defining: dict[str, BaseException] = {}
        self.removing: BaseException | None = None
        self.created: list[str] = []
        self.failures: dict[str, VmeError] = {}
        for name, deed in (
            ("ask_guests", lambda *_words, **_more: Replies((), ())),
            ("make_image", lambda image, _tell: image.path.write_text("image")),
            ("define", self._define),
            ("remove_by_uuid", self._remove),
        ):
            monkeypatch.setattr(module, name, deed)
        for name in ("_proof", "hand_to", "sync_directory", "definition_changed"):
            monkeypatch.setattr(module, name, lambda *_words, **_more: None)

    def _define(self, _hypervisor: object, _xml: str, *, subject: str) -> Guest:
        name = subject.split()[0]
        if name in self.defining:
            raise self.defining[name]
        return guest(name)

    def _remove(self, _hypervisor: object, _uuid: str) -> None:
        if self.removing is not None:
            raise self.removing

    def create(self, *names: str, told: Callable[[str], None] | None = None) -> Outcome:
        plan: Any = SimpleNamespace(
            config=self.config, guests=tuple(map(self._plan, names)), stores=(self.store,), force=False
        )
        listener = Listener(
            lambda _percent, _words: None,
            lambda plan, _guest: (told or self.created.append)(plan.name),
            lambda plan, problem: self.failures.update({plan.name: problem}),
        )
        return carry_out(plan, listener, at_once=4, reason=None)

    def _plan(self, name: str) -> Any:
        directory = self.store.management_path / name
        return SimpleNamespace(
            name=name,
            node=NODES["kvm01"],
            store=self.store,
            claims=(self.store,),
            images=(SimpleNamespace(path=directory / f"{name}-vda"),),
            files=(),
            nvram=None,
            owner=SimpleNamespace(uid=0, gid=0),
            directory=directory,
            request=SimpleNamespace(start=False),
            source=None,
            report=SimpleNamespace(hypervisor=None),
            xml=f"<domain><name>{name}</name><uuid>{UUID}{name[-1]}</uuid></domain>",
        )

    @property
    def entries(self) -> list[str]:
        return sorted(file.name for file in journal_file(self.store, "web1").parent.iterdir())


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(tmp_path, monkeypatch)


def test_of_several_one_that_a_node_may_still_define_stays_in_the_journal(made: Made) -> None:
    made.defining["web1"] = Late("web1 on kvm01: no answer within 30 s")
    outcome = made.create("web1", "web2")
    assert (made.created, made.entries, outcome.unfinished) == (["web2"], ["web1"], ["web1"])
    entry = parsed(made.store, "web1", journal_file(made.store, "web1").read_text())
    assert entry.gave_up_at_s is not None
    assert "nothing was undone" in made.failures["web1"].message
    assert made.failures["web1"].hint == "vme repair web1 finishes or undoes what was begun"
    assert outcome.hint == "vme repair web1 finishes or undoes what was begun"


def test_of_several_one_that_could_not_be_undone_stays_too(made: Made) -> None:
    made.defining["web1"] = Failed("libvirt: no")
    made.removing = Failed("kvm01: the connection is cut")
    outcome = made.create("web1", "web2")
    assert (made.created, made.entries, outcome.unfinished) == (["web2"], ["web1"], ["web1"])
    assert "left behind" in made.failures["web1"].message


def test_of_several_one_that_was_undone_leaves_nothing(made: Made) -> None:
    made.defining["web1"] = Failed("libvirt: no")
    outcome = made.create("web1", "web2")
    assert (made.created, made.entries, outcome.unfinished, outcome.hint) == (["web2"], [], [], None)
    assert made.failures["web1"].message == "libvirt: no; everything was undone"
    assert made.failures["web1"].hint is None


def test_what_is_interrupted_and_can_t_be_undone_is_not_said_to_be(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    made.defining["web1"] = KeyboardInterrupt()
    made.removing = Failed("kvm01: the connection is cut")

    def interrupted(*words: Any) -> None:
        together(*words)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "together", interrupted)
    with pytest.raises(Interrupted) as caught:
        made.create("web1", "web2")
    assert "was undone, but for web1, as said above. Created before that, and left: web2" in caught.value.message
    assert caught.value.hint == "vme repair web1 finishes or undoes what was begun"
    assert "left behind" in made.failures["web1"].message


@pytest.mark.parametrize("names", [("web1",), ("web1", "web2")])
def test_a_reader_that_has_gone_undoes_nothing(made: Made, names: tuple[str, ...]) -> None:
    def gone(_name: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        made.create(*names, told=gone)
    assert made.entries == []
    assert all((made.store.management_path / name / f"{name}-vda").exists() for name in names)


@pytest.mark.parametrize(("created", "kind"), [({"web2": guest("web2")}, Failed), ({}, NoneDone)])
def test_the_end_says_what_is_unfinished(tmp_path: Path, created: dict[str, Guest], kind: type[VmeError]) -> None:
    context = Context(config(tmp_path), "create_guest", quiet=False)
    problems: dict[str, VmeError] = {name: Failed(name) for name in ("web1", "web2") if name not in created}
    with pytest.raises(kind, match=r"each is said above, and left nothing behind$"):
        create_guest._sum_up(2, Outcome(created, problems), context)
    with pytest.raises(kind, match=r"each is said above$") as caught:
        create_guest._sum_up(2, Outcome(created, problems, ["web1"]), context)
    assert caught.value.hint == "vme repair web1 finishes or undoes what was begun"
