"""Processes that are run to their end, or spoken to; only piped.py and spawned.py beside this start any.

An argv list always, never a shell; a deadline always; a clean environment.

subprocess is imported where it is used: a listing over warm connections starts no process, and need not pay for it.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from vme.errors import Failed
from vme.piped import Piped
from vme.programs import clean_environment, not_installed
from vme.records import dataclass

if TYPE_CHECKING:
    import subprocess

_TICK_S = 0.2
# How long a killed process may take to go.
_KILL_GRACE_S = 1.0


@dataclass(frozen=True)
class Result:
    """How a process ended. `status` is its exit status, negative for a signal."""

    argv: tuple[str, ...]
    status: int
    output: str
    error: str

    @property
    def last_words(self) -> str:
        """The last line it wrote to stderr, or else its exit status, for a message to a person."""
        lines = [line.strip() for line in self.error.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.status}"


class TookTooLong(Failed):
    """A process passed its deadline and was killed."""


def run(argv: Sequence[str | Path], *, timeout_s: float, stdin: str | None = None) -> Result:
    """Run a process to its end and return what it wrote; a status other than 0 is the caller's to judge.

    Raises TookTooLong after killing it at the deadline, and Failed where the program is not installed.
    """
    words = tuple(str(word) for word in argv)
    deadline_s = time.monotonic() + timeout_s
    process = Piped(words, (stdin or "").encode())
    try:
        output, error = process.talk(deadline_s)
        status = process.wait(deadline_s)
    except TimeoutError:
        raise TookTooLong(f"{words[0]} gave no answer within {timeout_s:g} s") from None
    finally:
        process.end()
    return Result(words, status, _text(output), _text(error))


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "backslashreplace")


def run_watched(argv: Sequence[str | Path], *, timeout_s: float, on_output: Callable[[str], None]) -> Result:
    """Run a long process and hand over what it writes to stdout as it comes; killed at the deadline or by Ctrl-C.

    `on_output` is called at least five times a second, with an empty text if nothing came; what it raises ends the
    process too.
    """
    words = tuple(str(word) for word in argv)
    deadline_s = time.monotonic() + timeout_s
    import subprocess
    import tempfile  # late: costs 10 ms that only long copies should pay

    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as errors:
        process = _started(words, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        try:
            for chunk in _chunks(process.stdout.fileno(), deadline_s):
                on_output(chunk.decode("utf-8", "backslashreplace"))
            status = process.wait(timeout=max(0.0, deadline_s - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise TookTooLong(f"{words[0]} was not done within {timeout_s:g} s") from None
        finally:
            _kill(process)
            process.stdout.close()
        errors.seek(0)
        return Result(words, status, "", errors.read())


def _chunks(handle: int, deadline_s: float) -> Iterator[bytes]:
    """What can be read, as it comes, to its end; empty now and then, if nothing comes. Raises TimeoutError."""
    import select

    ready = select.poll()
    ready.register(handle, select.POLLIN)
    while (left_s := deadline_s - time.monotonic()) > 0:
        if not ready.poll(1000 * min(left_s, _TICK_S)):
            yield b""
        elif chunk := os.read(handle, 4096):
            yield chunk
        else:
            return
    raise TimeoutError


def _kill(process: "subprocess.Popen[Any]") -> None:
    """End a process; but a kernel that waits for a hung store does not let it go, and then nor do we wait for it."""
    import subprocess

    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILL_GRACE_S)


def run_on_terminal(argv: Sequence[str | Path], *, own_environment: bool = False) -> int:
    """Run a program that has the user's terminal (an editor, virsh console) to its end; returns its exit status.

    Negative for a signal. With `own_environment` it gets the user's whole environment, as an editor should. Ctrl-C is
    the program's while it runs; SIGTERM ends it. The terminal is then set as it was before. Main thread only.
    """
    import subprocess

    words = tuple(str(word) for word in argv)
    settings = _terminal_settings()
    # A handler, not SIG_IGN: that one the program would inherit.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        process = subprocess.Popen(words, env=None if own_environment else clean_environment())
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    except FileNotFoundError:
        raise not_installed(words[0]) from None
    finally:
        signal.signal(signal.SIGINT, before)
        if settings is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, settings)
    return status


def _terminal_settings() -> list[Any] | None:
    """How the terminal on stdin is set (termios(3)); None where stdin is none."""
    if not sys.stdin.isatty():
        return None
    import termios

    return termios.tcgetattr(sys.stdin.fileno())


def _started(words: tuple[str, ...], *, stdout: int, stderr: int | IO[str]) -> "subprocess.Popen[bytes]":
    import subprocess

    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=clean_environment(),
        )
    except FileNotFoundError:
        raise not_installed(words[0]) from None


class Dialogue:
    """A running process that is spoken to line by line. Ends with its `with` block: its stdin closes, then it must end.

    It is in a session of its own, so Ctrl-C reaches us and not it.
    """

    def __init__(self, argv: Sequence[str | Path]) -> None:
        import subprocess
        import tempfile

        self._words = tuple(str(word) for word in argv)
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self._heard = b""
        try:
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=clean_environment(),
                start_new_session=True,
            )
        except FileNotFoundError:
            raise not_installed(self._words[0]) from None

    def __enter__(self) -> "Dialogue":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(
            BrokenPipeError
        ):  # it has ended, which say() told, and what that could not write is written again
            self._stream(self._process.stdin).close()
        try:
            self._end()
        finally:
            self._stream(self._process.stdout).close()
            self._errors.close()

    def _end(self) -> int:
        """Its exit status; it is killed if it does not end by itself within 5 s, or if we are interrupted."""
        import subprocess

        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()
        return self._process.wait()

    def say(self, data: bytes) -> None:
        """Write to its stdin. Raises Failed if it has ended."""
        stream = self._stream(self._process.stdin)
        try:
            stream.write(data)
            stream.flush()
        except BrokenPipeError:
            raise Failed(self.last_words) from None

    def hear(self, *, timeout_s: float) -> bytes | None:
        """The next line of its stdout, or None where it has closed it. Raises TookTooLong."""
        import select

        handle = self._stream(self._process.stdout).fileno()
        deadline_s = time.monotonic() + timeout_s
        while b"\n" not in self._heard:
            if not select.select([handle], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
                raise TookTooLong(f"{self._words[0]} gave no answer within {timeout_s:g} s")
            chunk = os.read(handle, 65536)
            if not chunk:
                return None
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    @property
    def last_words(self) -> str:
        """The last line it wrote to stderr, once it has ended."""
        status = self._end()
        self._errors.seek(0)
        return Result(self._words, status, "", self._errors.read()).last_words

    @staticmethod
    def _stream(stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream


def run_live(argv: Sequence[str | Path], *, timeout_s: float, on_output: Callable[[bytes, bool], None]) -> int:
    """Run a process and hand over what it writes as it comes (the flag: it was stderr); returns its exit status.

    Raises TookTooLong after killing it at the deadline, and Failed where the program is not installed.
    """
    import selectors
    import subprocess

    words = tuple(str(word) for word in argv)
    deadline_s = time.monotonic() + timeout_s
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
        )
    except FileNotFoundError:
        raise not_installed(words[0]) from None
    with process, selectors.DefaultSelector() as selector:
        for stream, is_error in ((process.stdout, False), (process.stderr, True)):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, is_error)
        try:
            while selector.get_map():
                ready = selector.select(max(0.0, deadline_s - time.monotonic()))
                if not ready:
                    raise TookTooLong(f"{words[0]} was not done within {timeout_s:g} s")
                for key, _ in ready:
                    chunk = os.read(key.fd, 65536)
                    if chunk:
                        on_output(chunk, key.data)
                    else:
                        selector.unregister(key.fileobj)
            return process.wait(timeout=max(0.1, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TookTooLong(f"{words[0]} was not done within {timeout_s:g} s") from None
        finally:
            process.kill()
