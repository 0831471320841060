"""What a node has of a guest beside its definition travels with it: snapshots, checkpoints, autostart; NVRAM and TPM.

It is kept on the store first (actions.kept_state), and brought back to wherever the guest is afterwards: to the
destination, or to the source when it stays. All of it may be done twice, so `vme repair` does the same.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from vme.actions.kept_state import Kept, bring_back_files, bring_back_rest, clear_partial, forget, keep_state, kept_for
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.migrate.storage.route import Route
from vme.actions.undo import CALL_TIMEOUT_S
from vme.config import Config, Store
from vme.errors import Failed, VmeError
from vme.fleet.deadline import within
from vme.hypervisor.domain_xml import image_paths, parse
from vme.hypervisor.guest import Guest, persistence_of
from vme.hypervisor.snapshots import Snapshots, checkpoints_of, forget_snapshots, snapshots_of
from vme.records import dataclass, replace
from vme.store.history import history_store
from vme.store.layout import seen_here

# Steps of the journal's entry; from the second on, what is kept on the store is whole and of this migration.
KEEPING = "keeping what travels with it on the store"
TAKING_DOWN = "taking its snapshots' descriptions down at the source"
MOVING = "moving it"
BRINGING_BACK = "giving it back what was kept on the store"


@dataclass(frozen=True)
class Baggage:
    """What libvirt of a node has of a guest beside its definition, and does not move itself."""

    snapshots: Snapshots
    checkpoints: tuple[str, ...]
    autostart: bool
    has_saved_memory: bool = False

    def __bool__(self) -> bool:
        return bool(self.snapshots.xmls or self.checkpoints or self.autostart)

    def __str__(self) -> str:
        snapshots, checkpoints = len(self.snapshots.xmls), len(self.checkpoints)
        parts = [
            *([f"{snapshots} snapshot(s)"] if snapshots else []),
            *([f"{checkpoints} checkpoint(s)"] if checkpoints else []),
            *(["autostart"] if self.autostart else []),
        ]
        return f"with its {', '.join(parts)}"

    def lines(self) -> list[str]:
        """What travels, for a plan."""
        snapshots, checkpoints = map(_names, (self.snapshots.xmls, self.checkpoints))
        return [
            *([f"  its snapshots travel: {snapshots}"] if snapshots else []),
            *([f"  its checkpoints travel: {checkpoints}"] if checkpoints else []),
            *(["  it starts with its node there too"] if self.autostart else []),
        ]


def baggage_of(guest: Guest, timeout_s: float) -> Baggage:
    """Ask the guest's node for it."""
    snapshots = within(timeout_s, str(guest), lambda: snapshots_of(guest))
    persistence = within(timeout_s, str(guest), lambda: persistence_of(guest))
    checkpoints = within(timeout_s, str(guest), lambda: checkpoints_of(guest)) if persistence.checkpoints else ()
    return Baggage(snapshots, checkpoints, persistence.autostart, persistence.has_saved_memory)


def reasons_not_to_travel(stores: Sequence[Store], baggage: Baggage) -> list[Reason]:
    """What would be lost: a managed save, and files of snapshots that only their node has.

    Those are an image below, or the memory of an external one; what an internal one has is in the images.
    """
    reasons = []
    if baggage.has_saved_memory:
        text = "has a managed save, its memory, which libvirt reads on this node only"
        reasons.append(Reason("saved-memory", text, "start_guest it, and it moves live"))
    for xml in baggage.snapshots.xmls:
        for path in sorted(image_paths(xml) | memory_files(xml)):
            if all(not store.shared or seen_here(store, PurePosixPath(path)) is None for store in stores):
                text = f"its snapshot {_name(xml)} has {path}, which is on no shared virt-store"
                reasons.append(Reason("snapshot", text, "delete that snapshot first"))
    return reasons


def keep(config: Config, guest: Guest, baggage: Baggage, paths: tuple[PurePosixPath, ...] = ()) -> Kept | None:
    """Keep it on the store, with these files of the node; None if there is nothing. Raises Failed, OSError."""
    store = _store_of(config, guest)
    try:
        return keep_state(config, guest, store, paths, baggage.snapshots, baggage.autostart, baggage.checkpoints)
    except (VmeError, OSError):
        clear_partial(store, guest.name)
        raise


def files_kept(config: Config, guest: Guest, route: Route | None = None) -> tuple[PurePosixPath, ...]:
    """The node's own files of the guest that the store keeps, by their path on the node."""
    kept = _kept(config, guest, route)
    return () if kept is None else kept.paths


def drop(config: Config, guest: Guest) -> None:
    """Let the store keep nothing of it: whatever was to travel is still with the guest."""
    store = _store_of(config, guest)
    clear_partial(store, guest.name)
    kept = kept_for(store, guest.name, guest.uuid)
    if kept is not None:
        forget(kept)


def take_down(guest: Guest) -> None:
    """Let the source's libvirt forget the guest's snapshots, with which it would not move it. They must be kept."""
    within(CALL_TIMEOUT_S, str(guest), lambda: forget_snapshots(guest))


def lay_ready(config: Config, guest: Guest, route: Route | None = None) -> None:
    """Give a guest that is shut off its files, snapshots and checkpoints, while it is defined on another node as well.

    Not its autostart: two nodes that start again must not both start it.
    """
    kept = _kept(config, guest, route)
    if kept is not None:
        bring_back_files(config, guest, kept)
        bring_back_rest(guest, replace(kept, autostart=False))


def bring_back(config: Config, guest: Guest, route: Route | None = None) -> None:
    """Give the guest, where it is now, what is kept of it; look that it has all; then the store keeps it no more.

    With a `route` it is kept on the store that the guest leaves or has left.

    Its NVRAM and TPM state too, but where it runs: then QEMU has them. Does nothing where nothing is kept. Raises
    Failed, leaving it on the store.
    """
    kept = _kept(config, guest, route)
    if kept is None:
        return
    if not guest.active:
        bring_back_files(config, guest, kept)
    bring_back_rest(guest, kept)
    _verify(guest, kept)
    forget(kept)


def _kept(config: Config, guest: Guest, route: Route | None) -> Kept | None:
    """What is kept of the guest; at the end of a route its descriptions are of images on the store there."""
    zone = guest.node.zone if route is None else route.home.zone
    kept = kept_for(history_store(config.zone(zone).stores, guest.name), guest.name, guest.uuid)
    if kept is None or route is None or guest.node.zone == zone:
        return kept
    snapshots = Snapshots(tuple(map(route.moved_xml, kept.snapshots.xmls)), kept.snapshots.current)
    return replace(kept, snapshots=snapshots, checkpoints=tuple(map(route.moved_xml, kept.checkpoints)))


def _verify(guest: Guest, kept: Kept) -> None:
    has = baggage_of(guest, CALL_TIMEOUT_S)
    wanted = Baggage(kept.snapshots, kept.checkpoints, kept.autostart)
    missing = [
        what
        for what, is_so in (
            ("its snapshots", _shape(has.snapshots) == _shape(wanted.snapshots)),
            ("its checkpoints", set(map(_name, has.checkpoints)) == set(map(_name, wanted.checkpoints))),
            ("its autostart", has.autostart or not wanted.autostart),
        )
        if not is_so
    ]
    if missing:
        raise Failed(
            f"{guest}: libvirt took {' and '.join(missing)}, and does not show the same", hint=f"see {kept.directory}"
        )


def _shape(snapshots: Snapshots) -> tuple[frozenset[tuple[str, str | None]], str | None]:
    """Name and parent of each, and the current one."""
    names = [_name(xml) for xml in snapshots.xmls]
    parents = [parse(xml).findtext("parent/name") for xml in snapshots.xmls]
    return frozenset(zip(names, parents, strict=True)), (
        None if snapshots.current is None else names[snapshots.current]
    )


def memory_files(xml: str) -> frozenset[str]:
    """The files in which a snapshot that is not in the images has the guest's memory."""
    files = (memory.get("file") for memory in parse(xml).iterfind("memory"))
    return frozenset(file for file in files if file)


def _name(xml: str) -> str:
    return parse(xml).findtext("name", "?")


def _names(xmls: Sequence[str]) -> str:
    return ", ".join(map(_name, xmls))


def _store_of(config: Config, guest: Guest) -> Store:
    return history_store(config.zone(guest.node.zone).stores, guest.name)
