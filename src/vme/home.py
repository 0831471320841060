"""Where this user's own files are."""

from pathlib import Path

from vme.errors import Misconfigured


def at_home(path: str) -> Path:
    """The path with the home directory for its `~`. Raises Misconfigured where no home directory is known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise Misconfigured(
            f"there is no telling where {path} is: no home directory is known", hint="set HOME"
        ) from None
