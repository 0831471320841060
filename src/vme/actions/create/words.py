"""The short forms in which disks, interfaces and addresses are written: `20,format=raw`, `br0,vlan=12`."""

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface

from vme.actions.create.wish import AddressWish, BridgeWish, DiskWish
from vme.errors import Misused
from vme.names import checked
from vme.store.images import FORMATS

CACHES = ("none", "writethrough", "writeback", "directsync", "unsafe")
# Locally given or QEMU's own, and no group's: what a single card may have.
_MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")


def disk_wish(text: str, form: str, cache: str) -> DiskWish:
    """`SIZE[,format=raw|qcow2][,cache=MODE]`, SIZE in GiB. Raises Misused."""
    size, options = _split(text, ("format", "cache"), "disk")
    if not size.isascii() or not size.isdigit() or not 1 <= int(size) <= 1 << 20:
        raise Misused(f"disk {text!a}: {size!a} is not a size in GiB", hint="write it as 20, or 20,format=raw")
    return DiskWish(
        int(size),
        _one_of(options.get("format", form), FORMATS, f"disk {text!a}"),
        _one_of(options.get("cache", cache), CACHES, f"disk {text!a}"),
    )


def bridge_wish(text: str) -> BridgeWish:
    """`BRIDGE[,vlan=N][,mac=MAC]`. Raises Misused."""
    bridge, options = _split(text, ("vlan", "mac"), "bridge")
    vlan, mac = options.get("vlan"), options.get("mac", "").lower()
    if vlan is not None and not (vlan.isascii() and vlan.isdigit() and 1 <= int(vlan) <= 4094):
        raise Misused(f"bridge {text!a}: {vlan!a} is no VLAN", hint="VLANs are numbered from 1 to 4094")
    if "mac" in options and not _MAC.fullmatch(mac):
        raise Misused(f"bridge {text!a}: {mac!a} can't be an interface's MAC", hint="write it as 52:54:00:12:34:56")
    return BridgeWish(checked(bridge, "bridge"), None if vlan is None else int(vlan), mac or None)


def address_wish(text: str) -> AddressWish:
    """`ADDRESS/PREFIX[,gw=ADDRESS][,dns=ADDRESS[+ADDRESS]]`. Raises Misused."""
    address, options = _split(text, ("gw", "dns"), "address")
    try:
        if "/" not in address:
            raise ValueError(f"{address!a} says nothing of its prefix")
        interface = ip_interface(address)
        gateway = ip_address(options["gw"]) if "gw" in options else None
        dns = tuple(str(ip_address(server)) for server in options["dns"].split("+")) if "dns" in options else ()
    except ValueError as problem:
        raise Misused(f"address {text!a}: {problem}", hint="write it as 10.0.0.5/24,gw=10.0.0.1,dns=10.0.0.2") from None
    if gateway is not None and gateway.version != interface.version:
        raise Misused(f"address {text!a}: {gateway} is not of the same kind as {interface.ip}")
    return AddressWish(str(interface), None if gateway is None else str(gateway), dns)


def _split(text: str, known: tuple[str, ...], what: str) -> tuple[str, Mapping[str, str]]:
    first, *rest = text.split(",")
    options: dict[str, str] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals or key not in known or key in options or not value:
            raise Misused(f"{what} {text!a}: {word!a} is not understood", hint=f"after the comma: {_forms(known)}")
        options[key] = value
    return first, options


def _forms(known: tuple[str, ...]) -> str:
    return ", ".join(f"{key}=..." for key in known)


def _one_of(value: str, choices: tuple[str, ...], where: str) -> str:
    if value not in choices:
        raise Misused(f"{where}: {value!a} is not known", hint=f"choose one of: {', '.join(choices)}")
    return value
