"""Which file system a path of a node lies on, and what libvirt makes of it."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from vme.records import dataclass

# File systems that libvirt takes for shared (virFileIsSharedFS, 9.0.0), as /proc/self/mounts calls them. Newer libvirt
# knows more of them by `shared_filesystems` of qemu.conf only.
_SHARED = frozenset(
    (
        "nfs",
        "nfs4",
        "gfs2",
        "ocfs2",
        "afs",
        "smbfs",
        "cifs",
        "ceph",
        "gpfs",
        "acfs",
        "beegfs",
        "fuse.glusterfs",
        "fuse.quobyte",
    )
)
# Of these the ones with caches so coherent that a disk's cache mode does not matter (virFileIsClusterFS).
_COHERENT = frozenset(("gfs2", "ocfs2", "ceph", "fuse.glusterfs"))


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mounts."""

    source: str
    point: PurePosixPath
    type: str
    read_only: bool

    @property
    def is_coherent(self) -> bool:
        """Whether libvirt lets a guest with any cache mode migrate on it."""
        return self.type in _COHERENT


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The mounts in their order (proc(5))."""
    mounts = []
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 4:
            source, point, kind, options = fields[:4]
            mounts.append(Mount(_plain(source), PurePosixPath(_plain(point)), kind, "ro" in options.split(",")))
    return tuple(mounts)


def mount_of(path: PurePosixPath, mounts: Sequence[Mount]) -> Mount | None:
    """The mount a path lies on: the nearest above it, and of two at one place the later, which hides the other."""
    return _nearest(path, tuple(reversed(mounts)))


def taken_for_shared(path: PurePosixPath, mounts: Sequence[Mount]) -> bool:
    """Whether libvirt takes the file system of a path for shared between machines.

    It asks the kernel (statfs), and of FUSE the table of mounts; there it goes by the first at one place, which may be
    the one that is hidden.
    """
    mount = mount_of(path, mounts)
    if mount is not None and mount.type.partition(".")[0] == "fuse":
        mount = _nearest(path, mounts)
    return mount is not None and mount.type in _SHARED


def _nearest(path: PurePosixPath, mounts: Sequence[Mount]) -> Mount | None:
    """The first of those with the longest mount point above the path."""
    above = [mount for mount in mounts if mount.point == path or mount.point in path.parents]
    return max(above, key=lambda mount: len(mount.point.parts), default=None)


def _plain(field: str) -> str:
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
