"""`smartctl --json`: what a disk says of its own health. smartmontools 7.0 and later; without it nothing is known."""

import json
from typing import Any

from vme.records import dataclass

# The attributes of ATA disks that foretell their end, as Backblaze's and Google's studies found them.
_ATTRIBUTES = {5: "reallocated", 187: "uncorrectable", 197: "pending", 198: "offline uncorrectable"}


@dataclass(frozen=True)
class Health:
    """`passed` is the disk's own verdict; `signs` are what speaks against it all the same."""

    passed: bool | None
    signs: tuple[str, ...] = ()
    temperature_c: int | None = None
    hours: int | None = None

    def __str__(self) -> str:
        word = {True: "ok", False: "FAILING", None: "unknown"}[self.passed]
        return f"{word} ({', '.join(self.signs)})" if self.signs else word


UNKNOWN = Health(None)


def parse_smartctl(text: str) -> Health:
    """The output of `smartctl --json --info --health --attributes`; what is no such thing says nothing."""
    try:
        data = json.loads(text)
    except ValueError:
        return UNKNOWN
    if not isinstance(data, dict):
        return UNKNOWN
    passed = _at(data, "smart_status", "passed")
    return Health(
        passed if isinstance(passed, bool) else None,
        (*_ata_signs(data), *_nvme_signs(data), *_scsi_signs(data)),
        _whole(_at(data, "temperature", "current")),
        _whole(_at(data, "power_on_time", "hours")),
    )


def _ata_signs(data: dict[str, Any]) -> list[str]:
    rows = _at(data, "ata_smart_attributes", "table")
    signs = []
    for row in rows if isinstance(rows, list) else []:
        raw = _whole(_at(row, "raw", "value"))
        if row.get("id") in _ATTRIBUTES and raw:
            signs.append(f"{raw} {_ATTRIBUTES[row['id']]}")
        if row.get("when_failed") == "now":
            signs.append(f"{row.get('name')} failing now")
    return signs


def _nvme_signs(data: dict[str, Any]) -> list[str]:
    log = data.get("nvme_smart_health_information_log")
    if not isinstance(log, dict):
        return []
    signs = [f"critical warning {log['critical_warning']:#04x}"] if _whole(log.get("critical_warning")) else []
    signs += [f"{log['media_errors']} media errors"] if _whole(log.get("media_errors")) else []
    used = _whole(log.get("percentage_used"))
    return [*signs, f"{used} % of its life used"] if used is not None and used >= 90 else signs


def _scsi_signs(data: dict[str, Any]) -> list[str]:
    grown = _whole(data.get("scsi_grown_defect_list"))
    return [f"{grown} grown defects"] if grown else []


def _at(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
