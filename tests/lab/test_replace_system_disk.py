"""The disks that a Debian runs from: root, boot loader, EFI partition and swap are on the disk that goes.

Making the machine alone takes minutes: too long for every change.
"""

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
    """From the new disk alone, and from the other half alone."""
    act = exchange(storage, Bay(0), "OLD-A", "NEW-A", size_mib=image.DISK_MIB)
    assert storage.replace("OLD-A", on_line=act)[-1].endswith("every array is clean")
    assert storage.vm.must(["cat", "/proc/mdstat"]).count("[2/2] [UU]") == 2
    for bay, serial in ((0, "NEW-A"), (1, "OLD-B")):
        storage.vm.must(["sync"])
        machine.power_off(storage.vm)
        machine.boot(storage.vm, {Bay(bay): serial})
        storage.vm.must(["sh", "-c", "'cd /srv && sha256sum --quiet -c SHA256SUMS'"])
        assert set(storage.disks()) == {serial}
