"""The lab as a test sees it: the tools as a person types them, the nodes asked behind the tools' back."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lab import fault_commands, witness
from lab.files import MAKERS_CONFIG
from lab.guest.build import NAME
from lab.host import must_on, root_of, run_on
from lab.keys import wrapper_role
from lab.place import CHECKOUT, Lab
from lab.run import Completed, Process, run, start
from vme.commands.registry import COMMANDS

T = TypeVar("T")

# The tools that work by a key of role `read`, all that they do.
READING = {"list_guests", "node_list", "info_guest", "image_list", "disk_list"}
VIRSH = ("virsh", "--quiet", "--connect", "qemu:///system")


@dataclass
class Vme:
    """A lab that is up. `faulty` tells the fixture that something must be set right again."""

    lab: Lab
    faulty: bool = False
    started: list[Process] = field(default_factory=list)

    def tool(
        self, *words: str, status: int | None = 0, host: str = "mgmt", stdin: str = "", timeout_s: float = 90
    ) -> Completed:
        """Run one tool and check its exit status (None: any), and that no traceback reaches its user."""
        done = run(self.command(*words, host=host), stdin=stdin, timeout_s=timeout_s, environment=self.environment())
        said = f"{' '.join(words)}: exit status {done.status}\n{done.stdout}\n{done.stderr}"
        assert status is None or done.status == status, said
        assert "Traceback" not in done.stderr, said
        return done

    def json(self, *words: str, status: int = 0) -> Any:
        """What a reading tool prints with -o json."""
        return json.loads(self.tool(*words, "-o", "json", status=status).stdout)

    def begin(self, *words: str, host: str = "mgmt") -> Process:
        """Start a tool that the test looks after; whatever is left of it is killed at the test's end."""
        process = start(self.command(*words, host=host), environment=self.environment())
        self.started.append(process)
        return process

    def command(self, *words: str, host: str = "mgmt") -> list[str]:
        if wrapper_role() == "read" and words[0] in COMMANDS.keys() - READING:
            words = ("env", f"VME_CONFIG={self.lab.home_of(self.lab.topology.management) / MAKERS_CONFIG}", *words)
        return [str(CHECKOUT / "bin/lab"), "run", host, "--", *words]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "VME_LAB_DIR": str(self.lab.folder)}

    def fault(self, name: str, *words: str) -> None:
        """Make something go wrong, or right again; at the test's end everything is set right."""
        self.faulty = True
        fault_commands.cause(self.lab, [name, *words])

    def on(self, host: str, *argv: str) -> str:
        """What a command printed on a host; it must succeed."""
        return must_on(self.lab, self.lab.host(host), argv)

    def status_on(self, host: str, *argv: str) -> int:
        """How a command ended on a host."""
        return run_on(self.lab, self.lab.host(host), argv).status

    def virsh(self, node: str, *words: str) -> str:
        """What virsh says on a node: the witness that is not ours."""
        return self.on(node, *VIRSH, *words)

    def gone_from(self, node: str, path: str) -> None:
        """Wait until a node too knows that a file is gone: its client of the store remembers names for a while."""
        eventually(lambda: self.status_on(node, "stat", path) != 0, f"{path} gone on {node}")

    def guests_of(self, node: str) -> set[str]:
        """The guests a node's libvirt knows."""
        return set(self.virsh(node, "list", "--all", "--name").split())

    def running(self, guest: str) -> list[str]:
        """The nodes whose process table has a QEMU of this guest."""
        return witness.nodes_running(self.lab, guest)

    def store(self, zone: str = "east") -> set[str]:
        """What lies in a zone's virt-store, but for the tools' own files and the library."""
        names = set(self.on("mgmt", "ls", "-A", f"/srv/vme/{zone}/virt-store").split())
        return names - {".images", ".vme", ".trash"}

    def write(self, host: str, path: str, text: str) -> None:
        """Put a file on a host."""
        init = int((self.lab.home_of(self.lab.host(host)) / "pid").read_text().split()[0])
        (root_of(init) / path.lstrip("/")).write_text(text)

    def create(self, name: str, node: str = "kvm01", *words: str, start: bool = False, image: bool = False) -> None:
        """A small guest: with `image` one that boots, otherwise one with an empty disk."""
        disk = ("--image", NAME) if image else ("-d", "1")
        self.tool("create_guest", name, "-s", node, *disk, *(["--start"] if start else []), *words)

    def boot(self, name: str, node: str = "kvm01", *words: str) -> str:
        """Create a guest that boots, and wait until its counter answers; returns its address."""
        self.create(name, node, *words, start=True, image=True)
        return self.address(name)

    def address(self, name: str) -> str:
        """The address of a guest that boots, once its counter answers."""
        return witness.answering_address(self.lab, name, patience_s=120)

    def count(self, address: str) -> int | None:
        """The guest's counter, one higher each time, or None if it does not answer."""
        ask = f"echo x | timeout 3 busybox nc {address} 7"
        said = run_on(self.lab, self.lab.host("mgmt"), ["sh", "-c", ask]).stdout
        return int(said.split()[0]) if said else None

    def sectors(self, address: str, disk: str) -> int | None:
        """How many sectors (512 bytes) a guest's own kernel sees of a disk; None if it sees no such disk."""
        ask = f"echo size {disk} | timeout 3 busybox nc {address} 7"
        said = run_on(self.lab, self.lab.host("mgmt"), ["sh", "-c", ask]).stdout.split()
        assert len(said) == 3, f"{address} gives no answer"
        return None if said[2] == "none" else int(said[2])

    def talk(self, address: str, seconds: float = 3600) -> Process:
        """A client that talks to the guest without a pause; ends with a JSON line when it is terminated."""
        return self.begin("python3", str(CHECKOUT / "lab/talk.py"), address, str(seconds))


def eventually(question: Callable[[], T | None], what: str, timeout_s: float = 20) -> T:
    """Ask until the answer is something; fails when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.1)
    return answer


def heard_by(client: Process) -> dict[str, Any]:
    """End a client that talks, and return what it heard."""
    client.terminate()
    said, _ = client.communicate(timeout=30)
    heard: dict[str, Any] = json.loads(said.splitlines()[-1])
    return heard
