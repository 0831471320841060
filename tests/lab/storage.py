"""The storage machine as a test sees it: disks pulled and plugged in, the tool driven, killed and begun again."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.place import CHECKOUT
from lab.run import Completed, must, run, start
from lab.storage_vm import vm as machine
from lab.storage_vm.vm import Bay, Place, StorageVm
from tests.lab.vme import eventually
from tests.lab.wrapped import WRAPPER

WRAPPER_SOURCE = "src/vme/wrapper/vme_ssh_wrapper.py"
PULL = "  pull the disk with serial"
# Generous: the machine is emulated, and others may use this one.
PATIENCE_S = 300.0


@dataclass
class Storage:
    """A storage machine that runs. `plugged` are the disks that a test put into it; `config` is the tools' vme.toml."""

    vm: StorageVm
    plugged: dict[Place, str] = field(default_factory=dict)
    config: Path | None = None

    def tool(self, *words: str, status: int = 0) -> Completed:
        """Run a tool, check its exit status, and that no traceback reaches its user."""
        done = run(self._command(words), timeout_s=PATIENCE_S, environment=self._environment())
        said = f"{' '.join(words)}: exit status {done.status}\n{done.stdout}\n{done.stderr}"
        assert done.status == status, said
        assert "Traceback" not in done.stderr, said
        return done

    def disks(self) -> dict[str, dict[str, Any]]:
        """Serial number -> what disk_list says of a disk."""
        (told,) = json.loads(self.tool("disk_list", "st2", "-o", "json", "--timeout", "60").stdout)
        return {disk["serial"]: disk for disk in told["disks"]}

    def name(self, serial: str) -> str:
        """The kernel's name of a disk, as the machine itself says it, once udev has found out its serial number."""

        def named() -> str | None:
            rows = [row.split() for row in self.vm.must(["lsblk", "-dno", "NAME,SERIAL"]).splitlines()]
            return next((row[0] for row in rows if row[1:] == [serial]), None)

        return eventually(named, f"{serial} is there", timeout_s=60)

    def plug(self, place: Place, serial: str, *, size_mib: int = 128) -> None:
        """A blank disk into a bay."""
        machine.make_disk(self.vm, serial, size_mib=size_mib)
        self.plug_again(place, serial)

    def plug_again(self, place: Place, serial: str) -> None:
        """A disk that is made already into a bay."""
        machine.insert(self.vm, place, serial)
        self.plugged[place] = serial

    def pull(self, place: Place, serial: str) -> None:
        machine.pull(self.vm, place, serial)
        self.plugged.pop(place, None)

    def replace(
        self,
        serial: str,
        *words: str,
        on_line: Callable[[str], bool] = lambda _line: False,
        status: int = 0,
    ) -> list[str]:
        """Run replace_disk; `on_line` sees each line it prints, and by True has it killed there. Returns the lines."""
        argv = ("replace_disk", "st2", serial, "--yes", "--timeout", "60", *words)
        process = start(self._command(argv), environment=self._environment())
        lines = []
        killed = False
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if not killed and on_line(lines[-1]):
                process.send_signal(signal.SIGKILL)
                killed = True
        _, errors = process.communicate(timeout=PATIENCE_S)
        lines = [*errors.splitlines(), *lines]  # the outcome is the last line, whatever progress was told
        said = "\n".join(lines)
        assert "Traceback" not in errors, said
        assert process.returncode == (-signal.SIGKILL if killed else status), said
        return lines

    def forget(self) -> None:
        """Leave no replacement behind."""
        shutil.rmtree(machine.state_of(self.vm.lab) / "replace_disk/st2", ignore_errors=True)

    def _command(self, words: Sequence[str]) -> list[str]:
        return machine.tool(self.vm.lab, words, self.config)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "VME_LAB_DIR": str(self.vm.lab.folder)}


def exchange(storage: Storage, place: Place, old: str, new: str, *, size_mib: int = 128) -> Callable[[str], bool]:
    """For on_line: when the tool asks for it, pull the old disk and plug in a new, blank one."""

    def act(line: str) -> bool:
        if line.startswith(PULL):
            storage.pull(place, old)
            storage.plug(place, new, size_mib=size_mib)
        return False

    return act


def make_arrays(
    storage: Storage,
    serials: Sequence[str],
    *,
    table: str = "gpt",
    level: str = "raid1",
    spares: int = 0,
    place: Callable[[int], Place] = Bay,
    first: int = 2,
) -> None:
    """Plug in disks from bay 2 on, and make md10 and md11 (with a bitmap) over their partitions."""
    for number, serial in enumerate(serials, start=first):
        storage.plug(place(number), serial)
    storage.vm.shell("make_arrays", level, table, str(spares), *serials, timeout_s=PATIENCE_S)


@contextmanager
def by_role(storage: Storage, role: str) -> Iterator[Storage]:
    """The machine for tools whose key its vme_ssh_wrapper holds to a role. What the test itself does there is free."""
    home = storage.vm.lab.home_of(storage.vm.lab.topology.management)
    key = home / f"root/.ssh/st2-{role}"
    if not key.exists():
        must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)])
    forced = f"/usr/bin/python3 -IS {WRAPPER} {key.name} {role} {role}line"
    access = storage.vm.must(["cat", "/root/.ssh/authorized_keys"])
    line = f'restrict,command="{forced}" {key.with_name(f"{key.name}.pub").read_text()}'
    storage.vm.feed(["dd", f"of={WRAPPER}", "status=none"], (CHECKOUT / WRAPPER_SOURCE).read_text())
    storage.vm.must(["chmod", "755", WRAPPER])
    storage.vm.feed(["dd", "of=/root/.ssh/authorized_keys", "status=none"], access.rstrip("\n") + "\n" + line)
    config = home / f"vme-storage-{role}.toml"
    plain = machine.config_of(storage.vm.lab).read_text()
    config.write_text(plain.replace('user = "root"', f'user = "root"\nkey = "{key}"', 1))
    try:
        yield Storage(storage.vm, storage.plugged, config)
    finally:
        storage.vm.feed(["dd", "of=/root/.ssh/authorized_keys", "status=none"], access)


def check_arrays(storage: Storage) -> None:
    """Fail unless both arrays are whole, their data has its checksums, and their members hold the same."""
    storage.vm.shell("check_arrays", timeout_s=PATIENCE_S)


def clear_away(storage: Storage) -> None:
    """Take away what a test made: arrays, disks, the memory of replacements."""
    storage.vm.shell("remove_arrays", timeout_s=PATIENCE_S)
    for place, serial in list(storage.plugged.items()):
        storage.pull(place, serial)
    storage.forget()
