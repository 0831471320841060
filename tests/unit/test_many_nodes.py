"""A process that is spoken to, one whose output comes live, and the same work on many nodes."""

import threading
import time

import pytest

from vme.config import Node
from vme.errors import Failed, Silent
from vme.fleet.each_node import on_nodes
from vme.process import Dialogue, TookTooLong, run_live

NODES = [Node(f"kvm{number:02}", "east") for number in range(1, 9)]


def test_a_dialogue_goes_line_by_line() -> None:
    with Dialogue(["cat"]) as dialogue:
        dialogue.say(b"one\ntwo\nthr")
        assert dialogue.hear(timeout_s=10) == b"one"
        assert dialogue.hear(timeout_s=10) == b"two"
        dialogue.say(b"ee\n")
        assert dialogue.hear(timeout_s=10) == b"three"
        with pytest.raises(TookTooLong):
            dialogue.hear(timeout_s=0.05)


def test_a_dialogue_that_ends_has_last_words() -> None:
    with Dialogue(["sh", "-c", "echo first; echo oops >&2; exit 3"]) as dialogue:
        assert dialogue.hear(timeout_s=10) == b"first"
        assert dialogue.hear(timeout_s=10) is None
        assert dialogue.last_words == "oops"
        with pytest.raises(Failed, match="oops"):
            dialogue.say(b"x" * 1_000_000)


def test_what_could_not_be_said_is_not_hidden_by_the_end() -> None:
    with pytest.raises(Failed, match="oops"), Dialogue(["sh", "-c", "echo oops >&2; exit 3"]) as dialogue:
        assert dialogue.last_words == "oops"
        dialogue.say(b"x")


def test_what_is_not_installed_is_said() -> None:
    with pytest.raises(Failed, match="not installed"):
        Dialogue(["no-such-program-at-all"])
    with pytest.raises(Failed, match="not installed"):
        run_live(["no-such-program-at-all"], timeout_s=1, on_output=lambda _chunk, _is_error: None)


def test_output_comes_while_the_process_runs() -> None:
    heard: list[tuple[bytes, bool]] = []
    status = run_live(
        ["sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 7"],
        timeout_s=10,
        on_output=lambda chunk, is_error: heard.append((chunk, is_error)),
    )
    assert (status, heard) == (7, [(b"out\n", False), (b"err\n", True)])


@pytest.mark.parametrize("script", ["sleep 60", "exec >&- 2>&-; sleep 60"])
def test_a_live_process_is_killed_at_its_deadline(script: str) -> None:
    with pytest.raises(TookTooLong):
        run_live(["sh", "-c", script], timeout_s=0.2, on_output=lambda _chunk, _is_error: None)


def test_every_node_has_an_outcome_and_no_more_work_at_once_than_allowed() -> None:
    at_work: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work(node: Node) -> str:
        with lock:
            at_work.append(1)
            most.append(len(at_work))
        time.sleep(0.01)
        with lock:
            at_work.pop()
        if node.name == "kvm03":
            raise Silent("kvm03: gone")
        return node.name.upper()

    outcomes = {outcome.node.name: outcome for outcome in on_nodes(NODES, work, at_once=3)}
    assert set(outcomes) == {node.name for node in NODES}
    assert max(most) <= 3
    assert outcomes["kvm01"].value == "KVM01"
    with pytest.raises(Silent):
        _ = outcomes["kvm03"].value


def test_a_bug_is_not_an_outcome() -> None:
    def work(node: Node) -> str:
        raise ZeroDivisionError(node.name)

    with pytest.raises(ZeroDivisionError):
        list(on_nodes(NODES, work, at_once=2))


def test_no_nodes_no_work() -> None:
    assert list(on_nodes([], lambda node: node.name, at_once=2)) == []
