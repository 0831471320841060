"""What a node has of a guest beside its definition, kept on the store while the guest is not defined.

NVRAM, TPM state, snapshots' descriptions, whether it starts with its node: undefine_guest puts them into
.vme/kept/GUEST/, define_guest brings them back, on whichever node.
"""

import json
import time
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Store
from vme.errors import Failed
from vme.fleet.deadline import within
from vme.hypervisor.domain_xml import disks_of, has_own_tpm, nvram_of, parse
from vme.hypervisor.guest import Guest, saved_form, start_with_node
from vme.hypervisor.snapshots import Snapshots, describe_again, describe_checkpoints_again
from vme.node.archive import packed, unpack
from vme.node.files import states_of
from vme.records import dataclass
from vme.store.files import remove_tree, sync_directory, write_whole
from vme.store.layout import kept_directory, seen_here
from vme.store.trash import trash_place

_RECORD = "kept.json"  # written last: without it the directory counts as not there
_MODE = 0o600


# Where libvirt of the system keeps the state of emulated TPMs, a directory for each UUID.
_TPM_STATES = PurePosixPath("/var/lib/libvirt/swtpm")


def is_tpm_state(path: PurePosixPath) -> bool:
    """Whether a path of a node is the directory of an emulated TPM; what else is kept of a guest is its NVRAM."""
    return _TPM_STATES in path.parents


class Parts(NamedTuple):
    """What the node has beside the definition. `nvram_on_store` needs no copy; `paths` are the node's own files."""

    paths: tuple[PurePosixPath, ...]
    nvram_on_store: bool
    images: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """What is kept of one guest, by whom it was (its UUID), and from which node's paths it came."""

    directory: Path
    uuid: str
    paths: tuple[PurePosixPath, ...]
    snapshots: Snapshots
    autostart: bool
    checkpoints: tuple[str, ...] = ()

    def __str__(self) -> str:
        number = len(self.snapshots.xmls)
        parts = [
            *(str(path) for path in self.paths),
            *([f"the descriptions of {number} snapshot(s)"] if number else []),
            *([f"the descriptions of {len(self.checkpoints)} checkpoint(s)"] if self.checkpoints else []),
            *(["that it starts with its node"] if self.autostart else []),
        ]
        return ", ".join(parts)


def parts_of(config: Config, guest: Guest, timeout_s: float) -> Parts:
    """Ask the guest's node for its NVRAM and TPM state, which a guest that never ran has not yet, and its images."""
    root = parse(within(timeout_s, str(guest), lambda: saved_form(guest)))
    stores = config.zone(guest.node.zone).stores
    nvram = nvram_of(root)
    shared = nvram is not None and any(
        store.shared and seen_here(store, PurePosixPath(nvram)) is not None for store in stores
    )
    wanted = [
        *([PurePosixPath(nvram)] if nvram is not None and not shared else []),
        *([_TPM_STATES / guest.uuid] if has_own_tpm(root) else []),
    ]
    seen = states_of(guest.node, config.ssh, wanted, timeout_s=timeout_s) if wanted else {}
    images = tuple(disk.source for disk in disks_of(root) if disk.source)
    return Parts(tuple(path for path in wanted if path in seen), shared, images)


def keep_state(
    config: Config,
    guest: Guest,
    store: Store,
    paths: tuple[PurePosixPath, ...],
    snapshots: Snapshots,
    autostart: bool,
    checkpoints: tuple[str, ...] = (),
) -> Kept | None:
    """Copy these paths of the guest's node, and the rest, to the store; None if there is nothing to keep.

    What was kept of an earlier guest of that name goes to the trash. Raises Failed, or OSError from the store.
    """
    directory = kept_directory(store, guest.name)
    if (directory / _RECORD).exists():
        discard(store, guest.name)
    if not (paths or snapshots.xmls or checkpoints or autostart):
        return None
    archive = packed(guest.node, config.ssh, paths) if paths else None
    directory.parent.parent.mkdir(mode=0o755, exist_ok=True)
    directory.parent.mkdir(mode=0o700, exist_ok=True)
    remove_tree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    if archive is not None:
        write_whole(directory / "state.tar", archive, mode=_MODE)
    for number, xml in enumerate(snapshots.xmls):
        write_whole(_file_of(directory, "snapshot", number), xml, mode=_MODE)
    for number, xml in enumerate(checkpoints):
        write_whole(_file_of(directory, "checkpoint", number), xml, mode=_MODE)
    record = {
        "guest": guest.name,
        "uuid": guest.uuid,
        "node": guest.node.name,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "paths": [str(path) for path in paths],
        "snapshots": len(snapshots.xmls),
        "current_snapshot": snapshots.current,
        "checkpoints": len(checkpoints),
        "autostart": autostart,
    }
    write_whole(directory / _RECORD, json.dumps(record, indent=1) + "\n", mode=_MODE)
    sync_directory(directory.parent)
    return Kept(directory, guest.uuid, paths, snapshots, autostart, checkpoints)


def clear_partial(store: Store, name: str) -> None:
    """Remove what was begun to be kept of a guest, and is not whole."""
    directory = kept_directory(store, name)
    if not (directory / _RECORD).exists():
        remove_tree(directory, ignore_errors=True)


def kept_for(store: Store, name: str, uuid: str) -> Kept | None:
    """What is kept of this very guest. Raises Failed where its record can't be read."""
    directory = kept_directory(store, name)
    if not (directory / _RECORD).exists():
        return None
    try:
        record = json.loads((directory / _RECORD).read_text(encoding="utf-8"))
        if record["uuid"] != uuid:
            return None
        snapshots = Snapshots(_read(directory, "snapshot", record["snapshots"]), record["current_snapshot"])
        checkpoints = _read(directory, "checkpoint", record.get("checkpoints", 0))
        paths = tuple(PurePosixPath(path) for path in record["paths"])
        return Kept(directory, uuid, paths, snapshots, bool(record["autostart"]), checkpoints)
    except (ValueError, KeyError, TypeError, OSError) as problem:
        raise Failed(
            f"{name}: what is kept of it in {directory} can't be read: {problem!a}",
            hint="look into it; moved away, the guest is defined without its NVRAM and snapshots",
        ) from None


def bring_back_files(config: Config, guest: Guest, kept: Kept) -> None:
    """Put the kept files where its node, now this one, looks for them; before the guest is started."""
    if kept.paths:
        unpack(guest.node, config.ssh, (kept.directory / "state.tar").read_bytes(), kept.paths)


def bring_back_rest(guest: Guest, kept: Kept) -> None:
    """Describe the guest's snapshots and checkpoints to its libvirt again, and let it start with its node if it did."""
    within(CALL_TIMEOUT_S, str(guest), lambda: describe_again(guest, kept.snapshots))
    within(CALL_TIMEOUT_S, str(guest), lambda: describe_checkpoints_again(guest, kept.checkpoints))
    if kept.autostart:
        within(CALL_TIMEOUT_S, str(guest), lambda: start_with_node(guest))


def forget(kept: Kept) -> None:
    """Remove what was kept, now that the guest has it again: a later state must not be overwritten by it."""
    (kept.directory / _RECORD).unlink()
    remove_tree(kept.directory)


def discard(store: Store, name: str) -> None:
    """Move what is kept of a guest of that name to the trash: it has grown old, or is another guest's."""
    place = trash_place(store, name)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    place.mkdir(mode=0o700)
    kept_directory(store, name).rename(place / "kept")


def _read(directory: Path, kind: str, count: int) -> tuple[str, ...]:
    return tuple(_file_of(directory, kind, number).read_text(encoding="utf-8") for number in range(int(count)))


def _file_of(directory: Path, kind: str, number: int) -> Path:
    return directory / f"{kind}-{number:04}.xml"
