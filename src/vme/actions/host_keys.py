"""Host keys of nodes: asked for, compared with those known, and added once a person has said that they are right."""

from pathlib import Path

from vme.config import Node, SshConfig
from vme.errors import Failed, Refused, Silent
from vme.home import at_home
from vme.process import run
from vme.records import dataclass
from vme.ssh import settings_of

# What OpenSSH offers today; of those a server has, the best is asked for first by the client itself.
_TYPES = "ed25519,ecdsa,rsa"


@dataclass(frozen=True)
class HostKeys:
    """What a node's sshd showed: the lines for known_hosts that are not in it yet, with their fingerprints."""

    node: Node
    file: Path
    lines: tuple[str, ...]
    fingerprints: tuple[str, ...]

    def __str__(self) -> str:
        if not self.lines:
            return f"{self.node.name}: known already"
        return "\n".join((f"{self.node.name}:", *(f"  {fingerprint}" for fingerprint in self.fingerprints)))


def scan(node: Node, ssh: SshConfig, *, timeout_s: float) -> HostKeys:
    """Ask a node's sshd for its keys, and change nothing. Raises Refused where a known key is another now, Silent."""
    if node.local:
        raise Refused(node.name, ["is this machine itself; it is not reached over ssh"])
    settings = settings_of(node, ssh, timeout_s=timeout_s)
    port = settings.get("port", "22")
    name = settings.get("hostkeyalias") or settings.get("hostname", node.name)
    file = at_home(settings.get("userknownhostsfile", "~/.ssh/known_hosts").split(" ")[0])
    argv = ("ssh-keyscan", "-T", str(max(1, round(timeout_s))), "-p", port, "-t", _TYPES)
    done = run((*argv, "--", settings.get("hostname", node.name)), timeout_s=3 * timeout_s)
    shown = [line.split(" ")[1:3] for line in done.output.splitlines() if line and not line.startswith("#")]
    if not shown:
        raise Silent(f"{node.name}: its sshd shows no key: {done.last_words}")
    entry = name if port == "22" else f"[{name}]:{port}"
    known = _known(file, entry, timeout_s)
    changed = [kind for kind, body in shown if kind in known and known[kind] != body]
    if changed:
        reason = f"its {' and '.join(changed)} key is another than the one in {file}"
        raise Refused(
            node.name,
            [reason],
            hint=f"if it was installed anew: ssh-keygen -R {entry}, then scan again; if not, someone is in between",
        )
    lines = tuple(f"{entry} {kind} {body}" for kind, body in shown if kind not in known)
    return HostKeys(node, file, lines, _fingerprints(lines, timeout_s))


def add(keys: HostKeys) -> str:
    """Append the new lines to known_hosts; returns a line of outcome."""
    if keys.lines:
        keys.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        whole = keys.file.read_text() if keys.file.exists() else ""
        with keys.file.open("a", encoding="utf-8") as file:
            file.write(("" if not whole or whole.endswith("\n") else "\n") + "\n".join(keys.lines) + "\n")
    return f"{keys.node.name}: {len(keys.lines)} added to {keys.file}" if keys.lines else str(keys)


def _known(file: Path, entry: str, timeout_s: float) -> dict[str, str]:
    """Type -> body of the keys known for a host; ssh-keygen finds hashed names too."""
    if not file.exists():
        return {}
    found = run(("ssh-keygen", "-F", entry, "-f", file), timeout_s=timeout_s).output
    fields = [line.split() for line in found.splitlines() if line and not line.startswith(("#", "@"))]
    return {line[1]: line[2] for line in fields if len(line) >= 3}


def _fingerprints(lines: tuple[str, ...], timeout_s: float) -> tuple[str, ...]:
    if not lines:
        return ()
    done = run(("ssh-keygen", "-l", "-f", "-"), timeout_s=timeout_s, stdin="\n".join(lines) + "\n")
    if done.status != 0:
        raise Failed(f"ssh-keygen: {done.last_words}")
    return tuple(done.output.splitlines())
