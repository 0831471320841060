"""Earlier definitions of guests on a virt-store: .vme/history/GUEST/000007.xml, and who, when and why in 000007.json.

A version is the definition as a change left it. Numbers only grow and alone give the order: clocks of management
servers differ. The last KEPT versions stay. Both files are for people too: cat, diff, define_guest FILE.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vme.config import Store
from vme.diff import same_xml
from vme.invoker import person, this_host
from vme.records import dataclass
from vme.store.files import made_among_ours, write_new, write_whole
from vme.store.layout import guest_directory, history_directory

KEPT = 100
# The tool of a version that was found on the node: made by virsh, or before these tools were used.
FOUND = "found"
_MODE = 0o600  # definitions may hold secrets, such as a VNC password


@dataclass(frozen=True)
class Version:
    """One version of a guest's definition. `user` and `host` are None where the change was not made by these tools."""

    number: int
    time: str
    user: str | None
    host: str | None
    tool: str
    reason: str | None
    node: str
    uuid: str


def history_store(stores: Sequence[Store], guest: str) -> Store:
    """The store of a zone that has, or would have, a guest's history: where it began, or where the guest's images lie.

    Never another one later, or the numbers would begin anew.
    """
    for store in stores:
        if history_directory(store, guest).is_dir():
            return store
    return next((store for store in stores if guest_directory(store, guest).is_dir()), stores[0])


def versions(store: Store, guest: str) -> tuple[Version, ...]:
    """The versions that are kept, oldest first."""
    return tuple(_read(file) for file in _xml_files(store, guest))


def xml_file(store: Store, guest: str, number: int) -> Path:
    """Where the XML of a version is, or would be."""
    return history_directory(store, guest) / f"{number:06}.xml"


def latest_xml(store: Store, guest: str) -> str | None:
    """The XML of the last version; None if there is no history."""
    files = _xml_files(store, guest)
    return files[-1].read_text(encoding="utf-8") if files else None


def is_latest(store: Store, guest: str, xml: str) -> bool:
    """Whether the last version says the same."""
    latest = latest_xml(store, guest)
    return latest is not None and same_xml(latest, xml)


def add_found(store: Store, guest: str, xml: str, *, node: str, uuid: str) -> None:
    """Keep a definition that these tools did not make, unless it is the last version already."""
    if not is_latest(store, guest, xml):
        _add(store, guest, xml, Version(0, _now(), None, None, FOUND, None, node, uuid))


def add_version(store: Store, guest: str, xml: str, *, tool: str, reason: str | None, node: str, uuid: str) -> None:
    """Keep a definition as the newest version, made by this person with this tool; the oldest beyond KEPT go."""
    _add(store, guest, xml, Version(0, _now(), person(), this_host(), tool, reason, node, uuid))


def _add(store: Store, guest: str, xml: str, version: Version) -> None:
    directory = history_directory(store, guest)
    made_among_ours(directory, mode=0o700)
    files = _xml_files(store, guest)
    number = _number(files[-1]) if files else 0
    while True:
        number += 1
        with suppress(FileExistsError):  # another tool took the number at this moment
            write_new(directory / f"{number:06}.xml", xml, mode=_MODE)
            break
    record = {**vars(version), "number": number}
    write_whole(directory / f"{number:06}.json", json.dumps(record, indent=1) + "\n", mode=_MODE)
    for old in files[: max(0, len(files) + 1 - KEPT)]:
        old.unlink(missing_ok=True)
        old.with_suffix(".json").unlink(missing_ok=True)


def _xml_files(store: Store, guest: str) -> list[Path]:
    try:
        # Not glob(): on a store that asks its servers, it looks at each file as well.
        files = list(history_directory(store, guest).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((file for file in files if file.suffix == ".xml" and file.stem.isdigit()), key=_number)


def _number(file: Path) -> int:
    return int(file.stem)


def _read(file: Path) -> Version:
    """A version from its JSON; one whose JSON is gone (the power failed in between) still counts by its XML."""
    try:
        read: Any = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        read = None
    record: dict[str, Any] = read if isinstance(read, dict) else {}
    return Version(
        _number(file),
        record.get("time", "unknown"),
        record.get("user"),
        record.get("host"),
        record.get("tool", "unknown"),
        record.get("reason"),
        record.get("node", "unknown"),
        record.get("uuid", "unknown"),
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
