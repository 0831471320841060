"""What can be said of a guest, on the command line or in a batch file alike; and the Request it makes."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from vme.actions.create.wish import BridgeWish, DiskWish, Machine, Request, SeedWish
from vme.actions.create.words import address_wish, bridge_wish, disk_wish
from vme.config import Defaults
from vme.errors import Misused
from vme.names import checked


@dataclass(frozen=True)
class Options:
    """The options by their long names, as they were written; empty where nothing was said."""

    vcpus: int | None = None
    memory: int | None = None
    disk: tuple[str, ...] = ()
    type: str | None = None
    cache: str | None = None
    bridge: tuple[str, ...] = ()
    store: str | None = None
    node: str | None = None
    zone: str | None = None
    image: str | None = None
    linked: bool = False
    source: str | None = None
    os: str | None = None
    uefi: bool = False
    secure_boot: bool = False
    tpm: bool = False
    iso: str | None = None
    pxe: bool = False
    cloud_init: str | None = None
    ssh_key: tuple[str, ...] = ()
    hostname: str | None = None
    address: tuple[str, ...] = ()
    start: bool = False


# What one guest alone can have: it must not be said for several at once.
_ONE_GUESTS_OWN = ("hostname", "address")
# What a copy has from its source.
_SOURCES_OWN = (
    *("vcpus", "memory", "disk", "type", "cache", "bridge", "image", "os"),
    *("uefi", "secure_boot", "tpm", "iso", "pxe"),
)


def option_name(field: str) -> str:
    """How an option is written on the command line: --ssh-key; the field `source` is --from."""
    return "--from" if field == "source" else f"--{field.replace('_', '-')}"


def request_of(name: str, options: Options, defaults: Defaults, extra: tuple[str, ...]) -> Request:
    """The Request for one guest. Raises Misused where the words can't be meant."""
    checked(name, "guest")
    _refuse_contradictions(options, extra)
    return Request(
        name=name,
        node=options.node,
        zone=options.zone,
        store=options.store,
        vcpus=options.vcpus or defaults.vcpus,
        memory_mib=options.memory or defaults.memory_mib,
        disks=_disks(options, defaults),
        bridges=_bridges(options, defaults),
        image=options.image,
        linked=options.linked,
        source=options.source,
        machine=Machine(
            uefi=options.uefi or options.secure_boot,
            secure_boot=options.secure_boot,
            tpm=options.tpm,
            pxe=options.pxe,
            iso=options.iso,
        ),
        seed=SeedWish(
            None if options.cloud_init is None else Path(options.cloud_init),
            tuple(Path(key) for key in options.ssh_key),
            None if options.hostname is None else _checked_hostname(options.hostname),
            tuple(address_wish(text) for text in options.address),
        ),
        os_name=options.os,
        start=options.start,
        extra=extra,
    )


def requests_of(
    names: tuple[str, ...], options: Options, defaults: Defaults, extra: tuple[str, ...]
) -> tuple[Request, ...]:
    """One Request for each name, all alike. Raises Misused, also for what only one guest can have."""
    if len(names) > 1:
        for field in _ONE_GUESTS_OWN:
            if getattr(options, field):
                hint = "say it for each in a file: --batch FILE.yaml"
                raise Misused(f"{option_name(field)} is for one guest, and these are {len(names)}", hint=hint)
        if any("mac=" in text for text in options.bridge):
            raise Misused("a MAC is for one guest", hint="say it for each in a file: --batch FILE.yaml")
    return tuple(request_of(name, options, defaults, extra) for name in names)


def merged(general: Options, own: Options) -> Options:
    """A guest's own options, and the general ones where it has none of its own."""
    plain = Options()
    said = {
        field.name: getattr(own, field.name)
        for field in fields(Options)
        if getattr(own, field.name) != getattr(plain, field.name)
    }
    return replace(general, **said)


def _refuse_contradictions(options: Options, extra: tuple[str, ...]) -> None:
    if options.source is None:
        if options.linked and options.image is None:
            raise Misused("--linked needs --image or --from: an overlay lies on another image")
        if options.linked and (options.type == "raw" or any("format=raw" in text for text in options.disk[:1])):
            raise Misused(
                "--linked makes an overlay, and an overlay is always qcow2", hint="leave raw away, or --linked"
            )
        if options.iso and options.pxe:
            raise Misused("--iso and --pxe are two ways to install: choose one")
        return
    for field in _SOURCES_OWN:
        if getattr(options, field):
            hint = "create the copy, then change it with edit_guest"
            raise Misused(f"{option_name(field)} is not for a copy: it has what {options.source!a} has", hint=hint)
    if extra:
        raise Misused("a copy is not made by virt-install: nothing can follow --")
    checked(options.source, "guest")


def _disks(options: Options, defaults: Defaults) -> tuple[DiskWish, ...]:
    # An overlay can only be qcow2, whatever the configuration prefers.
    form = "qcow2" if options.linked else options.type or defaults.disk_format
    cache = options.cache or defaults.cache
    return tuple(disk_wish(text, form, cache) for text in options.disk) or (DiskWish(None, form, cache),)


def _bridges(options: Options, defaults: Defaults) -> tuple[BridgeWish, ...]:
    return tuple(bridge_wish(text) for text in options.bridge or defaults.bridges)


def _checked_hostname(text: str) -> str:
    """A host's name, or a full domain name (hostname(7))."""
    labels = text.split(".")
    good = len(text) <= 253 and all(
        0 < len(label) <= 63 and label.isascii() and label.replace("-", "a").isalnum() and label.strip("-") == label
        for label in labels
    )
    if not good:
        raise Misused(f"{text!a} can't be a host's name", hint="letters, digits and hyphens, in parts between dots")
    return text
