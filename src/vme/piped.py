"""A process and the pipes to it, by posix_spawn: subprocess takes longer to load than most questions take."""

import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from vme.errors import Failed
from vme.programs import clean_environment, program

# The largest answer is a guest's NVRAM and TPM state in base64.
_MOST_BYTES = 256 << 20
# How long a killed process may take to go.
_KILL_GRACE_S = 1.0


class Piped:
    """Its stdin is what is to be said, or nothing; its stdout and stderr are heard. Let `end` be called in any case.

    Raises Failed where the program is not installed.
    """

    def __init__(self, words: Sequence[str], to_say: bytes) -> None:
        file = program(words[0])
        self._name = words[0]
        self._to_say = to_say
        self._status: int | None = None
        self._ours: list[int] = []
        theirs: list[int] = []
        try:
            self._in = self._given(theirs, says=bool(to_say))
            self._out, self._error = self._heard(theirs), self._heard(theirs)
            self._child = os.posix_spawn(
                file,
                list(words),
                clean_environment(),
                file_actions=[(os.POSIX_SPAWN_DUP2, ours, number) for number, ours in enumerate(theirs)],
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # Python ignores them
            )
        except BaseException:
            self._close()
            raise
        finally:
            for handle in theirs:
                os.close(handle)
        try:
            self._handle = os.pidfd_open(self._child)
        except BaseException:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._close()
            raise

    def _given(self, theirs: list[int], *, says: bool) -> int | None:
        if not says:
            theirs.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            return None
        read, write = os.pipe()
        theirs.append(read)
        self._ours.append(write)
        return write

    def _heard(self, theirs: list[int]) -> int:
        read, write = os.pipe()
        theirs.append(write)
        self._ours.append(read)
        return read

    def talk(self, deadline_s: float) -> tuple[bytes, bytes]:
        """Say what is to be said, and take what it writes, until it closes all of its ends.

        Raises TimeoutError, and Failed where it writes more than any node has to say: it would fill our memory.
        """
        ready, heard = select.poll(), {self._out: bytearray(), self._error: bytearray()}
        for handle in self._ours:
            ready.register(handle)
        if self._in is not None:
            os.set_blocking(self._in, False)
        while self._ours:
            for handle, _event in _ready(ready, deadline_s):
                if handle == self._in:
                    ended = self._say(handle)
                else:
                    came = os.read(handle, 1 << 16)
                    heard[handle] += came
                    if len(heard[handle]) > _MOST_BYTES:
                        raise Failed(f"{self._name} wrote more than {_MOST_BYTES >> 20} MiB, and was ended")
                    ended = not came
                if ended:
                    ready.unregister(handle)
                    self._ours.remove(handle)
                    os.close(handle)
        return bytes(heard[self._out]), bytes(heard[self._error])

    def _say(self, handle: int) -> bool:
        """Whether all is said, or it does not read any further."""
        try:
            self._to_say = self._to_say[os.write(handle, self._to_say) :]
        except BrokenPipeError:
            return True
        return not self._to_say

    def wait(self, deadline_s: float) -> int:
        """Its exit status, negative for a signal. Raises TimeoutError."""
        if self._status is None:
            ended = select.poll()
            ended.register(self._handle)
            _ready(ended, deadline_s)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        return self._status

    def end(self) -> None:
        """Kill it, unless it has ended, and close all; a kernel that waits for a hung store does not let it go."""
        if self._status is None:
            with suppress(TimeoutError, ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
                self.wait(time.monotonic() + _KILL_GRACE_S)
        os.close(self._handle)
        self._close()

    def _close(self) -> None:
        while self._ours:
            os.close(self._ours.pop())


def _ready(ready: select.poll, deadline_s: float) -> list[tuple[int, int]]:
    """Who is. Looked at by the clock as well: who always has something to say must end too."""
    left_s = deadline_s - time.monotonic()
    events = ready.poll(1000 * left_s) if left_s > 0 else []
    if not events:
        raise TimeoutError
    return events
