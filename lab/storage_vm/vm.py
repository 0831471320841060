"""The storage machine as a guest of a node: started, pulled apart and put together again through libvirt."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import run
from lab.errors import LabError
from lab.host import environment_of, inside, must_on, powered, root_of, run_on
from lab.place import CHECKOUT, Lab
from lab.storage_vm import image, tiny
from lab.storage_vm.host_key import host_key
from lab.topology import Host

NAME = "st2"
ADDRESS = "10.78.0.60"
IMAGES = "/var/lib/libvirt/images/st2"
OVMF = "/usr/share/OVMF"
BOOT_S = 400.0
SLOTS = 3
STORAGE_CONFIG = f"""
[storage]
servers = "{NAME}"

[chassis.eightbay]
machines = "{NAME}"
bays = {{ {", ".join(f'"0:0:{target}:0" = "{target + 1}"' for target in range(8))} }}
"""


@dataclass(frozen=True, slots=True)
class Bay:
    """A place for a disk: its target on the SCSI bus, so that what is in it is always at 0:0:TARGET:0."""

    target: int

    @property
    def device(self) -> str:
        """libvirt's name for what is in it."""
        return f"sd{'abcdefghijklmnop'[self.target]}"

    @property
    def address(self) -> str:
        return f"<address type='drive' controller='0' bus='0' target='{self.target}' unit='0'/>"


@dataclass(frozen=True, slots=True)
class Slot:
    """A PCI slot for a disk of virtio."""

    number: int

    @property
    def device(self) -> str:
        return f"vd{'abcdefghijklmnop'[self.number]}"

    @property
    def address(self) -> str:
        return f"<address type='pci' bus='{0x10 + self.number:#x}' slot='0'/>"


@dataclass(frozen=True, slots=True)
class NvmeSlot:
    """A PCI slot for a disk of NVMe, which libvirt can't plug in, but QEMU can."""

    number: int

    @property
    def bus(self) -> str:
        return f"pci.{0x10 + self.number}"


Place = Bay | Slot | NvmeSlot


@dataclass(frozen=True, slots=True)
class Memory:
    """What a machine boots that has its system in memory."""

    kernel: Path
    initrd: Path


@dataclass(frozen=True, slots=True)
class StorageVm:
    """A storage machine on a node of the lab. Without a `system` it boots from its disks, `by_uefi` or by BIOS."""

    lab: Lab
    node: Host
    system: Memory | None = None
    by_uefi: bool = False

    def virsh(self, *words: str, timeout_s: float = 60) -> str:
        return must_on(self.lab, self.node, ["virsh", "--quiet", "-c", "qemu:///system", *words], timeout_s)

    def run(self, argv: Sequence[str], timeout_s: float = 60) -> run.Completed:
        """Run a command on the machine, from the management side, whatever its status."""
        return run_on(self.lab, self.lab.topology.management, ["ssh", NAME, "--", *argv], timeout_s)

    def must(self, argv: Sequence[str], timeout_s: float = 60) -> str:
        done = self.run(argv, timeout_s)
        if done.status != 0:
            raise LabError(f"{NAME}: status {done.status} from {' '.join(argv)}: {done.stderr or done.stdout}")
        return done.stdout

    def monitor(self, line: str) -> None:
        """Tell QEMU itself something. Raise LabError if it has an objection."""
        said = self.virsh("qemu-monitor-command", NAME, "--hmp", line).strip()
        if said not in ("", "OK"):
            raise LabError(f"{NAME}: {line}: {said}")

    def shell(self, script: str, *words: str, timeout_s: float = 60) -> str:
        """Run one of the scripts that lie here, with these arguments, on the machine; raise LabError if it fails."""
        text = (Path(__file__).parent / f"{script}.sh").read_text()
        return self.feed(["sh", "-eu", "-s", "--", *words], text, timeout_s=timeout_s)

    def feed(self, command: Sequence[str], text: str, timeout_s: float = 60) -> str:
        """Run a command on the machine that reads a text; raise LabError if it fails."""
        argv = ["ssh", NAME, "--", *command]
        environment = environment_of(self.lab, self.lab.topology.management)
        inner = inside(powered(self.lab, self.lab.topology.management), argv)
        return run.must(inner, stdin=text, timeout_s=timeout_s, environment=environment)


def start(lab: Lab, node: Host, table: str) -> StorageVm:
    """Boot a storage machine with fresh overlays of the installed disks, and wait until it can be logged in to."""
    vm = StorageVm(lab, node, by_uefi=table == "efi")
    introduce(lab)
    for disk, serial in zip(image.disks(lab, table), ("OLD-A", "OLD-B"), strict=True):
        make_disk(vm, serial, backing=disk)
    boot(vm, {Bay(0): "OLD-A", Bay(1): "OLD-B"}, new_firmware=True)
    return vm


def start_tiny(lab: Lab, node: Host) -> StorageVm:
    """Boot a storage machine that lives in its memory, without any disk, and wait until it can be logged in to."""
    vm = StorageVm(lab, node, Memory(*tiny.kernel_and_initrd(lab)))
    introduce(lab)
    boot(vm, {})
    return vm


def introduce(lab: Lab) -> None:
    """Let the management side know the machine's address and host key, and give its tools a vme.toml that names it."""
    home = lab.home_of(lab.topology.management)
    config_of(lab).write_text((home / "vme.toml").read_text() + STORAGE_CONFIG)
    for file, line in (
        (root_of(powered(lab, lab.topology.management)) / "etc/hosts", f"{ADDRESS} {NAME}\n"),
        (home / "root/.ssh/known_hosts", f"{NAME},{ADDRESS} {host_key(lab)}\n"),
    ):
        if line not in file.read_text():
            with file.open("a") as out:
                out.write(line)


def config_of(lab: Lab) -> Path:
    return lab.home_of(lab.topology.management) / "vme-with-storage.toml"


def state_of(lab: Lab) -> Path:
    """Where the tools keep what they remember on the management side."""
    return lab.home_of(lab.topology.management) / "state"


def tool(lab: Lab, argv: Sequence[str], config: Path | None = None) -> list[str]:
    """The command line, of this machine, that runs one of our tools on the management side."""
    variables = [f"VME_CONFIG={config or config_of(lab)}", f"VME_STATE_DIR={state_of(lab)}"]
    return [str(CHECKOUT / "bin/lab"), "run", "--", "env", *variables, *argv]


def make_disk(vm: StorageVm, serial: str, *, size_mib: int = image.DISK_MIB, backing: Path | None = None) -> None:
    """A disk's image on the node, blank or an overlay; made anew if it is there."""
    path = f"{IMAGES}/{serial}.qcow2"
    made = ["-b", str(backing), "-F", "qcow2", path] if backing else [path, f"{size_mib}M"]
    must_on(vm.lab, vm.node, ["mkdir", "-p", "-m", "0777", IMAGES])
    must_on(vm.lab, vm.node, ["rm", "-f", path])
    must_on(vm.lab, vm.node, ["qemu-img", "create", "-q", "-f", "qcow2", *made])
    must_on(vm.lab, vm.node, ["chmod", "0666", path])


def boot(vm: StorageVm, disks: dict[Bay, str], *, new_firmware: bool = False) -> None:
    """Start the machine with these disks in these bays, and wait until it can be logged in to.

    Its firmware, if that is UEFI's, remembers its boot entries; a `new_firmware` has none.
    """
    must_on(vm.lab, vm.node, ["mkdir", "-p", "/var/log/libvirt/qemu"])
    xml = vm.lab.home_of(vm.node) / "st2.xml"
    xml.write_text(domain_xml(vm, disks))
    vm.virsh("create", "--validate", str(xml), *(["--reset-nvram"] if vm.by_uefi and new_firmware else []))
    wait_for_login(vm)


def wait_for_login(vm: StorageVm) -> None:
    deadline = time.monotonic() + BOOT_S
    ask = ["ssh", "-o", "ConnectTimeout=3", "-o", "BatchMode=yes", NAME, "true"]
    while run_on(vm.lab, vm.lab.topology.management, ask, timeout_s=30).status != 0:
        if time.monotonic() > deadline:
            raise LabError(f"{NAME} can't be logged in to after {BOOT_S:g} s", hint=f"see {console(vm)}")
        time.sleep(1)


def power_off(vm: StorageVm) -> None:
    """Pull its plug."""
    if NAME in vm.virsh("list", "--name").split():
        vm.virsh("destroy", NAME)


def insert(vm: StorageVm, bay: Place, serial: str) -> None:
    """Plug a disk into a bay of the running machine."""
    if isinstance(bay, NvmeSlot):
        vm.monitor(f"drive_add 0 file={IMAGES}/{serial}.qcow2,format=qcow2,if=none,id=drive-{serial},cache=unsafe")
        vm.monitor(f"device_add nvme,drive=drive-{serial},serial={serial},id=nvme-{serial},bus={bay.bus}")
        return
    vm.virsh("attach-device", NAME, _disk_file(vm, bay, serial), "--live")


def pull(vm: StorageVm, bay: Place, serial: str) -> None:
    """Unplug the disk in a bay of the running machine."""
    if isinstance(bay, NvmeSlot):
        vm.monitor(f"device_del nvme-{serial}")
        return
    vm.virsh("detach-device", NAME, _disk_file(vm, bay, serial), "--live")


def console(vm: StorageVm) -> Path:
    """What the machine wrote on its serial console."""
    return vm.lab.log_of(vm.node) / "libvirt/qemu" / f"{NAME}-console.log"


def _disk_file(vm: StorageVm, bay: Bay | Slot, serial: str) -> str:
    file = vm.lab.home_of(vm.node) / f"{serial}.xml"
    file.write_text(disk_xml(bay, serial))
    return str(file)


def disk_xml(bay: Bay | Slot, serial: str) -> str:
    bus = "scsi" if isinstance(bay, Bay) else "virtio"
    return f"""<disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='unsafe'/>
      <source file='{IMAGES}/{serial}.qcow2'/>
      <target dev='{bay.device}' bus='{bus}'/>
      <serial>{serial}</serial>
      {bay.address}
    </disk>"""


def _booted(vm: StorageVm) -> str:
    """What the machine boots, and by which firmware."""
    if vm.system:
        return (
            f"<kernel>{vm.system.kernel}</kernel><initrd>{vm.system.initrd}</initrd>"
            "<cmdline>console=ttyS0 panic=5 no_timer_check tsc=unstable net.ifnames=0</cmdline>"
        )
    if not vm.by_uefi:
        return "<boot dev='hd'/>"
    return (
        f"<loader readonly='yes' type='pflash'>{OVMF}/OVMF_CODE_4M.fd</loader>"
        f"<nvram template='{OVMF}/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/{NAME}.fd</nvram>"
    )


def domain_xml(vm: StorageVm, disks: dict[Bay, str]) -> str:
    return f"""<domain type='qemu'>
  <name>{NAME}</name>
  <memory unit='MiB'>512</memory>
  <vcpu>{1 if vm.system else 2}</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{_booted(vm)}</os>
  <features><acpi/></features>
  <cpu mode='custom'><model>qemu64</model><feature name='svm' policy='disable'/></cpu>
  <on_poweroff>destroy</on_poweroff>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    {"".join(disk_xml(bay, serial) for bay, serial in disks.items())}
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <controller type='pci' index='0' model='pcie-root'/>
    {"".join(f"<controller type='pci' index='{0x10 + slot}' model='pcie-root-port'/>" for slot in range(SLOTS))}
    <interface type='bridge'>
      <mac address='52:54:00:4c:02:60'/><source bridge='br0'/><model type='virtio'/>
    </interface>
    <serial type='file'><source path='/var/log/libvirt/qemu/{NAME}-console.log'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>"""
