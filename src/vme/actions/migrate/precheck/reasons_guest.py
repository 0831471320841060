"""What speaks against moving a guest anywhere: its state, what runs on it, devices that can't come along. Pure."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from vme.actions.migrate.precheck.needs import Needs
from vme.actions.migrate.precheck.reason import Reason


def reasons_of_guest(needs: Needs) -> list[Reason]:
    """Everything about the guest itself."""
    found = [*_state(needs), *_work(needs)]
    return found + list(_devices(needs.root)) if needs.live else found


def _state(needs: Needs) -> Iterator[Reason]:
    guest = needs.guest
    if guest.state == "paused" and guest.reason == "ioerror":
        mend = "see to its disks (info_guest, and room on the virt-store), then resume_guest"
        yield Reason("io-error", "is paused by an I/O error", mend)
    elif needs.live and guest.state != "running":
        yield Reason("state", f"is {guest.state} ({guest.reason})", "resume_guest first, or see why")
    for target, error in needs.movable.disk_errors:
        yield Reason("io-error", f"disk {target} has an I/O error ({error})", "see to it before the guest moves")


def _work(needs: Needs) -> Iterator[Reason]:
    if needs.movable.job_runs:
        yield Reason("job", "a job runs on it already (migration, backup or save)", "wait for its end")
    for target in needs.movable.block_jobs:
        mend = f"wait for its end, or end it: vme virsh blockjob {needs.guest.name} {target} --abort"
        yield Reason("block-job", f"a block job runs on disk {target}", mend)


def _devices(root: Element) -> Iterator[Reason]:
    """Devices that tie the guest to its node (qemuMigrationSrcIsAllowed, 9.0.0, and what QEMU itself refuses)."""
    for hostdev in root.iterfind("devices/hostdev"):
        yield from _hostdev(hostdev)
    for interface in root.iterfind("devices/interface"):
        kind = interface.get("type")
        if (kind == "hostdev" and not _steps_aside(interface)) or kind == "vdpa":
            what = "a virtual function of the node's" if kind == "hostdev" else "vDPA"
            yield _tied(f"an interface is {what}", "detach it first, or pair it with a virtio one (teaming)")
    for filesystem in root.iterfind("devices/filesystem"):
        driver = filesystem.find("driver")
        name = "virtiofs" if driver is not None and driver.get("type") == "virtiofs" else "9p"
        yield _tied(f"a directory of the node is shared into it by {name}", "detach the file system first")
    for disk in root.iterfind("devices/disk"):
        target = disk.find("target")
        if disk.find("transient") is not None:
            name = "?" if target is None else target.get("dev", "?")
            yield _tied(f"disk {name} is transient", "detach it first")
    for memory in root.iterfind("devices/shmem"):
        model = memory.find("model")
        if (model is not None and model.get("type") == "ivshmem") or memory.get("role") != "master":
            yield _tied(f"it shares memory with others of its node (shmem {memory.get('name')})", "detach it first")
    if root.find("devices/tpm/backend[@type='passthrough']") is not None:
        yield _tied("it uses the node's own TPM", "give it an emulated one")
    if root.find("launchSecurity") is not None:
        yield _tied("its memory is encrypted by the node's processor (launchSecurity)", "only shut off can it move")
    if _tsc_is_fixed(root):
        yield _tied("its CPU promises invtsc without a frequency", "set <timer name='tsc' frequency='...'>")


def _hostdev(hostdev: Element) -> Iterator[Reason]:
    kind = hostdev.get("type", "?")
    if hostdev.get("mode") == "subsystem" and kind == "usb":
        yield Reason("usb", "a USB device of the node is in it, and stays behind", "attach one there", warns=True)
    elif not (kind == "pci" and _steps_aside(hostdev)):
        yield _tied(f"a device of the node is in it ({kind})", "detach it first: vme virsh detach-device")


def _steps_aside(element: Element) -> bool:
    """Whether QEMU unplugs the device for the move, and the guest's other interface takes over."""
    teaming = element.find("teaming")
    return teaming is not None and teaming.get("type") == "transient"


def _tsc_is_fixed(root: Element) -> bool:
    features = root.iterfind("cpu/feature[@name='invtsc']")
    promised = any(feature.get("policy") in ("require", "force") for feature in features)
    return promised and root.find("clock/timer[@name='tsc'][@frequency]") is None


def _tied(text: str, mend: str) -> Reason:
    return Reason("device", text, mend)
