"""Guests named by sets, patterns, tags, zone, node and state: on a hundred of them over five nodes."""

import time

import pytest

from lab.keys import wrapper_role
from lab.topology import DEFAULT
from tests.lab.batch import define
from tests.lab.calls import counted_calls
from tests.lab.vme import Vme

NODES = [node.name for node in DEFAULT.nodes]
BULK = {"get_all_domain_stats": 1}


@pytest.fixture
def hundred(vme: Vme) -> Vme:
    """x001 to x100, twenty a node; every tenth bears the tag t."""
    for place, node in enumerate(NODES):
        numbers = range(20 * place + 1, 20 * place + 21)
        define(vme, node, {f"x{number:03}": "t" if number % 10 == 0 else None for number in numbers})
    return vme


@pytest.mark.not_under("read", reason="such a key may not read the definitions: each guest is asked for its tags")
def test_a_hundred_guests(hundred: Vme) -> None:
    vme = hundred
    vme.tool("list_guests")  # so that connections are warm
    tenth = [f"x{number:03}" for number in range(10, 101, 10)]

    with counted_calls(vme, NODES) as calls:
        listed = vme.json("list_guests", "@t")
    assert [guest["name"] for guest in listed] == tenth
    assert {node: dict(asked) for node, asked in calls.items()} == dict.fromkeys(NODES, BULK)

    with counted_calls(vme, NODES) as calls:
        done = vme.tool("start_guest", "x*", "--dry-run")
    assert len(done.stdout.splitlines()) == 100
    assert "100 guests, nothing done yet (--dry-run)" in done.stderr
    assert {node: dict(asked) for node, asked in calls.items()} == dict.fromkeys(NODES, BULK)

    began_s = time.monotonic()
    done = vme.tool("tag_guest", "x[001-100]", "--add", "new", "--jobs", "8")
    assert len(done.stdout.splitlines()) == 100
    assert "tag_guest: 100 guests, all done" in done.stderr
    print(f"100 guests tagged in {time.monotonic() - began_s:.1f} s")
    assert len(vme.json("list_guests", "@new")) == 100

    with counted_calls(vme, NODES) as calls:
        done = vme.tool("start_guest", "@t", "--dry-run")
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == tenth
    # Before a tool acts on a guest because of a tag, that guest's libvirt is asked; of the others nothing is.
    confirmed = {"get_all_domain_stats": 1, "get_metadata": 3 * 2}
    # Each is looked up first where the listing went over the wire: by a key that forbids forwarding, if a line is kept.
    possible = [confirmed | {"lookup_by_uuid": 2}, *([confirmed] if wrapper_role() else [])]
    assert all(dict(asked) in possible for asked in calls.values()), calls


def test_words_and_options(vme: Vme) -> None:
    define(vme, "kvm01", {"web1": "prod", "web2": None})
    define(vme, "kvm02", {"web3": "prod"})
    define(vme, "kvm04", {"web4": "prod", "db1": None})
    vme.virsh("kvm02", "start", "web3")

    def chosen(*words: str) -> str:
        done = vme.tool("start_guest", *words, "--dry-run")
        return " ".join(sorted(line.split()[0] for line in done.stdout.splitlines()))

    assert chosen("web[1-2]", "db*") == "db1 web1 web2"
    assert chosen("web1,db1") == "db1 web1"
    assert chosen("@prod", "web2") == "web1 web2 web3 web4"
    assert chosen("@prod", "--zone", "east") == "web1 web3"
    assert chosen("web*", "--node", "kvm[01,04]") == "web1 web2 web4"
    assert chosen("--all", "--state", "off") == "db1 web1 web2 web4"
    assert chosen("--all", "--state", "running", "--zone", "east") == "web3"
    assert vme.tool("list_guests", "web*", "--state", "off", "-o", "name").stdout.split() == ["web1", "web2", "web4"]
    assert vme.tool("list_guests", "kvm[01-02]", "@prod", "-o", "name").stdout.split() == ["web1", "web3"]
    assert vme.tool("list_guests", "@west", "-o", "name").stdout.split() == ["db1", "web4"]


def test_what_is_refused_before_anything_is_done(vme: Vme) -> None:
    define(vme, "kvm01", {"web1": "prod"})
    for words, status, said in (
        (["--node", "kvm01"], 2, "say which guests: their names, or --all"),
        (["web1", "--all"], 2, "say which guests: their names, or --all"),
        (["@west"], 2, "@west would be a tag, and west is a zone"),
        (["web[1-2]*"], 2, "both a set and a pattern"),
        (["--all", "--state", "asleep"], 2, "there is no state asleep"),
        (["web[1-3]"], 4, "web2, web3: no such guest on any node"),
        (["web1", "--node", "kvm02"], 4, "web1: no such guest on kvm02"),
        (["@none"], 4, "@none: no such guest on any node"),
        (["--all", "--state", "paused"], 4, "there is no such guest that is paused"),
    ):
        assert said in vme.tool("start_guest", *words, status=status).stderr
    assert vme.running("web1") == []


def test_of_twins_the_node_says_which(vme: Vme) -> None:
    define(vme, "kvm01", {"web1": None})
    define(vme, "kvm02", {"web1": None})
    assert "on more than one node" in vme.tool("start_guest", "web1", status=4).stderr
    assert "on more than one node" in vme.tool("start_guest", "w*", status=4).stderr
    assert vme.tool("start_guest", "web1", "--node", "kvm02").stdout == "web1 on kvm02: started\n"
    assert vme.running("web1") == ["kvm02"]


def test_all_some_and_none_can_be_told_apart(vme: Vme) -> None:
    define(vme, "kvm01", {"web1": None, "web2": None})
    define(vme, "kvm02", {"web3": None})
    done = vme.tool("start_guest", "web[1-2]")
    assert sorted(done.stdout.splitlines()) == ["web1 on kvm01: started", "web2 on kvm01: started"]
    assert done.stderr == "start_guest: 2 guests, all done\n"
    assert vme.tool("start_guest", "web[1-2]", "--quiet").stderr == ""
    done = vme.tool("suspend_guest", "web*", status=1)
    assert "1 of 3 guests not done" in done.stderr
    assert "web3 on kvm02: is shut off" in done.stderr
    done = vme.tool("reboot_guest", "web*", status=6)
    assert done.stdout == ""
    assert "none of 3 guests done" in done.stderr


def test_a_silent_node_may_have_more_of_what_nobody_named(vme: Vme) -> None:
    define(vme, "kvm01", {"web1": "prod"})
    define(vme, "kvm05", {"db1": None})
    vme.fault("freeze", "kvm05", "libvirtd")
    for words in (["web*"], ["@prod"], ["--all"]):
        done = vme.tool("suspend_guest", *words, "--timeout", "2", status=3)  # it is off
        assert "web1 on kvm01: is shut off" in done.stderr
        done = vme.tool("start_guest", *words, "--timeout", "2", "--dry-run", status=5)
        assert done.stdout == "web1 on kvm01: start\n"
        assert "no answer from kvm05" in done.stderr
    # Named, or where that node can't have it: nothing is missing.
    for words in (["web1"], ["--all", "--zone", "east"], ["web*", "--node", "kvm01"]):
        vme.tool("start_guest", *words, "--timeout", "2", "--dry-run")
    assert "not on any node that answered" in vme.tool("start_guest", "@no", "--timeout", "2", status=5).stderr
    assert (
        "no such guest on kvm01" in vme.tool("start_guest", "db1", "--node", "kvm01", "--timeout", "2", status=4).stderr
    )


def test_jobs_limits_how_many_of_a_node_are_worked_on(vme: Vme) -> None:
    """A shutdown that no guest listens to takes its whole time, so the times add up where one waits for the other."""
    define(vme, "kvm01", {"web1": None, "web2": None, "web3": None})
    vme.tool("start_guest", "web*")

    def took_s(jobs: str) -> float:
        began_s = time.monotonic()
        vme.tool("shutdown_guest", "web*", "--timeout", "1.5", "--jobs", jobs, status=6)
        return time.monotonic() - began_s

    assert took_s("1") > 4.5
    assert took_s("3") < 4.5
