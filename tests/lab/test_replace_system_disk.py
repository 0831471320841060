"""The disks that a Debian runs from: root, boot loader, EFI partition and swap are on the disk that goes.

Making the machine alone takes minutes: too long for every change.
"""

import re
from collections.abc import Iterator

import pytest

from lab.place import Lab
from lab.storage_vm import image
from lab.storage_vm import vm as machine
from lab.storage_vm.vm import Bay
from tests.lab.storage import Storage, exchange

pytestmark = pytest.mark.long


@pytest.fixture(params=["dos", "gpt"])
def storage(running_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Storage]:
    storage = Storage(machine.start(running_lab, running_lab.host("kvm05"), request.param))
    yield storage
    machine.power_off(storage.vm)
    storage.forget()


def test_it_boots_from_either_disk(storage: Storage) -> None:
    """By BIOS: from the new disk alone, and from the other half alone."""
    act = exchange(storage, Bay(0), "OLD-A", "NEW-A", size_mib=image.DISK_MIB)
    assert storage.replace("OLD-A", on_line=act)[-1].endswith("every array is clean")
    assert storage.vm.must(["cat", "/proc/mdstat"]).count("[2/2] [UU]") == 2
    boot_alone(storage, Bay(0), "NEW-A")
    boot_alone(storage, Bay(1), "OLD-B")


@pytest.mark.parametrize("storage", ["efi"], indirect=True)
def test_it_boots_by_uefi_from_either_disk(storage: Storage) -> None:
    """The disk that goes is the one whose EFI system partition is mounted, and the firmware has entries for both."""
    make_entry(storage, "OLD-B")
    make_entry(storage, "OLD-A")
    old, other = esp_of(storage, "OLD-A"), esp_of(storage, "OLD-B")
    volume = volume_of(storage, "OLD-A")
    mount_by_fstab(storage)
    assert mounted_esp(storage) == old
    assert boot_order(storage) == [old, other]

    act = exchange(storage, Bay(0), "OLD-A", "NEW-A", size_mib=image.DISK_MIB)
    assert storage.replace("OLD-A", on_line=act)[-1].endswith("every array is clean")
    new = esp_of(storage, "NEW-A")
    assert mounted_esp(storage) == new
    assert volume_of(storage, "NEW-A") == volume
    assert boot_order(storage) == [new, old, other]  # the old disk's entry is left, for a person to remove

    boot_alone(storage, Bay(0), "NEW-A")
    mount_by_fstab(storage)
    assert booted_esp(storage) == mounted_esp(storage) == new
    boot_alone(storage, Bay(1), "OLD-B")
    boot_alone(storage, Bay(0), "NEW-A", new_firmware=True)


def boot_alone(storage: Storage, bay: Bay, serial: str, *, new_firmware: bool = False) -> None:
    """Fail unless the machine comes up with this disk only, its data whole."""
    storage.vm.must(["sync"])
    machine.power_off(storage.vm)
    machine.boot(storage.vm, {bay: serial}, new_firmware=new_firmware)
    storage.vm.must(["sh", "-c", "'cd /srv && sha256sum --quiet -c SHA256SUMS'"])
    assert set(storage.disks()) == {serial}


def make_entry(storage: Storage, serial: str) -> None:
    """An entry in the firmware, as an administrator makes it for each disk."""
    words = ("--disk", f"/dev/{storage.name(serial)}", "--part", "1", "--label", f"debian-{serial}")
    storage.vm.must(["efibootmgr", "--create", *words, "--loader", r"'\EFI\debian\grubx64.efi'"])


def esp_of(storage: Storage, serial: str) -> str:
    """A disk's EFI system partition, by the identifier that the firmware's entries have."""
    return storage.vm.must(["lsblk", "-dno", "PARTUUID", f"/dev/{storage.name(serial)}1"]).strip()


def volume_of(storage: Storage, serial: str) -> str:
    return storage.vm.must(["lsblk", "-dno", "UUID", f"/dev/{storage.name(serial)}1"]).strip()


def boot_order(storage: Storage) -> list[str]:
    """The EFI system partitions that the firmware has entries for, in the order in which it tries them."""
    entries, told = entries_of(storage)
    (order,) = re.findall(r"^BootOrder: (.+)$", told, re.MULTILINE)
    return [entries[number] for number in order.split(",") if number in entries]


def booted_esp(storage: Storage) -> str | None:
    """The EFI system partition that the firmware started from, if by an entry for it."""
    entries, told = entries_of(storage)
    (number,) = re.findall(r"^BootCurrent: (.+)$", told, re.MULTILINE)
    return entries.get(number)


def entries_of(storage: Storage) -> tuple[dict[str, str], str]:
    """The firmware's entry -> the EFI system partition it is for; and all that efibootmgr said."""
    told = storage.vm.must(["efibootmgr", "--verbose"])
    return dict(re.findall(r"^Boot([0-9A-F]{4})\* .*HD\(\d+,GPT,([0-9a-f-]{36}),", told, re.MULTILINE)), told


def mount_by_fstab(storage: Storage) -> None:
    """Where the machine is slow, systemd gave up waiting for the partition as it booted."""
    storage.vm.must(["systemctl", "start", "boot-efi.mount"])


def mounted_esp(storage: Storage) -> str:
    return storage.vm.must(["findmnt", "-no", "PARTUUID", "/boot/efi"]).strip()
