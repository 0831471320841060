"""The GlusterFS server's side: a volume for each zone, its brick on a file system of limited size."""

import contextlib
import os
from pathlib import Path

from lab import run
from lab.files import brick_mount, flat, size_limited_image
from lab.host import must_on, powered, root_of
from lab.place import Lab
from lab.process_table import processes_in
from lab.topology import Zone

SIZE_MIB = 3072
# Images of guests are no place for the client's caches, of contents or of sizes; a dead server is noticed in 10 s
# instead of 42.
# No reserve, so that a full store is full for root as well.
OPTIONS = {
    "network.ping-timeout": "10",
    "storage.reserve": "0",
    "performance.quick-read": "off",
    "performance.read-ahead": "off",
    "performance.io-cache": "off",
    "performance.stat-prefetch": "off",
    # Two, the default, can both wait for good in the handling of an interrupted lock: then the client hangs (seen).
    "client.event-threads": "16",
    "nfs.disable": "on",
}


def make_images(lab: Lab) -> None:
    """A file system for each zone's brick, unless it is there from before a power loss."""
    for zone in lab.topology.zones:
        image = lab.home_of(lab.topology.storage) / f"{zone.name}.img"
        if not image.exists():
            size_limited_image(image, SIZE_MIB)
            # No blocks for root only: GlusterFS is root, and `fill` must reach the end.
            run.must(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard,lazy_itable_init=1", str(image)])


def offer_volumes(lab: Lab) -> None:
    """Make and start the zones' volumes. After a power loss glusterd starts them itself."""
    server = lab.topology.storage
    known = lab.home_of(server) / flat("/var/lib/glusterd") / "vols"
    for zone in lab.topology.zones:
        if (known / zone.name).exists():
            continue
        options = [word for option in OPTIONS.items() for word in option]
        brick = f"{server.name}:{brick_mount(zone.name)}/brick"
        gluster(lab, "create", zone.name, brick)
        gluster(lab, "set", zone.name, *options)
        gluster(lab, "start", zone.name)


def revive_bricks(lab: Lab) -> None:
    """Start the bricks whose process has died."""
    running = processes_in(powered(lab, lab.topology.storage))
    for zone in lab.topology.zones:
        if not any(f"{brick_mount(zone.name)}/brick" in process.argv for process in running):
            gluster(lab, "start", zone.name, "force")


def gluster(lab: Lab, verb: str, *words: str) -> str:
    return must_on(lab, lab.topology.storage, ["gluster", "--mode=script", "volume", verb, *words])


def filler(lab: Lab, zone: Zone) -> Path:
    """The file that takes all space: beside the brick, so nobody sees it in the store."""
    return root_of(powered(lab, lab.topology.storage)) / brick_mount(zone.name).lstrip("/") / "filler"


def fill(lab: Lab, zone: Zone) -> None:
    """Leave no block free in the zone's store."""
    with filler(lab, zone).open("ab") as file:
        # Ever smaller pieces: an allocation takes all it asked for or nothing.
        for piece in (64 << 20, 1 << 20, 64 << 10, 4 << 10):
            with contextlib.suppress(OSError):
                while True:
                    size = os.fstat(file.fileno()).st_size
                    os.posix_fallocate(file.fileno(), size, piece)


def free(lab: Lab, zone: Zone) -> None:
    """Give back what `fill` took."""
    filler(lab, zone).unlink(missing_ok=True)


def is_full(lab: Lab, zone: Zone) -> bool:
    return filler(lab, zone).exists()
