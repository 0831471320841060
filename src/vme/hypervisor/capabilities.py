"""What a node can give a new guest: firmware, TPM; virDomainCapabilities, one call that touches no guest."""

import libvirt

from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.domain_xml import parse
from vme.hypervisor.translation import translated
from vme.records import dataclass


@dataclass(frozen=True)
class Capabilities:
    """A node's answer. `text` is all of it: where two nodes' are equal, virt-install prints the same for both."""

    text: str
    uefi: bool
    secure_boot: bool
    tpm_emulator: bool


def capabilities_of(hypervisor: Hypervisor) -> Capabilities:
    """Ask for the capabilities of the machine that new guests get: q35, or the node's own usual one."""
    with translated(hypervisor.node.name):
        try:
            text = hypervisor.libvirt.getDomainCapabilities(None, None, "q35", None)
        except libvirt.libvirtError:
            text = hypervisor.libvirt.getDomainCapabilities(None, None, None, None)
    return read_capabilities(text)


def read_capabilities(text: str) -> Capabilities:
    """The parts of libvirt's formatdomaincaps that decide what create_guest can promise."""
    root = parse(text)

    def offers(path: str, value: str) -> bool:
        return any(element.text == value for element in root.iterfind(f"{path}/value"))

    return Capabilities(
        text,
        uefi=offers("os/enum[@name='firmware']", "efi"),
        secure_boot=offers("os/loader/enum[@name='secure']", "yes"),
        tpm_emulator=offers("devices/tpm/enum[@name='backendModel']", "emulator"),
    )
