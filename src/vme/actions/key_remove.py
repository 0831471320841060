"""Taking keys off a node, but never the one we got in by: a new connection must still get in before a line goes."""

from collections.abc import Callable

from vme.actions.key_install import ACCESS_FILE
from vme.config import Node, SshConfig
from vme.errors import Failed, Interrupted, Refused
from vme.node.authorized_keys import KeyLine, PublicKey, key_lines, without_lines
from vme.node.placing import Change, session_on
from vme.node.verbs import ALIVE
from vme.records import dataclass
from vme.ssh import abandon, master_of, run_anew


@dataclass(frozen=True)
class Plan:
    """The lines that go from one node's authorized_keys."""

    node: Node
    what: str
    lines: tuple[KeyLine, ...]
    change: Change

    def __str__(self) -> str:
        gone = "; ".join(f"{line.key.comment or 'no name'} {line.key.fingerprint}" for line in self.lines)
        return f"{self.node.name}: remove {gone}" if self.lines else f"{self.node.name}: {self.what} is not there"


def check(node: Node, ssh: SshConfig, what: str, *, timeout_s: float) -> Plan:
    """Find the lines of a key, given by the name it has there or its fingerprint. Raises Refused, Silent."""
    text = _access_on(node, ssh, timeout_s)
    return _plan(node, what, text, lambda line: _is_meant(line, what))


def check_predecessors(node: Node, ssh: SshConfig, new: PublicKey, old: PublicKey, *, timeout_s: float) -> Plan:
    """Find the lines of the old key, and of every other key that goes by the new one's name: a rotation that was cut
    off may have left an older one. Raises Refused, Silent."""
    text = _access_on(node, ssh, timeout_s)
    names = {line.forced.name for line in key_lines(text) if line.forced and line.key.body == new.body}

    def is_older(line: KeyLine) -> bool:
        named = line.forced is not None and line.forced.name in names
        return line.key.body == old.body or (named and line.key.body != new.body)

    return _plan(node, "the old key", text, is_older)


def _access_on(node: Node, ssh: SshConfig, timeout_s: float) -> str:
    if node.local:
        raise Refused(node.name, ["is this machine itself; it is not reached over ssh"])
    with session_on(node, ssh, timeout_s=timeout_s) as session:
        return session.look((ACCESS_FILE,)).files[ACCESS_FILE] or ""


def _plan(node: Node, what: str, text: str, goes: Callable[[KeyLine], bool]) -> Plan:
    lines = tuple(line for line in key_lines(text) if goes(line))
    left = without_lines(text, goes)
    if lines and not key_lines(left):
        raise Refused(node.name, ["no key would be left there"])
    return Plan(node, what, lines, Change(ACCESS_FILE, text, left, 0o600))


def carry_out(plan: Plan, ssh: SshConfig, *, timeout_s: float) -> str:
    """Remove the lines; returns a line of outcome. Raises Failed after the node has put them back."""
    if not plan.lines:
        return str(plan)
    try:
        with session_on(plan.node, ssh, timeout_s=timeout_s) as session:
            session.place((plan.change,))
            done = run_anew(plan.node, ssh, ALIVE.argv(), timeout_s=timeout_s)
            if done.status != 0:
                raise Failed(
                    f"{plan.node.name}: without it we could not get in any more ({done.last_words}); it is back",
                    hint="get in by another key: --access",
                )
            session.keep(())
    except KeyboardInterrupt:
        raise Interrupted(f"{plan.node.name}: interrupted; {plan.what} is back, or removed") from None
    abandon(master_of(plan.node, ssh))
    return f"{plan.node.name}: {plan.what} removed"


def _is_meant(line: KeyLine, what: str) -> bool:
    if what.startswith("SHA256:"):
        return line.key.fingerprint == what
    return line.forced is not None and line.forced.name == what
