"""image_list: the images from which guests can be made."""

import argparse
from pathlib import Path
from typing import Any

from vme.actions.library import LibraryImage, images_of
from vme.commands.context import Context, add_format, add_timeout, timeout_of
from vme.commands.registry import Command
from vme.errors import Failed, Silent
from vme.names import shown
from vme.progress import Advance, shown_progress
from vme.report import Column, write_rows
from vme.units import size_text

COLUMNS = (
    Column("name", "NAME", shown),
    Column("zone", "ZONE"),
    Column("store", "VIRT-STORE"),
    Column("format", "FORMAT"),
    Column("virtual_bytes", "SIZE", size_text, right=True),
    Column("allocated_bytes", "USED", size_text, right=True),
    Column("checksum", "CHECKSUM"),
    Column("problem", "PROBLEM"),
    Column("path", "PATH"),
    Column("sha256", "SHA256"),
)


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("--zone", metavar="ZONE", help="only this zone's")
    parser.add_argument("--verify", action="store_true", help="read each image, and compare it with its checksum")
    add_format(parser)
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    config = context.config
    zones = config.zones if arguments.zone is None else (config.zone(arguments.zone),)
    found: list[LibraryImage] = []
    silent: list[str] = []
    with shown_progress("verify", quiet=context.quiet or not arguments.verify) as advance:

        def on_image(path: Path) -> Advance:
            return lambda percent, words: advance(percent, f"{shown(path.name)}: {words}")

        for zone in zones:
            images, problems = images_of(
                zone, verify=arguments.verify, timeout_s=timeout_of(arguments, context), on_image=on_image
            )
            found += images
            silent += problems
    columns = COLUMNS[:-2] if arguments.output == "text" else COLUMNS
    write_rows([_row(image) for image in found], columns, arguments.output)
    if silent:
        raise Silent("; ".join(silent), hint="what the other virt-stores have is complete")
    changed = [f"{image.name} ({image.zone})" for image in found if image.checksum == "differs"]
    if changed:
        raise Failed(f"changed since they were added: {', '.join(changed)}", hint="make no guest from them")
    return 0


def _row(image: LibraryImage) -> dict[str, Any]:
    facts = image.facts
    return {
        "name": image.name,
        "zone": image.zone,
        "store": image.store,
        "format": None if facts is None else facts.format,
        "virtual_bytes": None if facts is None else facts.virtual_bytes,
        "allocated_bytes": None if facts is None else facts.allocated_bytes,
        "checksum": image.checksum,
        "problem": image.problem,
        "path": str(image.path),
        "sha256": image.sha256,
    }
