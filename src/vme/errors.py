"""What can go wrong, as a person is told it. Each class has one exit status, listed in docs/exit-status.md."""

from collections.abc import Sequence

from vme.harmless import harmless


class VmeError(Exception):
    """Something a person must be told: one message, and a hint that says what to do next."""

    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        # Much of it may be a node's own words.
        self.message = harmless(message)
        self.hint = None if hint is None else harmless(hint)


class Failed(VmeError):
    """Work had begun; the message lists what remains and how to finish it."""

    exit_status = 1


class Misused(VmeError):
    """The command line asks for something that can't be; nothing was contacted."""

    exit_status = 2


class Misconfigured(VmeError):
    """The configuration can't be used; nothing was contacted."""

    exit_status = 2


class Refused(VmeError):
    """Nothing was changed. All reasons are listed, not only the first."""

    exit_status = 3

    def __init__(self, subject: str, reasons: Sequence[str], *, hint: str | None = None) -> None:
        message = f"{subject}: {reasons[0]}" if len(reasons) == 1 else f"{subject}:\n  - " + "\n  - ".join(reasons)
        super().__init__(message, hint=hint)
        self.reasons = tuple(reasons)


class NotFound(VmeError):
    """No such guest, and the whole fleet answered. `names`: what nothing was found for."""

    exit_status = 4

    def __init__(self, message: str, *, hint: str | None = None, names: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.names = tuple(names)


class Ambiguous(VmeError):
    """More than one guest of that name, on the nodes that are named."""

    exit_status = 4


class Silent(VmeError):
    """Some nodes gave no answer; they are named. What the others said was printed."""

    exit_status = 5


class NoneDone(VmeError):
    """Of several guests none was done; why is said of each."""

    exit_status = 6


class Interrupted(VmeError):
    """A person pressed Ctrl-C (or SIGTERM came); the message says what was undone or handed over."""

    exit_status = 130
