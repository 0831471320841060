"""Whose the images are, before and after a move: given to QEMU where it could not open them, and looked after."""

import stat
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vme.actions.migrate.precheck.needs import Needs
from vme.actions.migrate.precheck.offers import Offer
from vme.actions.migrate.precheck.reasons_storage import store_of
from vme.config import Node, SshConfig, Store
from vme.errors import Failed
from vme.node.files import FileState, states_of
from vme.records import dataclass
from vme.store.files import hand_to
from vme.store.layout import seen_here

_LOOK_AGAIN_S = 0.2


@dataclass(frozen=True)
class ImageOwner:
    """An image as this server sees it, and whose it is to be; `was` says whose it is now, if that is to change."""

    path: Path
    on_node: PurePosixPath
    uid: int
    gid: int
    mode: int
    was: str | None = None

    def __str__(self) -> str:
        return f"{self.path} {self.uid}:{self.gid} {self.mode:04o}"


def owners_of(needs: Needs, stores: Sequence[Store], destination: Offer) -> tuple[ImageOwner, ...]:
    """Whose each image is to be that the guest writes to: whose it is, or QEMU's, where QEMU could not open it."""
    host = destination.told.host if destination.told is not None else None
    sight = destination.sight
    if sight is None:
        return ()
    owners = []
    for file in needs.files:
        store, there = store_of(file.path, stores), sight.files.get(file.path)
        here = seen_here(store, file.path) if store is not None else None
        if not file.writes or here is None or there is None:
            continue
        # Where libvirt gives images to QEMU itself, it does so when the guest arrives.
        ours = sight.conf is not None and not sight.conf.dynamic_ownership and needs.owner is None
        if host is None or host.uid is None or host.gid is None or there.lets_write(host.uid, host.gid) or not ours:
            owners.append(ImageOwner(here, file.path, there.uid, there.gid, there.mode))
        else:
            owners.append(ImageOwner(here, file.path, host.uid, host.gid, there.mode | 0o600, was=there.owner))
    return tuple(owners)


def give_owners(owners: Sequence[ImageOwner], node: Node, ssh: SshConfig, *, timeout_s: float) -> None:
    """Give the images to QEMU that it could not open, and wait until the node knows. Raises Failed, Silent.

    A client of a store remembers an owner for a second or so: until then the node would refuse QEMU the image.
    """
    given = [owner for owner in owners if owner.was is not None]
    for owner in given:
        try:
            hand_to(owner.path, owner.uid, owner.gid, owner.mode)
        except OSError as problem:
            raise Failed(
                f"{owner.path} can't be given to {owner.uid}:{owner.gid}: {problem.strerror}",
                hint="nothing moved; see to its owner on the storage server",
            ) from None
    deadline_s = time.monotonic() + timeout_s
    while given:
        seen = states_of(node, ssh, [owner.on_node for owner in given], timeout_s=timeout_s)
        given = [owner for owner in given if not _is_so(owner, seen.get(owner.on_node))]
        if given and time.monotonic() > deadline_s:
            raise Failed(
                f"{given[0]} was given to QEMU, and {node.name} still sees another owner after {timeout_s:g} s",
                hint="nothing moved; see how the store is mounted there",
            )
        time.sleep(_LOOK_AGAIN_S if given else 0)


def _is_so(owner: ImageOwner, seen: FileState | None) -> bool:
    return seen is not None and (seen.uid, seen.gid, seen.mode) == (owner.uid, owner.gid, owner.mode)


def keep_owners(owners: Sequence[ImageOwner]) -> list[str]:
    """Look whether the images are still whose they are to be, and set it right where they are not; says what was so.

    Call it after the move. Raises Failed where it can't be set right.
    """
    changed = []
    for owner in owners:
        try:
            state = owner.path.lstat()
            if not stat.S_ISREG(state.st_mode):
                continue  # a link: whose that is says nothing, and what it leads to is not QEMU's to be given
            if (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (owner.uid, owner.gid, owner.mode):
                continue
            hand_to(owner.path, owner.uid, owner.gid, owner.mode)
        except OSError as problem:
            raise Failed(
                f"{owner.path} is no longer {owner.uid}:{owner.gid} {owner.mode:04o}: {problem.strerror}",
                hint=f"as root: chown {owner.uid}:{owner.gid} it, or the guest's disk goes read-only",
            ) from None
        changed.append(f"{owner} (it had become {state.st_uid}:{state.st_gid} {state.st_mode & 0o7777:04o})")
    return changed
