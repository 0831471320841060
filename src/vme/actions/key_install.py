"""Putting a key of ours on a node with a role, so that the way in that worked before works at every moment.

The new line goes in first, before any old one of the same key, since sshd takes the first that lets a client in. A new
connection by the new key must then be answered by the new line itself, which names itself by its mark. Only after that
do old lines go. Until it is told to keep what was placed, the node puts it back by itself (node/placing.py).
"""

import ipaddress
import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

import vme.wrapper
from vme.config import Node, SshConfig
from vme.errors import Failed, Interrupted, Misused, Refused
from vme.node.authorized_keys import Forced, KeyLine, PublicKey, key_lines, our_line, with_line, without_lines
from vme.node.placing import Change, Seen, session_on
from vme.node.verbs import WHOAMI_VERB
from vme.records import dataclass
from vme.ssh import WRAPPER, abandon, master_of, run_by_key

ACCESS_FILE = "~/.ssh/authorized_keys"
POLICY_FILE = "/etc/vme/wrapper.toml"
PATHS = (ACCESS_FILE, POLICY_FILE, WRAPPER)
ROLES = ("read", "storage", "operate", "admin")
_ADMIN_IS_ON = re.compile(r"^\s*admin\s*=\s*true\b", re.MULTILINE)
_OLDEST_PYTHON = (3, 9)


@dataclass(frozen=True)
class Request:
    """Which key is to have which role, from which addresses (none: from ours, as the node sees it).

    `private` is the key's file, with which it is proved; `keep_old` leaves older lines of ours in place.
    """

    key: PublicKey
    private: Path
    name: str
    role: str
    sources: tuple[str, ...] = ()
    force: bool = False
    keep_old: bool = False


@dataclass(frozen=True)
class Plan:
    """What is written on one node: first `placed`, then, when the new line has let us in, `kept`."""

    node: Node
    request: Request
    mark: str
    placed: tuple[Change, ...]
    kept: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    @property
    def needed(self) -> bool:
        return bool(self.placed or self.kept)

    def __str__(self) -> str:
        if not self.needed:
            return f"{self.node.name}: {self.request.name} has role {self.request.role} there already"
        return "\n".join((f"{self.node.name}:", *(f"  {note}" for note in self.notes)))


def wrapper_text() -> str:
    """The vme_ssh_wrapper that this version of the tools brings along."""
    return Path(vme.wrapper.__file__).with_name("vme_ssh_wrapper.py").read_text()


def checked_sources(sources: Sequence[str]) -> tuple[str, ...]:
    """Addresses and networks as `from=` takes them. Raises Misused."""
    for source in sources:
        try:
            ipaddress.ip_network(source)
        except ValueError as problem:
            raise Misused(
                f"{source!a} is no address: {problem}", hint="write it as 10.0.0.2, 10.0.0.0/24 or fd00::/64"
            ) from None
    return tuple(sources)


def check(node: Node, ssh: SshConfig, request: Request, *, timeout_s: float) -> Plan:
    """Decide what has to change on a node, and change nothing. `ssh` is the way in. Raises Refused with all reasons."""
    if node.local:
        raise Refused(node.name, ["is this machine itself; it is not reached over ssh"])
    with session_on(node, ssh, timeout_s=timeout_s) as session:
        seen = session.look(PATHS)
    reasons = _reasons_against(seen, request)
    if reasons:
        raise Refused(node.name, reasons)
    return _plan(node, request, seen)


def check_successor(
    node: Node, ssh: SshConfig, old: PublicKey, new: PublicKey, private: Path, *, timeout_s: float
) -> Plan:
    """Decide how a new key gets what an old one has on a node, beside it. Raises Refused where neither is there."""
    with session_on(node, ssh, timeout_s=timeout_s) as session:
        seen = session.look(PATHS)
    lines = key_lines(seen.files[ACCESS_FILE] or "")
    for key in (new, old):
        for line in lines:
            if line.key.body == key.body and line.forced is not None:
                sources = tuple((line.option("from") or seen.client).split(","))
                forced = line.forced
                request = Request(new, private, forced.name, forced.role, sources, force=True, keep_old=True)
                return Plan(node, request, "", (), ()) if key is new else _plan(node, request, seen)
    raise Refused(node.name, [f"the key {old.fingerprint} has no role there"])


def carry_out(plan: Plan, ssh: SshConfig, *, timeout_s: float) -> str:
    """Change the node; returns a line of outcome. Raises Failed after the node has put everything back."""
    node, request = plan.node, plan.request
    if not plan.needed:
        return str(plan)
    try:
        with session_on(node, ssh, timeout_s=timeout_s) as session:
            session.place(plan.placed)
            prove(node, ssh, request.private, plan.mark, request.role, timeout_s=timeout_s)
            session.keep(plan.kept)
    except KeyboardInterrupt:
        raise Interrupted(f"{node.name}: interrupted; it has its old keys back, or the proved new line") from None
    abandon(master_of(node, ssh))  # the old connection still has the rights of the line that let it in
    return f"{node.name}: {request.name} has role {request.role}, proved by a new connection"


def prove(node: Node, ssh: SshConfig, private: Path, mark: str, role: str, *, timeout_s: float) -> None:
    """Show that a new connection by this key is let in by the line with this mark. Raises Failed."""
    done = run_by_key(node, ssh, private, WHOAMI_VERB.argv(), timeout_s=timeout_s)
    try:
        answer = json.loads(done.output)
        said = (answer["line"], answer["role"])
    except (ValueError, KeyError, TypeError):
        said = None
    if said != (mark, role):
        why = done.last_words if said is None else "another line of authorized_keys let it in"
        raise Failed(
            f"{node.name}: the new line does not let {private} in ({why}); the node has its old keys back",
            hint="is --from the address that the node sees? sshd's log there tells why it refused",
        )


def _reasons_against(seen: Seen, request: Request) -> list[str]:
    reasons = []
    if seen.python is None or tuple(map(int, seen.python.split("."))) < _OLDEST_PYTHON:
        reasons.append("has no /usr/bin/python3 of version 3.9 or newer, which vme_ssh_wrapper needs")
    if not request.sources and not seen.client:
        reasons.append("does not say from which address it sees us: name ours with --from")
    policy = seen.files[POLICY_FILE]
    if request.role == "admin" and policy is not None and not _ADMIN_IS_ON.search(policy):
        reasons.append(f"{POLICY_FILE} does not allow role admin: add `admin = true` to it there")
    others = [
        line
        for line in key_lines(seen.files[ACCESS_FILE] or "")
        if line.is_unrestricted and line.key.body != request.key.body
    ]
    if request.role != "admin" and not others and not request.force:
        reasons.append(
            "no other key there may run any command, so none could change keys any more; "
            "put another one there first, or --force"
        )
    return reasons


def _plan(node: Node, request: Request, seen: Seen) -> Plan:
    access = seen.files[ACCESS_FILE]
    sources = request.sources or (seen.client,)
    mark = secrets.token_hex(4)
    line = our_line(request.key, Forced(request.name, request.role, mark), sources)

    def ours(old: KeyLine) -> bool:
        return old.key.body == request.key.body or (old.forced is not None and old.forced.name == request.name)

    def in_the_way(old: KeyLine) -> bool:
        return ours(old) and f" {mark}" not in old.options and not (request.keep_old and old.forced is not None)

    old_lines = [old for old in key_lines(access or "") if ours(old)]
    files = _other_files(request, seen)
    if len(old_lines) == 1 and not files and _says_the_same(old_lines[0], request, sources):
        return Plan(node, request, mark, (), ())
    first = with_line(access or "", line, before=ours)
    last = without_lines(first, in_the_way)
    notes = [f"write {change.path}" for change in files]
    notes.append(f"add to {ACCESS_FILE}: {request.name}, role {request.role}, from {', '.join(sources)}")
    notes.append(f"prove it by a new connection with {request.private}")
    notes += [f"then remove: {_described(old)}" for old in old_lines if in_the_way(old)]
    placed = (*files, Change(ACCESS_FILE, access, first, 0o600))
    kept = () if last == first else (Change(ACCESS_FILE, first, last, 0o600),)
    return Plan(node, request, mark, placed, kept, tuple(notes))


def _other_files(request: Request, seen: Seen) -> list[Change]:
    """The wrapper, if the node has none or another; a policy, if role admin needs one."""
    changes = []
    if seen.files[WRAPPER] != wrapper_text():
        changes.append(Change(WRAPPER, seen.files[WRAPPER], wrapper_text(), 0o755))
    if request.role == "admin" and seen.files[POLICY_FILE] is None:
        changes.append(Change(POLICY_FILE, None, "# vme_ssh_wrapper: see docs/ssh.md\nadmin = true\n", 0o644))
    return changes


def _says_the_same(line: KeyLine, request: Request, sources: tuple[str, ...]) -> bool:
    forced = line.forced
    return (
        forced is not None
        and (forced.name, forced.role) == (request.name, request.role)
        and line.key.body == request.key.body
        and line.option("from") == ",".join(sources)
        and line.option("restrict") is not None
    )


def _described(line: KeyLine) -> str:
    forced = line.forced
    what = f"{forced.name}, role {forced.role}" if forced else ("any command" if line.is_unrestricted else "a command")
    return f"the line of {line.key.comment or line.key.fingerprint} ({what})"
