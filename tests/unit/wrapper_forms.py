"""An oracle for vme_ssh_wrapper, written apart from it: every form that any role may have, as data and by shlex.

It knows nothing of how the wrapper decides; it makes the canonical strings and the argument vectors they lead to.
"""

import json
import re
import shlex
from functools import cache
from pathlib import Path

from vme.errors import Misused
from vme.node import verbs
from vme.node.md import verbs as md_verbs

DATA = Path(__file__).parent / "data"

# The fixed argument vectors. Nothing else may ever be executed for a role but admin.
HELPER = ("virt-ssh-helper", "qemu:///system")
READ_ONLY_HELPER = ("virt-ssh-helper", "-r", "qemu:///system")
NETCAT = ("nc", "-U", "/var/run/libvirt/libvirt-sock")
READ_ONLY_NETCAT = ("nc", "-U", "/var/run/libvirt/libvirt-sock-ro")
Argvs = set[tuple[str, ...]]
LIBVIRT_ARGVS: dict[bool, Argvs] = {False: {HELPER, NETCAT}, True: {READ_ONLY_HELPER, READ_ONLY_NETCAT}}


@cache
def captured() -> list[dict[str, object]]:
    """What a real libvirt 9.0.0 sent to an ssh that wrote its arguments down."""
    return [json.loads(line) for line in (DATA / "libvirt-ssh-9.0.0.jsonl").read_text().splitlines()]


@cache
def canonical_libvirt() -> dict[str, bool]:
    """Command -> whether it is the read-only form, for proxy=native, netcat and auto to the system's own daemon."""
    forms = {}
    for row in captured():
        uri = str(row["uri"])
        if uri.startswith("qemu+ssh://root@h/system") and "netcat=" not in uri and "socket=" not in uri:
            forms[str(row["command"])] = bool(row["read_only"])
    return forms


def foreign_libvirt() -> list[str]:
    """What libvirt sends for other drivers, other sockets, other programs: never to be admitted."""
    known = canonical_libvirt()
    return sorted({str(row["command"]) for row in captured()} - set(known))


# Role -> the roles whose verbs it has too.
ROLES = {
    "read": {"read"},
    "storage": {"read", "storage"},
    "operate": {"read", "storage", "operate"},
    "none": set(),
}


def verb_for(command: str, role: str) -> tuple[str, ...] | None:
    """The words that one of our tools would send as this very command, or None; by shlex and the tools' own tables."""
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        return None
    if shlex.join(words) != command:
        return None
    for verb in verbs.QUESTIONS:
        head, arguments = words[: len(verb.words)], words[len(verb.words) :]
        if head != verb.words or bool(arguments) != bool(verb.argument):
            continue
        try:
            argv = verb.argv(*arguments)
        except Misused:
            continue
        if verb.role in ROLES[role]:
            return argv
    for needed, table in (("read", md_verbs.READ), ("storage", md_verbs.STORAGE)):
        if needed in ROLES[role] and any(fills(words, template) for template in table.values()):
            return words
    return None


def fills(words: tuple[str, ...], template: tuple[str, ...]) -> bool:
    """Whether these words are the template's, each field standing for one value throughout."""
    values: dict[str, str] = {}
    if len(words) != len(template):
        return False
    for word, form in zip(words, template, strict=True):
        names = re.findall(r"\{(\w+)\}", form)
        pattern = re.sub(r"\\\{\w+\\\}", "(.+)", re.escape(form))
        found = re.fullmatch(pattern, word, re.DOTALL)
        if found is None:
            return False
        for name, value in zip(names, found.groups(), strict=True):
            if values.setdefault(name, value) != value or not md_verbs.fits(name, value):
                return False
    return True


def expected(command: bytes, role: str) -> Argvs:
    """The argument vectors that may be executed for this command; empty where it must be refused."""
    try:
        text = command.decode("ascii")
    except UnicodeDecodeError:
        return set()
    forms = canonical_libvirt()
    if text in forms:
        read_only = forms[text]
        return LIBVIRT_ARGVS[read_only] if ("read" if read_only else "operate") in ROLES[role] else set()
    argv = verb_for(text, role) if len(command) <= 4096 else None
    return {argv} if argv else set()
