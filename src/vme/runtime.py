"""Private directories of this user: sockets and small caches that may vanish at any time."""

import os
from contextlib import suppress
from pathlib import Path

from vme.errors import Misconfigured
from vme.home import at_home


def private_directory() -> Path:
    """Make, if need be, and return this user's own 0700 directory for sockets. Raises Misconfigured if others share it.

    $XDG_RUNTIME_DIR/vme, /run/vme for root, else /tmp/vme-UID: short enough for UNIX sockets, which end at 107 bytes.
    """
    path = _place()
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    state = path.lstat()
    if not path.is_dir() or path.is_symlink() or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise Misconfigured(
            f"{path} must be a directory of your own with mode 0700",
            hint=f"remove it, or: chown $USER {path}; chmod 700 {path}",
        )
    return path


def _place() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    # Not another user's, as `sudo -E` and su hand it down: there he could put his sockets in the place of ours.
    if given.startswith("/") and len(given) < 32 and Path(given).is_dir() and Path(given).stat().st_uid == os.geteuid():
        return Path(given) / "vme"
    return Path("/run/vme") if os.geteuid() == 0 else Path(f"/tmp/vme-{os.geteuid()}")


def state_directory() -> Path:
    """Where work that outlives a process is kept; made if need be.

    $VME_STATE_DIR, /var/lib/vme for root, else ~/.local/state/vme.
    """
    given = os.environ.get("VME_STATE_DIR")
    own = Path("/var/lib/vme") if os.geteuid() == 0 else at_home("~/.local/state/vme")
    path = Path(given) if given else own
    path.mkdir(mode=0o750, parents=True, exist_ok=True)
    return path
