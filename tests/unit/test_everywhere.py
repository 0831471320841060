"""One question to all nodes: what counts when some answer, some refuse, some hang. Connections are not made here."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.made import EAST, config, hypervisor
from vme.config import Node, SshConfig
from vme.errors import Silent
from vme.fleet import everywhere
from vme.fleet.everywhere import Answer, Question, Replies, Silence, ask_everywhere, silence_text
from vme.hypervisor.connection import Hypervisor


@pytest.fixture(autouse=True)
def nodes_that_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(node: Node, _ssh: SshConfig, *, timeout_s: float) -> Hypervisor:
        return hypervisor(node.name)

    monkeypatch.setattr(everywhere, "connect", connect)


def ask(tmp_path: Path, question: Question[str], timeout_s: float = 20) -> Replies[str]:
    return ask_everywhere(config(tmp_path), EAST, question, timeout_s)


def test_all_answer_in_the_order_asked(tmp_path: Path) -> None:
    def question(node: Hypervisor) -> Iterator[str]:
        time.sleep({"kvm01": 0.06, "kvm02": 0.03, "kvm03": 0}[node.node.name])
        yield "first"
        yield f"I am {node.node.name}"

    replies = ask(tmp_path, question)
    assert replies.answers == tuple(Answer(node, f"I am {node.name}", True) for node in EAST)
    assert replies.silences == ()


def test_a_node_that_hangs_hides_no_other_and_ends_in_time(tmp_path: Path) -> None:
    thaw = threading.Event()

    def question(node: Hypervisor) -> Iterator[str]:
        if node.node.name == "kvm01":
            thaw.wait()
        yield "fast"
        if node.node.name == "kvm02":
            thaw.wait()
        yield "all"

    begun_s = time.monotonic()
    replies = ask(tmp_path, question, timeout_s=0.3)
    assert time.monotonic() - begun_s < 5
    assert replies.silences == (Silence(EAST[0], "no answer within 0.3 s"),)
    assert [(answer.node.name, answer.value, answer.complete) for answer in replies.answers] == [
        ("kvm02", "fast", False),
        ("kvm03", "all", True),
    ]
    thaw.set()


def test_a_refusal_is_a_silence_with_its_reason(tmp_path: Path) -> None:
    def question(node: Hypervisor) -> Iterator[str]:
        if node.node.name == "kvm02":
            raise Silent("kvm02: Connection refused")
        yield "x"
        if node.node.name == "kvm03":
            raise Silent("kvm03: cut off")

    replies = ask(tmp_path, question)
    assert replies.silences == (Silence(EAST[1], "Connection refused"),)
    assert [answer.complete for answer in replies.answers] == [True, False]


def test_a_bug_is_raised_not_taken_for_a_silence(tmp_path: Path) -> None:
    def question(_node: Hypervisor) -> Iterator[str]:
        yield "x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(tmp_path, question)


def test_no_node_falls_between_answers_and_silences() -> None:
    """A node that speaks in the very moment of the deadline: it is looked at once, so it is one or the other."""
    asked = everywhere.Asked[str](EAST[0])

    class SpeaksWhenLookedAt(list[str]):
        def __iter__(self) -> Iterator[str]:
            before = [self[i] for i in range(len(self))]
            self.append("just now")
            asked.finished = True
            return iter(before)

    asked.said = SpeaksWhenLookedAt()
    assert everywhere._settled(asked, 5) == Silence(EAST[0], "no answer within 5 s")
    asked.finished = False
    assert everywhere._settled(asked, 5) == Answer(EAST[0], "just now", False)  # more came: not its last word


def test_silences_as_words() -> None:
    two = [Silence(EAST[0], "no answer within 5 s"), Silence(EAST[1], "Connection refused")]
    assert silence_text(two) == "kvm01 (no answer within 5 s), kvm02 (Connection refused)"
    assert silence_text([]) == ""
