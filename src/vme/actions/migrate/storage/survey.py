"""Looking at a guest's directory before it moves to another store: what goes along, and what speaks against that."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from vme.actions.migrate.precheck.needs import Needs
from vme.actions.migrate.precheck.offers import Offer
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.migrate.storage.passage import Passage, Piece, Way
from vme.actions.migrate.storage.route import Route
from vme.actions.migrate.travel import memory_files
from vme.config import Store
from vme.errors import Failed
from vme.hypervisor.domain_xml import Disk, describe
from vme.records import dataclass
from vme.store.chain import images_below
from vme.store.confined import reasons_leading_out
from vme.store.files import remains_of
from vme.store.images import ImageFacts, bytes_to_copy, facts_of_image
from vme.store.layout import saved_xml_file, seen_by_nodes

_BLOCK_BYTES = 512


@dataclass(frozen=True)
class Surveyed:
    """What was found; `passage` is None where the directory can't be looked into."""

    passage: Passage | None
    reasons: tuple[Reason, ...]


def survey(needs: Needs, route: Route, stores: Sequence[Store], source: Offer, destination: Offer) -> Surveyed:
    """Look at each file of the guest's directory, on this server. `stores`: of the zone it leaves. May hang."""
    look = _Look(needs, route, tuple(stores), _Owners(source, destination, needs))
    try:
        pieces = tuple(look.pieces())
        state = route.directory.stat()
    except (OSError, Failed) as problem:
        mend = "see to it on this server"
        return Surveyed(None, (Reason("store-here", f"{route.directory} can't be looked into: {problem}", mend),))
    uid, gid = look.owners.moved(state)
    reasons = [*look.reasons, *look.snapshots(pieces)]
    if os.geteuid() != 0:
        reasons.append(Reason("owner", "its files must be given to QEMU's user, and only root may", "run this as root"))
    return Surveyed(Passage(route, pieces, uid, gid, stat.S_IMODE(state.st_mode)), tuple(dict.fromkeys(reasons)))


class _Owners:
    """Whose a file is at the other end: what is QEMU's here is QEMU's there, whatever numbers that is."""

    def __init__(self, source: Offer, destination: Offer, needs: Needs) -> None:
        here = source.told.host if source.told is not None else None
        there = destination.told.host if destination.told is not None else None
        pairs = () if here is None or there is None else ((here.uid, there.uid), (here.gid, there.gid))
        self._user, self._group = ({old: new} for old, new in pairs) if pairs else ({}, {})
        self._qemu = None if there is None or needs.owner is not None else (there.uid, there.gid)

    def moved(self, state: os.stat_result, *, written: bool = False) -> tuple[int, int]:
        uid, gid = self._user.get(state.st_uid), self._group.get(state.st_gid)
        if written and self._qemu is not None and None not in self._qemu:
            uid, gid = self._qemu
        return state.st_uid if uid is None else uid, state.st_gid if gid is None else gid


class _Look:
    def __init__(self, needs: Needs, route: Route, stores: tuple[Store, ...], owners: _Owners) -> None:
        self._needs = needs
        self._route = route
        self._stores = stores
        self.owners = owners
        self.reasons: list[Reason] = []
        description = describe(needs.movable.xml)
        own = seen_by_nodes(route.home, route.directory)
        files = [disk for disk in description.disks if disk.source and disk.source_kind == "file"]
        self._disks = {PurePosixPath(disk.source or "/"): disk for disk in files}
        self._written = {file.path for file in needs.files if file.writes}
        self._own = own
        self._below = {
            path
            for image, disk in self._disks.items()
            if image.parent == own
            for path in (*map(PurePosixPath, disk.backing), *images_below(image, stores))
        }

    def pieces(self) -> Iterator[Piece]:
        """A piece for each file that goes along."""
        self._outside()
        saved = saved_xml_file(self._route.home, self._route.guest)
        left = {saved, *remains_of(saved)}
        for path in sorted(self._route.directory.iterdir()):
            on_nodes = self._own / path.name
            if path in left or (on_nodes in self._below and on_nodes not in self._disks):
                continue
            state = path.lstat()
            if not stat.S_ISREG(state.st_mode):
                text = f"{path} is no plain file"
                self.reasons.append(Reason("not-plain", text, "move it out of the guest's directory"))
                continue
            yield self._piece(path, state, self._disks.get(on_nodes))

    def _outside(self) -> None:
        for file in self._needs.files:
            if file.writes and file.path.parent != self._own:
                text = f"{file.path} ({file.what}) lies outside of {self._own}, the guest's own directory"
                self.reasons.append(Reason("not-own", text, "move it there, or detach it"))
        for disk in self._disks.values():
            if disk.shareable:
                text = f"disk {disk.target} is shareable: others may have it open"
                self.reasons.append(Reason("shared-disk", text, "detach it first"))

    def _piece(self, path: Path, state: os.stat_result, disk: Disk | None) -> Piece:
        written = self._own / path.name in self._written
        uid, gid = self.owners.moved(state, written=written)
        mode = stat.S_IMODE(state.st_mode) | (0o600 if written else 0)
        size = state.st_blocks * _BLOCK_BYTES
        plain = Piece(path.name, Way.COPIED, size, uid, gid, mode)
        if disk is None:
            return plain
        form = disk.format or "raw"
        facts = facts_of_image(path, form)
        way = self._way(facts, disk, written=written)
        if way is Way.COPIED:
            return Piece(path.name, way, size, uid, gid, mode, form, facts.virtual_bytes, disk.target)
        if way is Way.FLATTENED:
            for text in reasons_leading_out(path, form, self._stores):
                self.reasons.append(Reason("leads-out", text, "see who put that there"))
        needed = bytes_to_copy(path, form, form)
        return Piece(path.name, way, needed, uid, gid, mode, form, facts.virtual_bytes, disk.target)

    def _way(self, facts: ImageFacts, disk: Disk, *, written: bool) -> Way:
        if facts.data_file is not None:
            text = f"disk {disk.target} keeps its data in another file ({facts.data_file!a})"
            self.reasons.append(Reason("data-file", text, "copy it into one image first: qemu-img convert"))
        if self._needs.live and written:
            return Way.MIRRORED
        if facts.backing is None:
            return Way.COPIED
        if self._needs.live:
            text = f"{disk.device} {disk.target} has an image below it, and is in use"
            self.reasons.append(Reason("below", text, "shut it down first: then it is copied into one image"))
        return Way.FLATTENED

    def snapshots(self, pieces: Sequence[Piece]) -> Iterator[Reason]:
        """Snapshots lie in the images: a plain copy has them, and no other way takes them along."""
        baggage = self._needs.baggage
        what = [
            *([f"{len(baggage.snapshots.xmls)} snapshot(s)"] if baggage.snapshots.xmls else []),
            *([f"{len(baggage.checkpoints)} checkpoint(s)"] if baggage.checkpoints else []),
        ]
        if not what:
            return
        text = f"has {' and '.join(what)}"
        for xml in baggage.snapshots.xmls:
            for path in sorted(memory_files(xml)):
                if PurePosixPath(path).parent != self._own:
                    yield Reason("snapshot", f"a snapshot of it has {path}, which does not go along", "delete it first")
        if self._needs.live:
            yield Reason(
                "snapshot",
                f"{text}, which don't go along while it runs",
                "shut it down first, then they do; or delete them",
            )
        elif any(piece.way is Way.FLATTENED for piece in pieces):
            names = ", ".join(piece.target for piece in pieces if piece.way is Way.FLATTENED)
            yield Reason(
                "snapshot", f"{text}, and images below {names}, which would be copied into one", "delete them first"
            )
