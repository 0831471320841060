"""What speaks against a move because of owners: ids that differ, images that change hands under the guest. Pure."""

from collections.abc import Iterator, Sequence

from vme.actions.migrate.precheck.needs import NeededFile, Needs
from vme.actions.migrate.precheck.offers import Offer
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.migrate.precheck.reasons_storage import known_as_shared, store_of
from vme.config import Store
from vme.node.mounts import mount_of

QEMU_CONF = "/etc/libvirt/qemu.conf"


def reasons_of_ownership(
    needs: Needs, stores: Sequence[Store], source: Offer, destination: Offer, *, may_set: bool
) -> list[Reason]:
    """Everything about whose the images are. `may_set`: this server can mend an image's owner itself."""
    found = list(_users(needs, source, destination))
    for file in needs.files:
        if file.writes:
            found += _view(file, source, destination)
            found += _readable(file, needs, destination, may_set=may_set and store_of(file.path, stores) is not None)
            if needs.live:
                found += _changes_hands(file, source)
    return found


def _users(needs: Needs, source: Offer, destination: Offer) -> Iterator[Reason]:
    here = source.told.host if source.told is not None else None
    there = destination.told.host if destination.told is not None else None
    if here is None or there is None or needs.owner is not None or None in (here.uid, there.uid):
        return
    if (here.uid, here.gid) != (there.uid, there.gid):
        text = (
            f"QEMU is {here.uid}:{here.gid} on {source.node.name} and {there.uid}:{there.gid} on "
            f"{destination.node.name}, and the store knows numbers only"
        )
        yield Reason("ids", text, "give QEMU's user and group the same numbers on all nodes, or name them by numbers")


def _view(file: NeededFile, source: Offer, destination: Offer) -> Iterator[Reason]:
    """Both nodes must see the same owner: a store that maps ids gives the guest's image to someone else."""
    if source.sight is None or destination.sight is None:
        return
    here, there = source.sight.files.get(file.path), destination.sight.files.get(file.path)
    if here is not None and there is not None and here.owner != there.owner:
        text = f"{file.path} is {here.owner} on {source.node.name} and {there.owner} on {destination.node.name}"
        yield Reason("owner-differs", text, "mount the store with the same mapping of ids on both")


def _readable(file: NeededFile, needs: Needs, destination: Offer, *, may_set: bool) -> Iterator[Reason]:
    host = destination.told.host if destination.told is not None else None
    sight, node = destination.sight, destination.node.name
    there = sight.files.get(file.path) if sight is not None else None
    if sight is None or there is None or host is None or host.uid is None or host.gid is None:
        return
    # With dynamic_ownership libvirt itself gives the image to QEMU's user when the guest arrives.
    given = needs.owner is not None or (sight.conf is not None and sight.conf.dynamic_ownership and file.relabelled)
    if given or there.lets_write(host.uid, host.gid):
        return
    text = f"{file.path} is {there.owner}, and QEMU on {node} is {host.uid}:{host.gid}"
    if may_set:
        yield Reason("owner", text, "it is given to QEMU before the guest moves", warns=True)
    else:
        yield Reason("owner", text, f"chown {host.uid}:{host.gid} and chmod u+rw it, as root on this server")


def _changes_hands(file: NeededFile, source: Offer) -> Iterator[Reason]:
    """At the end of a move the source takes its images back unless it knows that they lie on shared storage.

    They change hands under the running guest then, and its disks go read-only (virSecurityDACRestoreImageLabelInt).
    """
    sight, node = source.sight, source.node.name
    if sight is None or not file.relabelled or known_as_shared(file.path, sight):
        return
    mount = mount_of(file.path, sight.mounts)
    kind = mount.type if mount is not None else "an unknown file system"
    if sight.conf is None:
        text = f"{node}'s {QEMU_CONF} can't be read: with dynamic_ownership {file.path} on {kind} would change hands"
        yield Reason("dynamic-ownership", text, "let our ssh user read it")
    elif sight.conf.dynamic_ownership:
        text = (
            f"libvirt on {node} has dynamic_ownership = 1 (its default) and does not know {kind} as shared: "
            f"at the end of a move it would take {file.path} from the running guest"
        )
        yield Reason(
            "dynamic-ownership", text, f"set dynamic_ownership = 0 (not 1) in {QEMU_CONF} and restart libvirtd"
        )
