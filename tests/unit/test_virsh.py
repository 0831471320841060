"""Which word of a virsh command line is the guest, and how the line is cut."""

from importlib import import_module

import pytest

from vme.actions.virsh import guest_word
from vme.commands.parser import parser_of
from vme.commands.registry import COMMANDS

UUID = "a586fc35-c61d-402e-a5bd-9a2689ac691a"
KNOWN = {"web1", "web2", UUID}


@pytest.mark.parametrize(
    ("line", "guest"),
    [
        ("domstate web1", "web1"),
        ("domblkstat web1 --human", "web1"),
        ("domblkstat --human web1", "web1"),
        (f"domname {UUID}", UUID),
        ("attach-disk web1 /images/web2 vdb", "web1"),
        ("snapshot-create-as --domain web2 web1", "web2"),
        ("snapshot-create-as --domain=web2 web1", "web2"),
        ("domstate --domain gone", "gone"),
        ("web1 nosuch", None),
        ("domstate nosuch", None),
        ("domstate", None),
        ("", None),
        ("net-start other web1", "web1"),
    ],
)
def test_the_guest_is_the_first_word_that_is_one(line: str, guest: str | None) -> None:
    assert guest_word(line.split(), KNOWN, sure=True) == guest


@pytest.mark.parametrize(
    ("line", "guest"),
    [
        ("domstate web1", "web1"),
        ("domstate --reason web1", "web1"),
        ("attach-disk nosuch web1 vdb", None),
        ("attach-disk --domain web1 nosuch", "web1"),
    ],
)
def test_while_a_node_is_silent_no_unknown_word_may_stand_before_it(line: str, guest: str | None) -> None:
    assert guest_word(line.split(), KNOWN, sure=False) == guest


@pytest.mark.parametrize(
    ("line", "options", "words"),
    [
        ("-r -t domstate web1 --reason", ["-r", "-t"], ["domstate", "web1", "--reason"]),
        ("-d 0 -l log domstate web1", ["-d0", "-llog"], ["domstate", "web1"]),
        (
            "domblkstat web1 --zone x --node y -q -h -- -t",
            None,
            ["domblkstat", "web1", "--zone", "x", "--node", "y", "-q", "-h", "--", "-t"],
        ),
        ("--node kvm01 list --all", None, ["list", "--all"]),
        ("--node kvm01", None, []),
    ],
)
def test_what_follows_the_command_is_virsh_s(line: str, options: list[str] | None, words: list[str]) -> None:
    command = COMMANDS["vme_virsh"]
    parsed = parser_of(command, command.name, import_module("vme.commands.vme_virsh")).parse_args(line.split())
    assert parsed.words == words
    assert parsed.options == options
    assert parsed.quiet is False
