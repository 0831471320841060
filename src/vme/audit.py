"""One line for each invocation of a tool: who, what, where, result. JSON, to a file and to syslog."""

import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vme.config import Config
from vme.errors import Misconfigured
from vme.home import at_home
from vme.invoker import user_name

# An option, a setting or a variable with one of these in its name has a secret for its value.
_SECRET = re.compile(r"pass(?:wd|word|phrase)?|secret|token|credential|private[-_]?key", re.IGNORECASE)
_MASK = "***"
# loginuid of a process that nobody logged in to start (audit(8)).
_NO_LOGIN = 2**32 - 1


def write_line(
    config: Config | None,
    *,
    tool: str,
    arguments: Sequence[str],
    touched: Sequence[str],
    status: int,
    started_s: float | None = None,
    message: str,
    reason: str | None = None,
) -> str | None:
    """Append one line about this invocation; returns why it could not, for a warning, or None.

    `touched` names what was worked on: a guest, a node, or `web1 on kvm01`. `started_s` is time.time() at the start
    (None: now), `reason` is what the user gave with --reason.
    """
    now_s = time.time()
    begin_s = now_s if started_s is None else started_s
    guests, nodes = split_touched(touched, {node.name for node in config.nodes} if config else set())
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin_s)),
        "user": user_name(),
        "sudo_user": os.environ.get("SUDO_USER"),
        "login": _login_name(),
        "from": os.environ.get("SSH_CONNECTION", "").split(" ")[0] or None,
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "tool": tool,
        "arguments": masked(arguments),
        "guests": guests,
        "nodes": nodes,
        "status": status,
        "duration_s": round(now_s - begin_s, 3),
        "message": message,
        "reason": reason,
    }
    _to_syslog(line)
    try:
        file = audit_file(config)
    except Misconfigured as problem:
        return f"no audit line written: {problem.message}"
    return _to_file(file, line)


def masked(arguments: Sequence[str]) -> list[str]:
    """The arguments with *** for every secret: `--password X`, `--password=X`, and `password=X` within any of them."""
    shown: list[str] = []
    for word in arguments:
        before = shown[-1] if shown else ""
        follows_secret = before.startswith("-") and "=" not in before and _SECRET.search(before)
        name, equals, _ = word.partition("=")
        if follows_secret and not word.startswith("-"):
            shown.append(_MASK)
        elif equals and _SECRET.search(name):
            shown.append(f"{name}={_MASK}")
        else:
            shown.append(word)
    return shown


def split_touched(touched: Sequence[str], known_nodes: set[str]) -> tuple[list[str], list[str]]:
    """Guests and nodes, each once and in the order of their first mention."""
    guests: dict[str, None] = {}
    nodes: dict[str, None] = {}
    for name in touched:
        guest, on, node = name.rpartition(" on ")
        if on:
            guests[guest] = nodes[node] = None
        elif name in known_nodes:
            nodes[name] = None
        else:
            guests[name] = None
    return list(guests), list(nodes)


def audit_file(config: Config | None) -> Path:
    """Where the lines of this user's tools go. Root's are one file for the machine, others' are their own."""
    if config is not None and config.audit_file is not None:
        return config.audit_file
    if os.geteuid() == 0:
        return Path("/var/log/vme/audit.log")
    return Path(os.environ.get("XDG_STATE_HOME") or at_home("~/.local/state")) / "vme/audit.log"


def _to_file(file: Path, line: dict[str, Any]) -> str | None:
    data = (json.dumps(line, ensure_ascii=True) + "\n").encode()
    try:
        file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        # One write to a file opened for appending: lines of tools that end at the same moment do not mix.
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            if os.write(handle, data) != len(data):
                # Ended, so that what is left of it is not the beginning of the next.
                os.write(handle, b"\n")
                return f"no whole audit line written to {file}: the file system is full"
        finally:
            os.close(handle)
    except OSError as problem:
        return f"no audit line written to {file}: {problem.strerror}"
    return None


def _to_syslog(line: dict[str, Any]) -> None:
    """Send the line to /dev/log, where there is one; the file is what counts, so a missing syslog is no error."""
    if not Path("/dev/log").exists():
        return
    import socket

    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as log:
            log.connect("/dev/log")
            log.send(f"<86>vme[{os.getpid()}]: {json.dumps(line, ensure_ascii=True)}".encode())  # 86: authpriv.info
    except OSError:
        pass


def _login_name() -> str | None:
    """Who logged in: the kernel remembers it through su and sudo, and no variable can change it (loginuid)."""
    import pwd

    try:
        uid = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        return None
    if uid == _NO_LOGIN:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
