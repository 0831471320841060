"""A tool under way that has stopped itself at a point of its work, and how it goes on from there."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from lab.place import CHECKOUT
from lab.process_table import look_at
from lab.run import Process
from tests.faults.at_step import MARK
from tests.lab.vme import Vme

_LAUNCHER = (str(CHECKOUT / ".venv/bin/python"), "-P", str(CHECKOUT / "tests/faults/at_step.py"))


@dataclass(frozen=True)
class Said:
    """How a tool ended and what it told. A tool killed by signal N has the status -N."""

    status: int
    text: str
    points: tuple[str, ...]


@dataclass
class Tool:
    """A tool under the launcher. Signals go to the tool itself, not to what entered the host for it."""

    process: Process
    words: tuple[str, ...]

    def wait_until_stopped(self, patience_s: float = 90) -> None:
        """Return when it has stopped itself. Fails when it ends before that."""
        deadline = time.monotonic() + patience_s
        while True:
            pid = self._pid()
            found = look_at(pid) if pid else None
            if found is not None and found.stopped:
                return
            if self.process.poll() is not None:
                said = self.end()
                raise AssertionError(f"{' '.join(self.words)} ended before it came to its point: {said}")
            assert time.monotonic() < deadline, f"{' '.join(self.words)} came to no stop within {patience_s:g} s"
            time.sleep(0.01)

    def go_on(self) -> None:
        """Let it go on where it stopped."""
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it as it stands."""
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send the tool a signal; nothing happens if it has ended."""
        pid = self._pid()
        if pid:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
        if number in (signal.SIGCONT, signal.SIGKILL) and self.process.poll() is None:
            # What entered the host for it has stopped as well, as a shell would do, and must see how it goes on.
            os.kill(self.process.pid, signal.SIGCONT)

    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.process.poll() is not None

    def end(self, timeout_s: float = 180) -> Said:
        """Wait for its end; returns what it said."""
        done = threading.Event()
        keep_going = threading.Thread(target=self._keep_going, args=(done,), daemon=True)
        keep_going.start()
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        finally:
            done.set()
            keep_going.join()
        lines = err.splitlines()
        points = tuple(line.removeprefix(MARK) for line in lines if line.startswith(MARK))
        told = "\n".join([out.strip(), *(line for line in lines if not line.startswith(MARK))]).strip()
        assert "Traceback" not in told, f"{' '.join(self.words)}: {told}"
        return Said(self.process.returncode, told, points)

    def _keep_going(self, done: threading.Event) -> None:
        """What entered the host for it may have stopped itself only after it had been told to go on."""
        while not done.wait(2) and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)

    def _pid(self) -> int | None:
        """The tool's own process: the one child of what entered the host."""
        pid = self.process.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None


def begin(vme: Vme, point: str, *words: str) -> Tool:
    """Start a tool that will stop at a point."""
    return Tool(vme.begin(*_LAUNCHER, point, *words), words)
