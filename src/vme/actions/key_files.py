"""A key pair on this server: making it, reading it, and putting a new one in the place of an old one."""

import socket
from pathlib import Path

from vme.config import SshConfig
from vme.errors import Failed, Misused, Refused
from vme.home import at_home
from vme.names import is_allowed
from vme.node.authorized_keys import PublicKey, read_public_key
from vme.process import run

TYPES = ("ed25519", "rsa")
RSA_BITS = (4096, 8192)
_TIMEOUT_S = 600  # 8192 bits of RSA can take minutes


def default_file(ssh: SshConfig) -> Path:
    """The private key that is meant where none is named: vme.toml's, or ~/.ssh/vme."""
    return ssh.key or at_home("~/.ssh/vme")


def generate(file: Path, *, kind: str, bits: int | None, comment: str) -> PublicKey:
    """Make a key pair without passphrase, mode 0600. Raises Refused where a file of that name is there already."""
    taken = [f"{path} is there already" for path in (file, public_of(file)) if path.exists() or path.is_symlink()]
    if taken:
        raise Refused("keys generate", taken, hint="name another file; keys are never overwritten")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size = ("-b", str(bits)) if bits else ()
    argv = ("ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", comment, "-f", file)
    done = run(argv, timeout_s=_TIMEOUT_S)
    if done.status != 0:
        raise Failed(f"ssh-keygen: {done.last_words}")
    return read_key(file)


def read_key(private: Path) -> PublicKey:
    """The public half of a key pair. Raises Misused."""
    try:
        key = read_public_key(public_of(private).read_text())
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not text"
        begun = public_of(next_of(private)).exists()
        hint = "finish what was begun: vme keys rotate" if begun else "make a key pair first: vme keys generate"
        raise Misused(f"{public_of(private)}: {reason}", hint=hint) from None
    if key is None or not private.exists():
        raise Misused(f"{private} and {public_of(private)} are not a key pair", hint="vme keys generate makes one")
    return key


def public_of(private: Path) -> Path:
    return private.with_name(f"{private.name}.pub")


def next_of(private: Path) -> Path:
    """Where the successor of a key waits until every node has it."""
    return private.with_name(f"{private.name}.new")


def previous_of(private: Path) -> Path:
    """Where the predecessor of a key stays."""
    return private.with_name(f"{private.name}.old")


def switch_to_next(private: Path) -> Path:
    """Put the new pair in the place of the old one, which stays as FILE.old; returns where.

    FILE lets us in at every moment: ssh offers what FILE.pub says, so that goes before FILE changes, and comes after.
    """
    old = previous_of(private)
    for path, kept in ((private, old), (public_of(private), public_of(old))):
        kept.unlink(missing_ok=True)
        kept.hardlink_to(path)
    public_of(private).unlink()
    next_of(private).rename(private)
    finish_switch(private)
    return old


def finish_switch(private: Path) -> None:
    """Do, or take back, what a switch_to_next() that was interrupted between its files left half done."""
    if public_of(private).exists() or not public_of(next_of(private)).exists():
        return
    if next_of(private).exists():
        public_of(private).hardlink_to(public_of(previous_of(private)))
    else:
        public_of(next_of(private)).rename(public_of(private))


def default_name(key: PublicKey) -> str:
    """The name a key goes by on the nodes where none is given: its comment, or this host's name. Raises Misused."""
    for name in (key.comment, socket.gethostname().split(".")[0]):
        if is_allowed(name):
            return name
    raise Misused("the key has no name of its own", hint="give it one: --name")


def default_comment() -> str:
    """The comment of a new key: whose it is."""
    host = socket.gethostname().split(".")[0]
    return f"vme-{host}" if is_allowed(f"vme-{host}") else "vme"
