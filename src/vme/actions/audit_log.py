"""Reading the audit lines back: which of them, in the order they were written, rotated files first."""

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from vme.errors import Failed, Misused
from vme.records import dataclass

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FIELDS = ("time", "user", "tool", "status", "message")


@dataclass(frozen=True)
class Wanted:
    """Which lines are asked for; None asks nothing. `user` is met by the user, the one before sudo, or the login."""

    guest: str | None = None
    node: str | None = None
    user: str | None = None
    tool: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, line: dict[str, Any]) -> bool:
        """Whether this line is one of them."""
        at = datetime.fromisoformat(line["time"])
        return (
            (self.guest is None or self.guest in line.get("guests", ()))
            and (self.node is None or self.node in line.get("nodes", ()))
            and (self.user is None or self.user in (line["user"], line.get("sudo_user"), line.get("login")))
            and (self.tool is None or self.tool == line["tool"])
            and (self.since is None or self.since <= at)
            and (self.until is None or at <= self.until)
        )


def moment(text: str, now: datetime) -> datetime:
    """A point in time: `2h`, `3d` (ago), or `2026-11-24`, `2026-11-24 15:00` as this server's clock has it."""
    ago = re.fullmatch(r"(\d{1,6})([mhdw])", text, re.ASCII)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise Misused(
            f"{text!a} is no point in time", hint="write 30m, 2h, 3d, 2026-11-24 or '2026-11-24 15:00'"
        ) from None


def read_lines(file: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The lines asked for from the file and those logrotate made of it, oldest first. Raises Failed.

    A line that is no audit line (half of one, after a power loss) is passed over.
    """
    for part in (*_rotated(file), file):
        try:
            with _opened(part) as lines:
                for text in lines:
                    line = _parsed(text)
                    if line is not None and wanted.matches(line):
                        yield line
        except FileNotFoundError:
            continue
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise Failed(f"{part}: it is damaged, or cut off", hint="moved away, it is left out") from None
        except OSError as problem:
            raise Failed(f"{part}: {problem.strerror or problem}") from None


def _opened(part: Path) -> TextIO:
    return gzip.open(part, "rt", errors="replace") if part.suffix == ".gz" else part.open(errors="replace")


def _rotated(file: Path) -> list[Path]:
    """audit.log-20261124 by name, then audit.log.2.gz, audit.log.1: the higher the number, the older."""
    ends = {path: path.name[len(file.name) :] for path in file.parent.glob(f"{file.name}*")}
    dated = sorted(path for path, end in ends.items() if re.fullmatch(r"-\d+(\.gz)?", end))
    numbered = {path: int(end.split(".")[1]) for path, end in ends.items() if re.fullmatch(r"\.\d+(\.gz)?", end)}
    return dated + sorted(numbered, key=lambda path: -numbered[path])


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
        datetime.fromisoformat(line["time"])
    except (ValueError, KeyError, TypeError):
        return None
    return line if all(field in line for field in _FIELDS) else None
