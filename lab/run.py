"""Every process the lab starts goes through here."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

Process = subprocess.Popen[str]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Completed:
    """How a process ended and what it said. A process killed by signal N has the status -N."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    timeout_s: float = 60,
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run a process to its end, whatever its status. Raise LabError if it takes too long or can't be started."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {timeout_s:g} s: {' '.join(argv)}") from error
    except OSError as error:
        raise LabError(f"can't start {argv[0]}: {error.strerror}") from error
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def must(
    argv: Sequence[str], *, stdin: str = "", timeout_s: float = 60, environment: Mapping[str, str] | None = None
) -> str:
    """Run a process, return what it printed. Raise LabError if its status isn't 0."""
    done = run(argv, stdin=stdin, timeout_s=timeout_s, environment=environment)
    if done.status != 0:
        said = (done.stderr or done.stdout).strip() or "it said nothing"
        raise LabError(f"status {done.status} from {' '.join(argv)}: {said}")
    return done.stdout


def run_daemon(argv: Sequence[str], environment: Mapping[str, str], log: Path, timeout_s: float = 30) -> None:
    """Run a program that puts itself into the background; return when its first process ends.

    Raise LabError if it fails. Its output goes to a file: a daemon that keeps a pipe open would make us wait for ever.
    """
    with log.open("ab") as out:
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, timeout=timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"not started after {timeout_s:g} s: {' '.join(argv)}", hint=f"see {log}") from error
    if done.returncode != 0:
        raise LabError(f"status {done.returncode} from {' '.join(argv)}", hint=f"see {log}")


def start_detached(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Start a process that outlives the lab command, in a session of its own. Return its pid."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    # Whoever ends it is another command; Popen's complaint about a child not waited for would be noise.
    process.returncode = 0
    return process.pid


def start(argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
    """Start a process whose input, output and end the caller looks after (tests do)."""
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ if environment is None else environment),
    )
