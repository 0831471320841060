"""The ssh host key of the storage machine, whichever system it runs: made once, kept in the cache."""

from pathlib import Path

from lab import run
from lab.keys import public
from lab.place import Lab


def host_key_file(lab: Lab) -> Path:
    """The private key; the public one lies beside it."""
    key = lab.cache / "keys/storage-vm"
    if not key.exists():
        run.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "root@st2", "-f", str(key)])
    return key


def host_key(lab: Lab) -> str:
    """The public key: `ssh-ed25519 AAAA...`."""
    return " ".join(public(host_key_file(lab)).read_text().split()[:2])
