"""What speaks against a destination because of files: is it the same store, and may a guest move on it? Pure."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from vme.actions.migrate.precheck.needs import NeededFile, Needs
from vme.actions.migrate.precheck.offers import Offer
from vme.actions.migrate.precheck.reason import Reason
from vme.config import Store
from vme.node.mounts import Mount, mount_of, taken_for_shared
from vme.node.sight import Sight, may_be_asked
from vme.store.layout import seen_here
from vme.store.nonce import Nonce

_SAFE_CACHES = ("none", "directsync")


def reasons_of_storage(
    needs: Needs, stores: Sequence[Store], nonces: Sequence[Nonce], source: Offer, destination: Offer
) -> list[Reason]:
    """Everything about the guest's files, for these stores of its zone and what was put on them as a proof."""
    used = {store for file in needs.files if (store := store_of(file.path, stores)) is not None}
    found = [
        reason for nonce in nonces if nonce.store in used for reason in reasons_of_nonce(nonce, source, destination)
    ]
    found += not_a_file(needs)
    for file in needs.files:
        found += _places(needs, file, stores, source, destination)
        if needs.live and file.writes and source.sight is not None:
            found += _file_system(file, source.node.name, source.sight)
            found += _cache(file, source, destination)
    return found


def store_of(path: PurePosixPath, stores: Sequence[Store]) -> Store | None:
    """The shared store that a file of a node lies on, as the configuration has it."""
    return next((store for store in stores if store.shared and seen_here(store, path) is not None), None)


def not_a_file(needs: Needs) -> Iterator[Reason]:
    """Disks that are no files."""
    for disk in needs.other_disks:
        text = f"disk {disk.target} is not a file ({disk.source_kind}), which is not known to be shared"
        yield Reason("not-a-file", text, "a move of such a disk is yours to do: vme virsh migrate")


def reasons_of_nonce(nonce: Nonce, *offers: Offer) -> Iterator[Reason]:
    """Whether each of these nodes sees the very store that this server sees, and may write to it."""
    store, here = nonce.store, nonce.store.management_path
    if nonce.problem is not None:
        text = f"virt-store {store.name} can't be proven: this server can't write to {here} ({nonce.problem})"
        yield Reason("store-here", text, "see to its mount, owner and mode on this server")
        return
    for offer in offers:
        if offer.sight is None:
            continue
        node, mount = offer.node.name, mount_of(store.node_path, offer.sight.mounts)
        if offer.sight.nonces.get(nonce.path) != nonce.text:
            text = f"{store.node_path} on {node} is not the virt-store {store.name} that this server has at {here}"
            yield Reason("store-differs", f"{text} ({_mounted(mount)})", f"mount the same store on {node}")
        elif mount is not None and mount.read_only:
            text = f"virt-store {store.name} is mounted read-only on {node}"
            yield Reason("store-read-only", text, f"mount -o remount,rw {mount.point} there")


def _mounted(mount: Mount | None) -> str:
    return "nothing is mounted there" if mount is None else f"there is {mount.type} from {mount.source}"


def _places(
    needs: Needs, file: NeededFile, stores: Sequence[Store], source: Offer, destination: Offer
) -> Iterator[Reason]:
    """Whether the destination has the file at all."""
    zone, node = needs.guest.node.zone, destination.node.name
    if not may_be_asked(str(file.path)):
        yield Reason(
            "path", f"{file.what} has a name that no node can be asked about ({str(file.path)!a})", "rename it"
        )
        return
    store = store_of(file.path, stores)
    if store is None and file.writes:
        text = f"{file.path} is not on a virt-store of zone {zone}, so {node} would not have it"
        yield Reason("not-shared", text, f"move {file.what} onto the store first")
        return
    if destination.sight is None:
        return
    there = destination.sight.files.get(file.path)
    if there is None:
        mend = "is the virt-store mounted there?" if store else f"copy it there, or detach {file.what}"
        yield Reason("missing", f"{node} does not see {file.path}", mend)
    elif store is None and source.sight is not None:
        here = source.sight.files.get(file.path)
        if here is not None and here.size_bytes != there.size_bytes:
            text = f"{file.path} ({file.what}) on {node} is another than on {source.node.name}"
            yield Reason("file-differs", text, "copy it there")


def _file_system(file: NeededFile, node: str, sight: Sight) -> Iterator[Reason]:
    """What libvirt on the source will say: it asks there only, and goes by the type of the file system."""
    mount = mount_of(file.path, sight.mounts)
    if mount is None or known_as_shared(file.path, sight):
        return
    mend = (
        "mount it by a type that it knows (fuse.glusterfs, nfs, ceph), or name it in shared_filesystems of "
        f"{node}'s qemu.conf, if libvirt there is new enough to know that"
    )
    text = f"libvirt on {node} does not take {mount.type} for shared storage ({file.what} lies on {mount.point})"
    yield Reason("file-system", f"{text}, and does not move the guest", mend)


def known_as_shared(path: PurePosixPath, sight: Sight) -> bool:
    """Whether libvirt on that node takes the file system of a path for shared, by its type or because it is told so."""
    named = sight.conf.shared_filesystems if sight.conf is not None else ()
    return taken_for_shared(path, sight.mounts) or any(path.is_relative_to(prefix) for prefix in named)


def _cache(file: NeededFile, source: Offer, destination: Offer) -> Iterator[Reason]:
    mount = mount_of(file.path, source.sight.mounts) if source.sight is not None else None
    if mount is None or mount.is_coherent or file.shareable or file.cache in _SAFE_CACHES:
        return
    text = f"{file.what} has cache mode {file.cache or 'default'} on {mount.type}, whose caches are each node's own"
    mend = "give it cache none or directsync (edit_guest), and start it anew"
    # QEMU from 4.0 on drops its node's cache when a guest arrives (-blockdev file,drop-cache=on), and libvirt knows it.
    qemus = [offer.told.report.facts.qemu_version for offer in (source, destination) if offer.told is not None]
    knows = len(qemus) == 2 and all(int(version.split(".")[0]) >= 4 for version in qemus)
    yield Reason("cache", text, mend, warns=knows and file.cache != "unsafe")
