"""Names for a shell's completion: from the configuration, and guests' names from a list that is renewed behind it.

A person who presses TAB must not wait for nodes. What is known is printed at once; if it is old, it is renewed for the
next time, and a node that is silent then is left out.
"""

import os
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vme.config import Config, load
from vme.errors import VmeError
from vme.forked import in_background
from vme.runtime import private_directory

_FRESH_S = 5.0
# How long the first TAB of all waits for names; nodes with warm connections answer within this.
_FIRST_WAIT_S = 0.05
_RENEWAL_S = 3.0
_POLL_S = 0.005


def print_names(kind: str) -> int:
    """Print the names of a kind (a key of _KINDS), one a line; nothing for what can't be known."""
    with suppress(VmeError, OSError, KeyError):
        print("\n".join(_KINDS[kind](load())), flush=True)
    return 0


def guests_of(config: Config) -> list[str]:
    """The guests that were there a while ago; starts to renew the list if that while is over."""
    cache = cache_of(config)
    age_s = _age_s(cache)
    if age_s is None or age_s > _FRESH_S:
        in_background(lambda: _renew(config, cache))
    if age_s is None:
        end_s = time.monotonic() + _FIRST_WAIT_S
        while _age_s(cache) is None and time.monotonic() < end_s:
            time.sleep(_POLL_S)
    with suppress(FileNotFoundError):
        return cache.read_text().splitlines()
    return []


def cache_of(config: Config) -> Path:
    """Where the names of guests are kept; each configuration has its own."""
    return private_directory() / f"guests-{zlib.crc32(os.fsencode(config.file or '')):08x}"


def _age_s(cache: Path) -> float | None:
    try:
        return time.time() - cache.stat().st_mtime
    except FileNotFoundError:
        return None


def _renew(config: Config, cache: Path) -> None:
    """Ask all nodes and write their guests' names, if nobody else is about it; names that are not ours are left out."""
    from vme.fleet.guests import ask_guests
    from vme.names import is_allowed

    claim = cache.with_name(f"{cache.name}.new")
    age_s = _age_s(claim)
    if age_s is not None and age_s > 2 * _RENEWAL_S:
        claim.unlink(missing_ok=True)  # of one that was killed
    try:
        handle = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    replies = ask_guests(config, config.nodes, _RENEWAL_S)
    names = {guest.name for answer in replies.answers for guest in answer.value if is_allowed(guest.name)}
    with os.fdopen(handle, "w") as file:
        file.write("".join(f"{name}\n" for name in sorted(names)))
    claim.rename(cache)


def _nodes_of(config: Config) -> list[str]:
    return [node.name for node in config.nodes]


def _machines_of(config: Config) -> list[str]:
    return [machine.name for machine in config.machines]


def _zones_of(config: Config) -> list[str]:
    return [zone.name for zone in config.zones]


def _stores_of(config: Config) -> list[str]:
    return sorted({store.name for zone in config.zones for store in zone.stores})


_KINDS: dict[str, Callable[[Config], list[str]]] = {
    "guests": guests_of,
    "nodes": _nodes_of,
    "machines": _machines_of,
    "zones": _zones_of,
    "stores": _stores_of,
}
