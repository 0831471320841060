"""vme nodes run and vme log: the same command on many nodes, and what was done afterwards."""

import json
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from lab.place import Lab
from tests.lab.vme import Vme
from tests.lab.wrapped import any_command


@pytest.fixture(scope="module", autouse=True)
def any_command_is_admitted(running_lab: Lab) -> Iterator[None]:
    with any_command(running_lab, *(node.name for node in running_lab.topology.nodes)):
        yield


def test_output_comes_live_with_the_nodes_names(vme: Vme) -> None:
    done = vme.tool("vme", "nodes", "run", "@east", "--", "sh", "-c", "hostname; echo odd >&2")
    assert sorted(done.stdout.splitlines()) == [f"kvm0{number}: kvm0{number}" for number in (1, 2, 3)]
    assert sorted(done.stderr.splitlines()) == [f"kvm0{number}: odd" for number in (1, 2, 3)]


def test_equal_output_is_gathered(vme: Vme) -> None:
    script = "case $(hostname) in kvm02) echo other; exit 3;; *) echo same;; esac"
    done = vme.tool("vme", "nodes", "run", "kvm[01-05]", "-b", "--", "sh", "-c", script, status=3)
    blocks = done.stdout.split("-" * 16)
    assert [part.strip() for part in blocks if part.strip()] == [
        "kvm[01,03-05]",
        "same",
        "kvm02 (exit status 3)",
        "other",
    ]


def test_words_reach_the_node_as_they_were_typed(vme: Vme) -> None:
    done = vme.tool("vme", "nodes", "run", "kvm01", "--", "printf", "%s|", "a b", "$HOME", "*", "", "é", "'")
    assert done.stdout.strip() == "kvm01: a b|$HOME|*||é|'|"


def test_a_slow_node_holds_nobody_up_and_a_silent_one_is_named(vme: Vme) -> None:
    vme.tool("vme", "nodes", "run", "@east", "--", "true")
    vme.fault("power-off", "kvm02")
    began_s = time.monotonic()
    script = "case $(hostname) in kvm03) sleep 30;; esac; hostname"
    done = vme.tool("vme", "nodes", "run", "@east", "--timeout", "4", "--", "sh", "-c", script, status=5)
    assert time.monotonic() - began_s < 4 + 4
    assert done.stdout == "kvm01: kvm01\n"
    assert "no answer from kvm02" in done.stderr or "no answer from kvm03" in done.stderr
    assert "kvm03: not done within 4 s" in done.stderr
    assert "kvm02" in done.stderr


def test_a_window_of_one_takes_one_node_after_the_other(vme: Vme) -> None:
    script = "date +%s.%N; sleep 0.3; date +%s.%N"
    done = vme.tool("vme", "nodes", "run", "@east", "-w", "1", "-b", "--", "sh", "-c", script)
    times = [float(line) for line in done.stdout.splitlines() if line[:1].isdigit()]
    spans = sorted(zip(times[0::2], times[1::2], strict=True))
    assert len(spans) == 3
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_nothing_to_run_and_unknown_nodes(vme: Vme) -> None:
    vme.tool("vme", "nodes", "run", "kvm01", status=2)
    vme.tool("vme", "nodes", "run", "kvm01", "--", status=2)
    vme.tool("vme", "nodes", "run", "kvm99", "--", "true", status=2)
    assert "kvm01" in vme.tool("vme", "nodes").stdout  # the listing has kept its verb


def test_the_log_tells_who_did_what_to_which_guest_and_why(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.tool("start_guest", "web1", "--reason", "ticket 7")
    vme.tool("stop_guest", "web1", "--yes")
    vme.tool("start_guest", "web9", status=4)
    vme.tool("start_guest", "--no-such-option", status=2)
    vme.tool("vme", "nodes", "run", "kvm02", "--", "env", "DB_PASSWORD=hunter2", "true")
    lines = json.loads(vme.tool("vme", "log", "--guest", "web1", "--since", "10m", "-o", "json").stdout)[-3:]
    assert [line["tool"] for line in lines] == ["create_guest", "start_guest", "stop_guest"]
    assert all(line["nodes"] == ["kvm01"] for line in lines)
    assert [line["reason"] for line in lines] == [None, "ticket 7", None]
    assert all((line["user"], line["status"], line["host"]) == ("root", 0, "mgmt") for line in lines)
    run = json.loads(vme.tool("vme", "log", "--node", "kvm02", "--tool", "vme_nodes_run", "-o", "json").stdout)[-1]
    assert run["arguments"] == ["kvm02", "--", "env", "DB_PASSWORD=***", "true"]
    last = json.loads(vme.tool("vme", "log", "--since", "10m", "--tool", "start_guest", "-o", "json").stdout)
    assert [line["status"] for line in last[-3:]] == [0, 4, 2]
    assert vme.tool("vme", "log", "--user", "nobody-at-all", "-o", "csv").stdout.count("\n") == 1
    assert "ticket 7" in vme.tool("vme", "log", "--guest", "web1").stdout
