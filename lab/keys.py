"""SSH keys: made once, kept in the cache, laid out in the hosts' /etc/ssh and in root's ~/.ssh."""

import os
import shutil
from pathlib import Path

from lab import run
from lab.errors import LabError
from lab.files import MAKER, flat
from lab.place import CHECKOUT, Lab
from lab.topology import Host, Role

# Where each host has its own, to install what VME installs on a node.
WRAPPER = "/usr/local/sbin"

SSHD_CONFIG = f"""\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
AcceptEnv LANG LC_*
SetEnv PATH={run.PATH}
Subsystem sftp internal-sftp
"""
# The default key exchange costs 71 ms of CPU a connection, this one 10: an operator's choice, good for few cores.
SSH_CONFIG = """\
Host *
    StrictHostKeyChecking yes
    KexAlgorithms curve25519-sha256
"""


def make_keys(lab: Lab) -> None:
    """A key for each host, and one for the management side; only those that aren't in the cache yet."""
    folder = lab.cache / "keys"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in (*(host.name for host in with_sshd(lab)), lab.topology.management.name, MAKER):
        key = folder / name
        if not (key.exists() and public(key).exists()):
            key.unlink(missing_ok=True)
            run.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{name}", "-f", str(key)])


def lay_out_keys(lab: Lab, host: Host) -> None:
    """Put the host's keys where ssh and sshd look for them."""
    keys = lab.cache / "keys"
    etc_ssh = lab.home_of(host) / flat("/etc/ssh")
    dot_ssh = lab.home_of(host) / "root/.ssh"
    dot_ssh.mkdir(mode=0o700, exist_ok=True)
    if host.role is Role.MANAGEMENT:
        copy_private(keys / host.name, dot_ssh / "id_ed25519")
        shutil.copy(public(keys / host.name), dot_ssh / "id_ed25519.pub")
        copy_private(keys / MAKER, dot_ssh / MAKER)
        (dot_ssh / "config").write_text(SSH_CONFIG)
        (dot_ssh / "known_hosts").write_text("".join(known_host(keys, peer) for peer in with_sshd(lab)))
    elif host in with_sshd(lab):
        copy_private(keys / host.name, etc_ssh / "ssh_host_ed25519_key")
        shutil.copy(public(keys / host.name), etc_ssh / "ssh_host_ed25519_key.pub")
        (etc_ssh / "sshd_config").write_text(SSHD_CONFIG)
        lay_out_access(lab, host, public(keys / lab.topology.management.name).read_text())


def lay_out_access(lab: Lab, host: Host, key: str) -> None:
    """Let the management side's key in: to a shell, or, where a role is wanted, to vme_ssh_wrapper only."""
    role = wrapper_role()
    if role:
        wrapper = lab.home_of(host) / flat(WRAPPER) / "vme_ssh_wrapper"
        shutil.copy(CHECKOUT / "src/vme/wrapper/vme_ssh_wrapper.py", wrapper)
        wrapper.chmod(0o755)
        forced = f"/usr/bin/python3 -IS {WRAPPER}/vme_ssh_wrapper lab {role} lab"
        key = f'restrict,from="{lab.topology.management.address}",command="{forced}" {key}'
    if role == "read":
        key += public(lab.cache / "keys" / MAKER).read_text()
    access = lab.home_of(host) / "root/.ssh/authorized_keys"
    access.write_text(key)
    access.chmod(0o600)


def wrapper_role() -> str:
    """The role in $VME_LAB_WRAPPER that every key is to have in this lab, or nothing. Raise LabError if it is none."""
    role = os.environ.get("VME_LAB_WRAPPER", "")
    if role not in ("", "read", "operate"):
        raise LabError(f"VME_LAB_WRAPPER is {role!r}", hint="it may be read or operate, or unset")
    return role


def with_sshd(lab: Lab) -> tuple[Host, ...]:
    return lab.topology.nodes + lab.topology.with_role(Role.STORAGE)


def known_host(keys: Path, host: Host) -> str:
    kind, key = public(keys / host.name).read_text().split()[:2]
    return f"{host.name},{host.address} {kind} {key}\n"


def public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def copy_private(source: Path, target: Path) -> None:
    shutil.copy(source, target)
    target.chmod(0o600)
