"""info_guest: everything about one guest, for a person or a program."""

import argparse
from typing import Any

from vme.actions.inspect import Inspection, inspect
from vme.commands.context import Context, add_format, add_guests, add_timeout, chosen_guests, silence_error, timeout_of
from vme.commands.registry import Command
from vme.hypervisor.details import Details
from vme.hypervisor.domain_xml import Disk, Interface
from vme.names import shown
from vme.report import Column, write_data, write_rows
from vme.units import duration_text, size_text


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    add_guests(parser)
    add_format(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    timeout_s = timeout_of(arguments, context)
    located = chosen_guests(arguments, context, reading=True)
    inspections = [inspect(context.config, guest, timeout_s) for guest in located.guests]
    if arguments.output == "csv":
        rows = [
            {"name": d["name"], "field": path, "value": value}
            for d in map(as_data, inspections)
            for path, value in _flat(d)
        ]
        write_rows(rows, [Column(key, key.upper()) for key in ("name", "field", "value")], "csv")
    elif arguments.output == "text":
        print("\n\n".join("\n".join(as_lines(inspection)) for inspection in inspections))
    else:
        write_data([as_data(inspection) for inspection in inspections], arguments.output)
    problem = silence_error(located.silences)
    if problem is not None:
        raise problem
    return 0


def as_data(inspection: Inspection) -> dict[str, Any]:
    """The inspection for programs: sizes in bytes or MiB as the key says."""
    guest, description, details = inspection.guest, inspection.description, inspection.details
    return {
        "name": guest.name,
        "uuid": guest.uuid,
        "title": description.title,
        "state": guest.state,
        "reason": guest.reason,
        "node": guest.node.name,
        "zone": guest.node.zone,
        "autostart": details.autostart,
        "persistent": details.persistent,
        "managed_save": details.has_managed_save,
        "vcpus": details.vcpus,
        "cpu_time_s": round(details.cpu_time_s, 3),
        "cpu": description.cpu,
        "machine": description.machine,
        "virt_type": description.virt_type,
        "firmware": description.firmware,
        "memory_mib": details.max_memory_mib,
        "used_memory_mib": details.used_memory_mib,
        "disks": [_disk_data(inspection, disk) for disk in description.disks],
        "interfaces": [
            {
                "mac": interface.mac,
                "kind": interface.kind,
                "attached_to": interface.attached_to,
                "model": interface.model,
                "device": interface.device,
                "addresses": list(details.addresses.get((interface.mac or "").lower(), ())),
            }
            for interface in description.interfaces
        ],
        "graphics": [{"kind": g.kind, "listen": g.listen, "port": g.port} for g in description.graphics],
        "snapshots": list(details.snapshots),
        "saved_xml": inspection.saved_xml,
    }


def _disk_data(inspection: Inspection, disk: Disk) -> dict[str, Any]:
    size = inspection.details.image_sizes.get(disk.target)
    return {
        "target": disk.target,
        "device": disk.device,
        "bus": disk.bus,
        "format": disk.format,
        "cache": disk.cache,
        "source": disk.source,
        "virtual_bytes": size.virtual_bytes if size else None,
        "allocated_bytes": size.allocated_bytes if size else None,
        "backing_chain": list(inspection.chains.get(disk.target, ())),
    }


def as_lines(inspection: Inspection) -> list[str]:
    """The inspection for a person."""
    guest, description, details = inspection.guest, inspection.description, inspection.details
    facts = [
        ("name", shown(guest.name)),
        ("state", guest.state if guest.reason == "unknown" else f"{guest.state} ({guest.reason})"),
        ("node", f"{guest.node.name}, zone {guest.node.zone}"),
        ("uuid", guest.uuid),
        *([("title", shown(description.title))] if description.title else []),
        (
            "cpu",
            f"{details.vcpus} vCPU, {description.cpu or 'default model'}, {duration_text(details.cpu_time_s)} used",
        ),
        ("memory", f"{details.used_memory_mib} of {details.max_memory_mib} MiB"),
        ("machine", f"{description.machine}, {description.virt_type}, {description.firmware}"),
        *(("disk", _disk_line(inspection, disk)) for disk in description.disks),
        *(("interface", _interface_line(details, interface)) for interface in description.interfaces),
        *(
            ("graphics", f"{g.kind} on {g.listen or 'the default address'} port {g.port or '(when it runs)'}")
            for g in description.graphics
        ),
        ("snapshots", ", ".join(shown(name) for name in details.snapshots) or "none"),
        ("autostart", "yes" if details.autostart else "no"),
        *([("managed save", "yes: starting restores it")] if details.has_managed_save else []),
        *([] if details.persistent else [("transient", "gone when it stops")]),
        ("saved XML", inspection.saved_xml or "not saved beside its images"),
    ]
    return [f"{label:<13} {text}" for label, text in facts]


def _interface_line(details: Details, interface: Interface) -> str:
    addresses = " ".join(details.addresses.get((interface.mac or "").lower(), ()))
    return f"{interface.mac} {interface.model} on {interface.attached_to}  {addresses}".rstrip()


def _disk_line(inspection: Inspection, disk: Disk) -> str:
    size = inspection.details.image_sizes.get(disk.target)
    sizes = (
        f"{size_text(size.virtual_bytes)}, {size_text(size.allocated_bytes)} allocated"
        if size
        else "its image can't be read"
    )
    parts = [
        f"{disk.target} ({disk.device}, {disk.bus}, {disk.format}, cache {disk.cache or 'default'})",
        shown(disk.source or "empty"),
    ]
    parts += [sizes] if disk.source else []
    return "  ".join(parts + [f"on {shown(below)}" for below in inspection.chains.get(disk.target, ())])


def _flat(data: Any, path: str = "") -> list[tuple[str, Any]]:
    """Nested data as (path, value) pairs: disks.0.target."""
    if isinstance(data, dict):
        return [pair for key, value in data.items() for pair in _flat(value, f"{path}.{key}" if path else key)]
    if isinstance(data, list):
        return [pair for i, value in enumerate(data) for pair in _flat(value, f"{path}.{i}")]
    return [(path, data)]
