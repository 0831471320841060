"""Signs of life from inside a guest: its agent, its kernel."""

from vme.hypervisor.domain_xml import parse
from vme.hypervisor.guest import Guest, live_form
from vme.hypervisor.translation import translated


def agent_connected(guest: Guest) -> bool:
    """Whether the guest's agent has opened its channel: libvirt notes that in the live XML (from QEMU's event)."""
    channels = parse(live_form(guest)).iterfind("devices/channel/target[@name='org.qemu.guest_agent.0']")
    return any(channel.get("state") == "connected" for channel in channels)


def kernel_has_spoken(guest: Guest) -> bool:
    """Whether the guest's kernel runs so far that its memory balloon's driver has reported once (virDomainMemoryStats).

    The driver reports when it is loaded, without being asked.
    """
    with translated(str(guest)):
        return guest.domain.memoryStats().get("last_update", 0) > 0
