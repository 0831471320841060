"""A node whose vme_ssh_wrapper guards one key a role, beside the lab's own way in."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import run
from lab.host import environment_of, inside, powered, root_of, run_on
from lab.place import CHECKOUT, Lab
from lab.process_table import processes_in
from lab.run import Completed

WRAPPER = "/usr/local/sbin/vme_ssh_wrapper"
LOG = "/var/log/vme/wrapper.log"
POLICY = "/etc/vme/wrapper.toml"
ROLES = ("read", "storage", "operate", "admin")
REFUSED = 126


@dataclass(frozen=True)
class Wrapped:
    """One such node. Paths are inside its own root."""

    lab: Lab
    name: str

    @property
    def root(self) -> Path:
        return root_of(powered(self.lab, self.lab.host(self.name)))

    @property
    def access(self) -> Path:
        return self.lab.home_of(self.lab.host(self.name)) / "root/.ssh/authorized_keys"

    def on_node(self, *argv: str) -> Completed:
        return run_on(self.lab, self.lab.host(self.name), argv)

    def options(self, role: str) -> list[str]:
        """ssh's options for this role's key and no other."""
        return ["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i", self.key(role)]

    def ssh(self, role: str, command: str | None, *options: str, stdin: str = "", timeout_s: float = 30) -> Completed:
        """One session by this role's key, over a connection of its own."""
        return run.run(
            inside(powered(self.lab, self.lab.topology.management), self._argv(role, command, *options)),
            stdin=stdin,
            timeout_s=timeout_s,
            environment=environment_of(self.lab, self.lab.topology.management),
        )

    def begin(self, role: str, command: str) -> run.Process:
        """A session that the test ends: if the process is killed, so is its ssh."""
        argv = [str(CHECKOUT / "bin/lab"), "run", "--", *self._argv(role, command)]
        return run.start(argv, environment={"PATH": run.PATH, "VME_LAB_DIR": str(self.lab.folder)})

    def _argv(self, role: str, command: str | None, *options: str) -> list[str]:
        words = [] if command is None else [command]
        return ["ssh", "-o", "ControlPath=none", *self.options(role), *options, "--", self.name, *words]

    def key(self, role: str) -> str:
        return str(self.lab.home_of(self.lab.topology.management) / f"root/.ssh/test-{role}")

    def mgmt(self, *argv: str, timeout_s: float = 30) -> Completed:
        return run_on(self.lab, self.lab.topology.management, argv, timeout_s=timeout_s)

    def virsh(self, role: str, parameters: str, *words: str, driver: str = "qemu", path: str = "/system") -> Completed:
        """A real libvirt client by this role's key."""
        uri = f"{driver}+ssh://root@{self.name}{path}?no_tty=1&keyfile={self.key(role)}{parameters}"
        options = [word for word in words if word == "-r"]
        # The lab's own key would be offered as well: a home of its own keeps it out of sight.
        home = ("env", f"HOME={self.key(role)}.home")
        return self.mgmt(*home, "virsh", *options, "-c", uri, *[word for word in words if word != "-r"])

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / LOG.lstrip("/")).read_text().splitlines()]

    def running(self, *words: str) -> list[str]:
        """The command lines on the node that have all these words."""
        table = processes_in(powered(self.lab, self.lab.host(self.name)))
        lines = [" ".join(process.argv) for process in table]
        return [line for line in lines if all(word in line for word in words)]

    def must_refuse(self, role: str, command: str | None, *options: str) -> dict[str, Any]:
        """Send a command; it must be refused, and logged truthfully and whole. Returns its line of the log."""
        before = len(self.log())
        done = self.ssh(role, command, *options)
        assert done.status == REFUSED, (command, done)
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1] == "vme_ssh_wrapper: refused, and logged"
        (line,) = self.log()[before:]
        sent = b"" if command is None else command.encode("utf-8", "surrogateescape")
        assert line["decision"] == "refused"
        assert line["command"] == command
        assert line["length"] == len(sent)
        assert line["sha256"] == hashlib.sha256(sent).hexdigest()
        assert (line["key"], line["role"], line["user"]) == (f"test-{role}", role, "root")
        assert line["from"] == self.lab.topology.management.address
        assert line["reason"]
        return line


@contextmanager
def wrapped_node(lab: Lab, name: str) -> Iterator[Wrapped]:
    """Give the node the wrapper, and three keys of mgmt's a role each; at the end all is as it was."""
    node = Wrapped(lab, name)
    before = node.access.read_text()
    known = lab.home_of(lab.topology.management) / "root/.ssh/known_hosts"
    lines = ['command="echo none of your business" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== stranger\n']
    for role in ROLES:
        key = Path(node.key(role))
        if not key.exists():
            run.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"test-{role}", "-f", str(key)])
        home = Path(f"{key}.home/.ssh")
        home.mkdir(parents=True, exist_ok=True)
        (home / "known_hosts").write_text(known.read_text())
        forced = f"/usr/bin/python3 -IS {WRAPPER} test-{role} {role} {role}line"
        public = key.with_name(f"{key.name}.pub").read_text()
        lines.append(f'restrict,from="{lab.topology.management.address}",command="{forced}" {public}')
    sbin = node.root / WRAPPER.lstrip("/")
    sbin.write_text((CHECKOUT / "src/vme/wrapper/vme_ssh_wrapper.py").read_text())
    sbin.chmod(0o755)
    policy = node.root / POLICY.lstrip("/")
    policy.parent.mkdir(exist_ok=True)
    policy.write_text("admin = true\n")
    node.access.write_text(before.rstrip("\n") + "\n" + "".join(lines))
    try:
        yield node
    finally:
        node.access.write_text(before)
        policy.unlink(missing_ok=True)
        _drop_connections(lab)  # and with them what a keeper holds


def as_role(node: Wrapped, role: str) -> tuple[str, ...]:
    """The words that make a tool see this node alone, by this role's key."""
    whole = (node.lab.home_of(node.lab.topology.management) / "vme.toml").read_text()
    zone = whole[whole.index("[zones.east]") : whole.index("[zones.west]")]
    text = whole[: whole.index("[zones.east]")] + zone.replace("kvm[01-03]", node.name)
    file = node.lab.home_of(node.lab.topology.management) / f"vme-{role}.toml"
    file.write_text(text.replace('user = "root"', f'user = "root"\nkey = "{node.key(role)}"'))
    return ("env", f"VME_CONFIG={file}", f"HOME={node.key(role)}.home")


@contextmanager
def any_command(lab: Lab, *names: str) -> Iterator[None]:
    """Let the management side run any command on these nodes, also in a lab that has the wrapper in force."""
    plain = (lab.cache / "keys" / f"{lab.topology.management.name}.pub").read_text()
    files = [lab.home_of(lab.host(name)) / "root/.ssh/authorized_keys" for name in names]
    before = [file.read_text() for file in files]
    for file in files:
        file.write_text(plain)
    _drop_connections(lab)
    try:
        yield
    finally:
        for file, text in zip(files, before, strict=True):
            file.write_text(text)
        _drop_connections(lab)


def _drop_connections(lab: Lab) -> None:
    """Rights are those of the line that let a connection in: end those that the tools have kept."""
    script = "for socket in /run/user/0/vme/*.ctl; do ssh -o ControlPath=$socket -O exit x; done 2>/dev/null; true"
    run_on(lab, lab.topology.management, ["sh", "-c", script])
