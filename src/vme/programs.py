"""Where programs are found, and what environment they get."""

import os
from pathlib import Path

from vme.errors import Failed

# System tools are found here only: nobody's own `python3` or `qemu-img`, early in PATH, may stand in for them.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "TERM", "TMPDIR")


def program(name: str) -> Path:
    """Where a program is. Raises Failed if this machine has it not."""
    path = find_program(name)
    if path is None:
        raise not_installed(name)
    return path


def not_installed(program: str) -> Failed:
    return Failed(f"{program} is not installed on this machine", hint=f"install the package that has {program}")


def clean_environment() -> dict[str, str]:
    """The environment every process of ours gets: messages in English, the system's PATH, no variable of a stranger."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}


def find_program(*names: str) -> Path | None:
    """The first of these programs that this machine has, in the system's own directories."""
    places = [Path(place) for place in SYSTEM_PATH.split(":")]
    return next((place / name for name in names for place in places if os.access(place / name, os.X_OK)), None)
