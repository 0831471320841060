"""Domain XML for a new guest from virt-install, which knows what suits which system; it touches no storage for us."""

from collections.abc import Sequence

from vme.errors import Refused
from vme.hypervisor.connection import Hypervisor, uri_for_a_program
from vme.process import run
from vme.records import dataclass

# libosinfo's entry for any recent Linux: q35, virtio devices, a channel for the guest agent.
ANY_LINUX = "linux2022"
# Without keys enrolled a firmware starts whatever lies on the disk; with them, only what is signed.
_KEYS = "firmware.feature0.name=enrolled-keys,firmware.feature0.enabled="
_SECURE_BOOT = "firmware.feature1.name=secure-boot,firmware.feature1.enabled=yes"


@dataclass(frozen=True)
class Shape:
    """What a new guest should be, but for its name: guests of one shape differ in nothing that virt-install decides.

    `boot` are boot devices in their order. `extra` is handed to virt-install as it is.
    """

    virt_type: str
    vcpus: int
    memory_mib: int
    bridges: tuple[str, ...]
    boot: tuple[str, ...]
    uefi: bool
    secure_boot: bool
    tpm: bool
    os_name: str | None
    extra: tuple[str, ...]


def argv_for(name: str, shape: Shape, uri: str) -> tuple[str, ...]:
    """The command whose output is the XML (virt-install(1), --print-xml)."""
    return (
        *("virt-install", "--connect", uri, "--print-xml", "--import", "--noautoconsole"),
        *("--name", name, "--virt-type", shape.virt_type),
        *("--vcpus", str(shape.vcpus), "--memory", str(shape.memory_mib)),
        *("--osinfo", f"name={shape.os_name or ANY_LINUX}"),
        *("--disk", "none", "--graphics", "vnc,listen=127.0.0.1"),
        *(word for bridge in shape.bridges for word in ("--network", f"bridge={bridge},model=virtio")),
        *(() if shape.bridges else ("--network", "none")),
        *_boot(shape),
        # Said in any case: left to itself, virt-install gives a TPM to a UEFI guest where the node has an emulator.
        *("--tpm", "backend.type=emulator,backend.version=2.0,model=tpm-crb" if shape.tpm else "none"),
        *shape.extra,
    )


def print_xml(hypervisor: Hypervisor, name: str, shape: Shape, *, timeout_s: float) -> str:
    """The XML virt-install would define on that node. Raises Refused with virt-install's own words."""
    argv: Sequence[str] = argv_for(name, shape, uri_for_a_program(hypervisor))
    done = run(argv, timeout_s=timeout_s)
    if done.status != 0 or "<domain" not in done.output:
        lines = [line.removeprefix("ERROR").strip() for line in done.error.splitlines() if line.strip()]
        raise Refused(f"{name}: virt-install refuses", [" ".join(lines[:3]) or done.last_words])
    return done.output[done.output.index("<domain") :]


def _boot(shape: Shape) -> tuple[str, ...]:
    words = [*shape.boot]
    if shape.uefi:
        words += ["uefi", f"{_KEYS}{'yes' if shape.secure_boot else 'no'}"]
    if shape.secure_boot:
        words += [_SECURE_BOOT]
    return ("--boot", ",".join(words)) if words else ()
