"""The clients' side of the stores: the nodes' /srv/vme and the management side's /srv/vme/ZONE."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.host import init_of, must_on, powered, root_of, run_on
from lab.place import Lab
from lab.process_table import processes_in
from lab.topology import Host, Role


@dataclass(frozen=True, slots=True)
class Mount:
    """A zone's store where a host has it."""

    zone: str
    path: str


def mounts_of(lab: Lab, host: Host) -> tuple[Mount, ...]:
    """The stores this host mounts when it is well."""
    if not lab.topology.has_stores:
        return ()
    if host.role is Role.NODE:
        return (Mount(lab.topology.zone_of(host).name, "/srv/vme"),)
    if host.role is Role.MANAGEMENT:
        return tuple(Mount(zone.name, f"/srv/vme/{zone.name}") for zone in lab.topology.zones)
    return ()


def chosen(lab: Lab, host: Host, zone: str | None) -> tuple[Mount, ...]:
    """The host's stores, or only that of one zone. Raise LabError if it has none."""
    if zone:
        lab.zone(zone)
    found = tuple(mount for mount in mounts_of(lab, host) if zone in (None, mount.zone))
    if not found:
        raise LabError(f"{host.name} mounts no store" + (f" of zone {zone}" if zone else ""))
    return found


# A QEMU that takes a guest over must see at once how large its images have become (docs/migrate.md).
OPTIONS = "attribute-timeout=0,entry-timeout=0"


def mount(lab: Lab, host: Host, which: Mount) -> None:
    """Mount the store if it isn't mounted. A mount whose process has died is replaced."""
    if is_mounted(lab, host, which):
        if has_server_process(lab, host, which):
            return
        unmount(lab, host, which)
    (root_of(powered(lab, host)) / which.path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    source = f"{lab.topology.storage.name}:/{which.zone}"
    must_on(lab, host, ["mount", "-t", "glusterfs", "-o", OPTIONS, source, which.path], timeout_s=30)


def wait_for_store(lab: Lab, host: Host, which: Mount, patience_s: float = 40) -> None:
    """Return when the store answers. A client that lost its server comes back by itself, but takes its time."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            if run_on(lab, host, ["stat", "--file-system", f"{which.path}/virt-store"], timeout_s=5).status == 0:
                return
        except LabError:
            continue
        time.sleep(0.1)
    raise LabError(f"{which.path} on {host.name} does not answer after {patience_s:g} s")


def unmount(lab: Lab, host: Host, which: Mount) -> None:
    """Take the store away; if someone is using it, from everybody who comes later."""
    if not is_mounted(lab, host, which):
        return
    # No canonical path and no look at the file system: both wait for a server that may be gone.
    polite = ["umount", "--no-canonicalize", "--internal-only", which.path]
    try:
        if run_on(lab, host, polite, timeout_s=5).status == 0:
            return
    except LabError:
        pass
    must_on(lab, host, [*polite[:-1], "--lazy", which.path], timeout_s=5)


def is_mounted(lab: Lab, host: Host, which: Mount) -> bool:
    """Whether the store is in the host's table of mounts; never waits for the store itself."""
    init = init_of(lab, host)
    if init is None:
        return False
    table = Path(f"/proc/{init}/mounts").read_text().splitlines()
    return any(line.split()[1:3] == [which.path, "fuse.glusterfs"] for line in table)


def has_server_process(lab: Lab, host: Host, which: Mount) -> bool:
    """Whether the process behind the mount is alive. Without it every access fails at once."""
    everything = processes_in(powered(lab, host))
    return any(process.is_called("glusterfs") and which.path in process.argv for process in everything)


def make_virt_stores(lab: Lab) -> None:
    """The directory for guests' images at the top of each store."""
    host = lab.topology.management
    paths = [f"{which.path}/virt-store" for which in mounts_of(lab, host)]
    must_on(lab, host, ["mkdir", "-p", "-m", "0755", *paths], timeout_s=20)


def offer_image(lab: Lab, image: Path, name: str) -> None:
    """Put an image into the library of each store, as `create_guest --image NAME` looks for it."""
    host = lab.topology.management
    for which in mounts_of(lab, host):
        library = root_of(powered(lab, host)) / which.path.lstrip("/") / "virt-store/.images"
        library.mkdir(mode=0o755, exist_ok=True)
        shutil.copy(image, library / f"{name}{image.suffix}")
