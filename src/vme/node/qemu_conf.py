"""A node's /etc/libvirt/qemu.conf, as far as a migration depends on it. Its syntax: libvirt, src/util/virconf.c."""

import re

from vme.records import dataclass

# A key and its value: a text, a number, or a list of texts that may go over several lines.
_SETTING = re.compile(r"""^[ \t]*(\w+)[ \t]*=[ \t]*("[^"]*"|'[^']*'|-?\d+|\[[^\]]*\])""", re.MULTILINE)
_TEXT = re.compile(r""""([^"]*)"|'([^']*)\'""")
_COMMENT = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


@dataclass(frozen=True)
class QemuConf:
    """What is set there, or else libvirt's own default (qemu.conf of 9.0.0 and 11.3.0)."""

    dynamic_ownership: bool = True
    shared_filesystems: tuple[str, ...] = ()
    migration_host: str | None = None
    migration_ports: tuple[int, int] = (49152, 49215)


def parse_qemu_conf(text: str) -> QemuConf:
    """Read the settings; of one that stands there twice the last counts, as for libvirt."""
    found = dict(_SETTING.findall(_COMMENT.sub("", text)))
    plain = QemuConf()
    lowest, highest = plain.migration_ports
    return QemuConf(
        dynamic_ownership=_number(found.get("dynamic_ownership"), 1) != 0,
        shared_filesystems=tuple(_texts(found.get("shared_filesystems", ""))),
        migration_host=next(iter(_texts(found.get("migration_host", ""))), None) or None,
        migration_ports=(
            _number(found.get("migration_port_min"), lowest),
            _number(found.get("migration_port_max"), highest),
        ),
    )


def _texts(value: str) -> list[str]:
    return [one or other for one, other in _TEXT.findall(value)]


def _number(value: str | None, default: int) -> int:
    return int(value) if value is not None and value.lstrip("-").isdigit() else default
