"""What a person asked for, as data: one Request a guest. None where the configuration or the VME decides."""

from pathlib import Path

from vme.records import dataclass


@dataclass(frozen=True)
class DiskWish:
    """A disk. `gib` is None where the image, or the configuration, says how large it is."""

    gib: int | None
    format: str
    cache: str


@dataclass(frozen=True)
class BridgeWish:
    """A network interface on a bridge, in a VLAN if `vlan` is given; `mac` None: a new one."""

    bridge: str
    vlan: int | None = None
    mac: str | None = None

    def __str__(self) -> str:
        return self.bridge if self.vlan is None else f"{self.bridge} (VLAN {self.vlan})"


@dataclass(frozen=True)
class AddressWish:
    """A fixed address of an interface, as cloud-init is told: `address` with its prefix, 10.0.0.5/24."""

    address: str
    gateway: str | None
    dns: tuple[str, ...]


@dataclass(frozen=True)
class SeedWish:
    """What cloud-init is to find in the guest. The addresses are for the interfaces in their order."""

    user_data: Path | None = None
    ssh_keys: tuple[Path, ...] = ()
    hostname: str | None = None
    addresses: tuple[AddressWish, ...] = ()

    @property
    def wanted(self) -> bool:
        return self != SeedWish()


@dataclass(frozen=True)
class Machine:
    """What the virtual machine has beyond the usual."""

    uefi: bool = False
    secure_boot: bool = False
    tpm: bool = False
    pxe: bool = False
    iso: str | None = None


@dataclass(frozen=True)
class Request:
    """One guest to be created. With `source` it is a copy of that guest, and its disks and bridges are that one's."""

    name: str
    node: str | None
    zone: str | None
    store: str | None
    vcpus: int
    memory_mib: int
    disks: tuple[DiskWish, ...]
    bridges: tuple[BridgeWish, ...]
    image: str | None
    linked: bool
    source: str | None
    machine: Machine
    seed: SeedWish
    os_name: str | None
    start: bool
    extra: tuple[str, ...]
