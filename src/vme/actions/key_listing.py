"""Which keys a node lets in: asked of its vme_ssh_wrapper, or read where it has none."""

import json
from typing import Any

from vme.actions.key_install import ACCESS_FILE
from vme.config import Node, SshConfig
from vme.errors import Failed, Refused
from vme.node.authorized_keys import KeyLine, key_lines
from vme.node.placing import session_on
from vme.node.verbs import KEYS, ask
from vme.records import dataclass

_NO_SUCH_PROGRAM = (126, 127)


@dataclass(frozen=True)
class Listing:
    """One key on one node, and when the wrapper last let it do something (UTC), as far as its log tells."""

    node: Node
    line: KeyLine
    last_used: str | None

    def row(self) -> dict[str, Any]:
        """The values by column."""
        forced = self.line.forced
        return {
            "node": self.node.name,
            "name": forced.name if forced else self.line.key.comment or None,
            "role": forced.role if forced else ("any command" if self.line.is_unrestricted else "other command"),
            "type": self.line.key.type,
            "from": self.line.option("from"),
            "last_used": self.last_used,
            "fingerprint": self.line.key.fingerprint,
        }


def list_keys(node: Node, ssh: SshConfig, *, timeout_s: float) -> tuple[Listing, ...]:
    """The keys of the ssh user on a node. Raises Silent, or Failed where the answer is not to be understood."""
    if node.local:
        raise Refused(node.name, ["is this machine itself; it is not reached over ssh"])
    done = ask(node, ssh, KEYS, timeout_s=timeout_s)
    if done.status in _NO_SUCH_PROGRAM:
        with session_on(node, ssh, timeout_s=timeout_s) as session:
            text = session.look((ACCESS_FILE,)).files[ACCESS_FILE] or ""
        return tuple(Listing(node, line, None) for line in key_lines(text))
    try:
        answer = json.loads(done.output)
        lines = key_lines("\n".join(answer["lines"]))
        used = dict(answer["used"])
    except (ValueError, KeyError, TypeError):
        raise Failed(f"{node.name}: its vme_ssh_wrapper did not say which keys there are: {done.last_words}") from None
    return tuple(Listing(node, line, used.get(line.forced.name) if line.forced else None) for line in lines)
