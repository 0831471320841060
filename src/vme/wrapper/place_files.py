"""Put files in place on a node so that they can be taken back: the other half of vme/node/placing.py.

Sent over ssh for one session and run by `python3 -IS -c`; nothing of it stays on the node. It reads requests from stdin
and answers each on stdout, a line of JSON for a line of JSON:

    {"look": [PATH...]}                 -> {"client": ADDRESS, "python": "3.11", "files": {PATH: TEXT or null}}
    {"place": [CHANGE...], "wait_s": N} -> {"placed": true}
    {"keep": [CHANGE...]}               -> {"kept": true}
    CHANGE: {"path": PATH, "old": TEXT or null, "new": TEXT or null, "mode": 384}

What was placed and not kept within `wait_s` is put back as it was: when the client goes away, dies or is cut off, or a
signal comes. Nothing is written unless the file is still what the client saw (`old`). Each file is the old one or the
new one at any moment.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import signal
import sys
import tempfile


class Ended(Exception):
    """Nobody wants the change any more: a signal came, or the time to keep it is over."""


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, end)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    placed: list[dict[str, object]] = []
    try:
        for line in iter(sys.stdin.buffer.readline, b""):
            signal.alarm(0)
            request = json.loads(line)
            if "look" in request:
                answer(look(request["look"]))
            elif "place" in request:
                lock()
                change_all(request["place"], placed)
                answer({"placed": True})
                signal.alarm(int(request["wait_s"]))
            elif "keep" in request:
                change_all(request["keep"], [])
                placed.clear()
                answer({"kept": True})
    except (Ended, OSError, ValueError) as problem:
        take_back(placed)
        answer({"error": f"{problem}"})
    finally:
        take_back(placed)


def end(number: int, _frame: object) -> None:
    raise Ended("not kept in time" if number == signal.SIGALRM else f"signal {number}")


def answer(reply: dict[str, object]) -> None:
    try:
        os.write(1, json.dumps(reply).encode() + b"\n")
    except OSError:
        pass  # the client has gone; what is to be done does not depend on it


def look(paths: list[str]) -> dict[str, object]:
    return {
        "client": os.environ.get("SSH_CONNECTION", "").split(" ")[0],
        "python": ".".join(map(str, sys.version_info[:2])) if os.access("/usr/bin/python3", os.X_OK) else None,
        "files": {path: read(expanded(path)) for path in paths},
    }


def expanded(path: str) -> str:
    """`~/` is the home that sshd takes authorized_keys from; a link is followed, not replaced."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    return os.path.realpath(f"{home}/{path[2:]}" if path.startswith("~/") else path)


def read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def lock() -> None:
    """Let only one of us change keys of this user at a time. The lock ends with this process."""
    directory = expanded("~/.ssh")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    try:
        fcntl.flock(os.open(directory, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError("another one is changing the keys there just now") from None


def change_all(changes: list[dict[str, object]], done: list[dict[str, object]]) -> None:
    """Make the changes in their order; each is noted in `done` before it is made. Raises OSError."""
    for change in changes:
        path = expanded(str(change["path"]))
        if read(path) != change["old"]:
            raise OSError(f"{path} has been changed by somebody else meanwhile")
    for change in changes:
        done.append(change)
        write(expanded(str(change["path"])), change["new"], change["mode"])


def take_back(placed: list[dict[str, object]]) -> None:
    """Put back what was placed, the last first; a file that somebody else has changed since is left alone."""
    signal.alarm(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    while placed:
        change = placed.pop()
        path = expanded(str(change["path"]))
        if read(path) == change["new"]:
            write(path, change["old"], change["mode"])


def write(path: str, text: object, mode: object) -> None:
    directory = os.path.dirname(path)
    if text is None:
        os.unlink(path)
    else:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".vme-", dir=directory)
        try:
            with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(str(text))
                file.flush()
                state = os.stat(path) if os.path.exists(path) else None
                if state is not None:
                    os.fchown(handle, state.st_uid, state.st_gid)
                os.fchmod(handle, int(str(mode)))
                os.fsync(handle)
            os.rename(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


if __name__ in ("__main__", "place_files"):
    main()
