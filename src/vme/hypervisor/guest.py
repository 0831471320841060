"""A guest on a hypervisor: its state in one bulk call, and what starts, stops and pauses it."""

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from vme.config import Node
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.names import shown
from vme.records import dataclass

if TYPE_CHECKING:
    from vme.hypervisor.wire.bulk import Told

# virDomainState (libvirt-domain.h).
STATES = {
    0: "no state",
    1: "running",
    2: "blocked",
    3: "paused",
    4: "shutting down",
    5: "shut off",
    6: "crashed",
    7: "suspended",
}
# The node's libvirt decides, not ours: one that does not know a flag refuses the call.
_UNDEFINE_KNOWS_TPM = 8_009_000
# A crashed guest (on_crash preserve) still has its QEMU, with its memory and its images open, until its plug is pulled.
INACTIVE = ("shut off",)

# virDomainShutoffReason, virDomainPausedReason and so on: what `virsh domstate --reason` prints.
_REASONS_TEXT = {
    "running": (
        "unknown booted migrated restored from-snapshot unpaused migration-canceled save-canceled wakeup crashed "
        "post-copy post-copy-failed"
    ),
    "paused": (
        "unknown user migrating saving dumping ioerror watchdog from-snapshot shutting-down snapshot crashed "
        "starting-up post-copy post-copy-failed api-error"
    ),
    "shut off": "unknown shutdown destroyed crashed migrated saved failed from-snapshot daemon",
    "shutting down": "unknown user",
    "crashed": "unknown panicked",
}
_REASONS = {state: tuple(text.split()) for state, text in _REASONS_TEXT.items()}


# A name and a UUID are calls of libvirt in which a thread gives way to any other. Where fifty nodes' threads make
# them at once, a third of a listing's time goes into passing Python's lock around.
_ONE_NODE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Labels:
    """What people write on a guest: its tags (sorted), a title of one line, a description of any length."""

    tags: tuple[str, ...] = ()
    title: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Guest:
    """A libvirt domain as it was at the last question. `labels` only where asked for.

    `handle` hands out what libvirt's library acts on it by.
    """

    name: str
    uuid: str
    state: str
    reason: str
    hypervisor: Hypervisor
    handle: "Callable[[], libvirt.virDomain]"
    labels: Labels | None = None

    @property
    def domain(self) -> "libvirt.virDomain":
        """To act on it. May be looked up only now, so that it raises as other calls do."""
        return self.handle()

    @property
    def node(self) -> Node:
        return self.hypervisor.node

    @property
    def active(self) -> bool:
        """Whether a QEMU runs for it."""
        return self.state not in INACTIVE

    @property
    def arriving(self) -> bool:
        """Whether it waits for its memory from another node, or for the word that its last page has come there."""
        return self.state == "paused" and self.reason in ("migrating", "starting-up")

    def __str__(self) -> str:
        return f"{shown(self.name)} on {self.node.name}"


@dataclass(frozen=True)
class GuestSize:
    """What a guest was promised: its virtual CPUs and its memory at most. `told` by its QEMU too, if it has one."""

    vcpus: int | None
    memory_mib: int | None
    told: bool = True


def guests_on(hypervisor: Hypervisor) -> tuple[Guest, ...]:
    """Every guest of a node with its state, in one call that asks no QEMU (virConnectGetAllDomainStats, STATE)."""
    with translated(hypervisor.node.name):
        stats = hypervisor.libvirt.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
    with _ONE_NODE_AT_A_TIME:
        return tuple(_guest(hypervisor, domain, record) for domain, record in stats)


def guests_told(hypervisor: Hypervisor, told: "Iterable[Told]") -> tuple[Guest, ...]:
    """The same of a node that has told its guests over the wire (hypervisor.wire)."""
    found: dict[str, libvirt.virDomain] = {}

    def look_up(name: str, uuid: str) -> "libvirt.virDomain":
        if uuid not in found:
            with translated(f"{shown(name)} on {hypervisor.node.name}"):
                found[uuid] = hypervisor.libvirt.lookupByUUIDString(uuid)
        return found[uuid]

    return tuple(
        _described(hypervisor, name, uuid, state, reason, partial(look_up, name, uuid))
        for name, uuid, state, reason in told
    )


def sizes_on(hypervisor: Hypervisor) -> dict[str, GuestSize]:
    """UUID -> size of every guest of a node, in one call; asks each running QEMU, so a stuck one holds it up.

    With NOWAIT, so that a second such call passes the stuck one by (fleet.usage.past_a_stuck_one).
    """
    groups = libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
    with translated(hypervisor.node.name):
        stats = hypervisor.libvirt.getAllDomainStats(groups, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
    return {
        domain.UUIDString(): GuestSize(
            record.get("vcpu.current"), _mib(record.get("balloon.maximum")), told="balloon.rss" in record
        )
        for domain, record in stats
    }


def refreshed(guest: Guest) -> Guest:
    """The same guest with its state as it is now. Raises NotFound if it is gone."""
    with translated(str(guest)):
        return refreshed_domain(guest.hypervisor, guest.domain)


def refreshed_domain(hypervisor: Hypervisor, domain: "libvirt.virDomain") -> Guest:
    """The Guest for a libvirt domain, asking its state (virDomainGetState)."""
    state, reason = domain.state()
    return _described(hypervisor, domain.name(), domain.UUIDString(), state, reason, lambda: domain)


def start(guest: Guest) -> None:
    """Boot the guest, or restore it from its managed save (virDomainCreate)."""
    with translated(str(guest)):
        guest.domain.create()


def press_power_button(guest: Guest) -> None:
    """Ask the guest's system to shut down, by agent or ACPI (virDomainShutdown)."""
    with translated(str(guest)):
        guest.domain.shutdown()


def press_reset_by_system(guest: Guest) -> None:
    """Ask the guest's system to reboot (virDomainReboot)."""
    with translated(str(guest)):
        guest.domain.reboot()


def pull_the_plug(guest: Guest) -> None:
    """End the guest's QEMU at once, SIGTERM first so that it writes out what it holds (virDomainDestroyFlags)."""
    with translated(str(guest)):
        guest.domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_DEFAULT)


def pause(guest: Guest) -> None:
    """Stop the guest's CPUs; its memory stays (virDomainSuspend)."""
    with translated(str(guest)):
        guest.domain.suspend()


def unpause(guest: Guest) -> None:
    """Let the guest's CPUs run again (virDomainResume), or wake it from its own sleep (virDomainPMWakeup)."""
    with translated(str(guest)):
        if guest.state == "suspended":
            guest.domain.pMWakeup(0)
        else:
            guest.domain.resume()


def undefine(guest: Guest, *, keep_nvram: bool = False, keep_tpm: bool = False) -> None:
    """Remove the guest's definition with its managed save, snapshots' and checkpoints' metadata; images stay.

    Its NVRAM and TPM state go too, or stay on the node.
    """
    flags = 0
    state: tuple[str, ...] = ("KEEP_NVRAM" if keep_nvram else "NVRAM", "KEEP_TPM" if keep_tpm else "TPM")
    with translated(str(guest)):
        if guest.hypervisor.libvirt.getLibVersion() < _UNDEFINE_KNOWS_TPM:
            state = state[:1]
        for flag in ("MANAGED_SAVE", "SNAPSHOTS_METADATA", "CHECKPOINTS_METADATA", *state):
            flags |= getattr(libvirt, f"VIR_DOMAIN_UNDEFINE_{flag}", 0)
        guest.domain.undefineFlags(flags)


def define(hypervisor: Hypervisor, xml: str, *, subject: str) -> Guest:
    """Define a guest from XML that libvirt has validated against its schema (virDomainDefineXMLFlags)."""
    with translated(subject):
        domain = hypervisor.libvirt.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        return refreshed_domain(hypervisor, domain)


def remove_by_uuid(hypervisor: Hypervisor, uuid: str, *, keep_state: bool = False) -> None:
    """Stop and undefine the guest of that UUID, if it is there: takes back a define that may have happened.

    Its NVRAM and TPM state go too, or stay on the node.
    """
    with translated(hypervisor.node.name):
        try:
            domain = hypervisor.libvirt.lookupByUUIDString(uuid)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return
            raise
        guest = refreshed_domain(hypervisor, domain)
    if guest.active:
        pull_the_plug(guest)
    undefine(guest, keep_nvram=keep_state, keep_tpm=keep_state)


@dataclass(frozen=True)
class Persistence:
    """What a guest is beyond its XML and its state; `has_saved_memory` says that it has a managed save."""

    autostart: bool
    has_saved_memory: bool
    checkpoints: tuple[str, ...]


def persistence_of(guest: Guest) -> Persistence:
    """Ask for the guest's persistence: three calls."""
    domain = guest.domain
    with translated(str(guest)):
        return Persistence(
            autostart=bool(domain.autostart()),
            has_saved_memory=bool(domain.hasManagedSaveImage(0)),
            checkpoints=tuple(one.getName() for one in domain.listAllCheckpoints()),
        )


def start_with_node(guest: Guest) -> None:
    """Let the node start the guest when it starts itself (virDomainSetAutostart)."""
    with translated(str(guest)):
        guest.domain.setAutostart(1)


def saved_form(guest: Guest) -> str:
    """The persistent XML with its secrets, as define() takes it back."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    with translated(str(guest)):
        return guest.domain.XMLDesc(flags)


def migratable_form(guest: Guest) -> str:
    """The XML as it runs now, with its secrets, in the form that another node's libvirt is given to run it."""
    flags = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
    with translated(str(guest)):
        return guest.domain.XMLDesc(flags)


def live_form(guest: Guest) -> str:
    """The XML as it runs now (of a guest that is shut off: the persistent one), without secrets."""
    with translated(str(guest)):
        return guest.domain.XMLDesc(0)


def _guest(hypervisor: Hypervisor, domain: "libvirt.virDomain", record: dict[str, Any]) -> Guest:
    state, reason = record.get("state.state", 0), record.get("state.reason", 0)
    return _described(hypervisor, domain.name(), domain.UUIDString(), state, reason, lambda: domain)


def _described(
    hypervisor: Hypervisor,
    name: str,
    uuid: str,
    state_number: int,
    reason_number: int,
    handle: "Callable[[], libvirt.virDomain]",
) -> Guest:
    state = STATES.get(state_number, "no state")
    reasons = _REASONS.get(state, ("unknown",))
    reason = reasons[reason_number] if 0 <= reason_number < len(reasons) else "unknown"
    return Guest(name, uuid, state, reason, hypervisor, handle)


def _mib(kib: int | None) -> int | None:
    return None if kib is None else kib // 1024


def snapshot_names(guest: Guest) -> tuple[str, ...]:
    """The names of the guest's snapshots that libvirt knows."""
    with translated(str(guest)):
        return tuple(guest.domain.snapshotListNames())
