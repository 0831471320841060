"""Which bay a disk is in: as its enclosure says, or else as the configuration's map of the chassis."""

from vme.config import Chassis
from vme.node.md.block_devices import Disk
from vme.node.md.machine import Machine


def bay_of(chassis: Chassis | None, machine: Machine, disk: Disk) -> str | None:
    """The label of the bay, None if nobody knows it. The chassis' map is what somebody wrote on the bays: it counts."""
    places = (*machine.places.get(disk.name, ()), *((disk.hctl,) if disk.hctl else ()))
    return _mapped(chassis, places) or machine.slots.get(disk.name)


def _mapped(chassis: Chassis | None, places: tuple[str, ...]) -> str | None:
    """The label of the longest key that is one of these places or the begin of an HCTL address."""
    keys = sorted(chassis.bays, key=len, reverse=True) if chassis else []
    for key in keys:
        if any(place == key or place.startswith(f"{key}:") for place in places):
            return chassis.bays[key] if chassis else None
    return None
