"""Every command that the md tools may run on a machine, in one table: pure data, for a forced command to mirror.

`READ` changes nothing; `STORAGE` does. A template's {field} is filled by a value that matches its pattern wholly, so a
command line can be recognised from this table alone: `re.fullmatch` of each word. No word is ever for a shell.
"""

import re
import shlex

from vme.errors import Failed
from vme.node.md.block_devices import COLUMNS
from vme.records import dataclass, field

_NVME = r"nvme[0-9]{1,3}n[0-9]{1,3}"
_VIRTIO = r"vd[a-z]{1,3}"
_SCSI = r"sd[a-z]{1,4}"
_DISK = rf"(?:{_SCSI}|{_VIRTIO}|xvd[a-z]{{1,3}}|{_NVME})"
_PART = rf"(?:{_SCSI}[0-9]{{1,3}}|{_VIRTIO}[0-9]{{1,3}}|xvd[a-z]{{1,3}}[0-9]{{1,3}}|{_NVME}p[0-9]{{1,3}})"

# field -> what may stand for it
PATTERNS = {
    "disk": _DISK,
    "scsi": _SCSI,
    "nvme": _NVME,
    "virtio": _VIRTIO,
    "part": _PART,
    "source": _PART,
    "member": rf"(?:{_DISK}|{_PART})",
    "array": r"md(?:[0-9]{1,4}|_[A-Za-z0-9][A-Za-z0-9_.-]{0,26})",
    "host": r"host[0-9]{1,4}",
    "number": r"[0-9]{1,3}",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "mountpoint": r"/efi|/boot/efi",
    "loader": r"\\[Ee][Ff][Ii]\\[A-Za-z0-9_-]{1,32}\\[A-Za-z0-9_-]{1,32}\.[Ee][Ff][Ii]",
    "volume": r"[0-9A-F]{8}",
}

# name -> argv template
READ: dict[str, tuple[str, ...]] = {
    "mdstat": ("cat", "/proc/mdstat"),
    "swaps": ("cat", "/proc/swaps"),
    "memory": ("cat", "/proc/meminfo"),
    "disks": ("lsblk", "--json", "--bytes", "--output", ",".join(COLUMNS)),
    "by-path": ("find", "/dev/disk/by-path", "-type", "l", "-printf", r"%f %l\n"),
    "enclosures": (
        *("find", "-L", "/sys/class/enclosure", "-mindepth", "5", "-maxdepth", "5"),
        *("-path", "/sys/class/enclosure/*/*/device/block/*"),
    ),
    "scsi-hosts": ("ls", "/sys/class/scsi_host"),
    "smart": ("smartctl", "--json", "--info", "--health", "--attributes", "/dev/{disk}"),
    "array": ("mdadm", "--detail", "/dev/{array}"),
    "table": ("sfdisk", "--dump", "/dev/{disk}"),
    "signatures": ("wipefs", "--parsable", "/dev/{member}"),
    "boot-sector": ("head", "--bytes=512", "/dev/{disk}"),
    # The id of a FAT is in its boot sector, and in the copy of that in its seventh sector, be each of 4096 bytes.
    "same": ("cmp", "--silent", "--ignore-initial=32768", "/dev/{source}", "/dev/{part}"),
    # A loader's name as a FAT's directory has it. Lines end at zeros: so none is too long to be held in memory.
    "find-loader": (
        *("grep", "--quiet", "--text", "--null-data", "--extended-regexp"),
        *("(X64 |AA64|IA32)EFI", "/dev/{source}"),
    ),
    "can-set-volume": ("fatlabel", "--help"),
    "efi": ("efibootmgr", "--verbose"),
}
STORAGE: dict[str, tuple[str, ...]] = {
    "fail": ("mdadm", "--manage", "/dev/{array}", "--fail", "/dev/{member}"),
    "remove": ("mdadm", "--manage", "/dev/{array}", "--remove", "/dev/{member}"),
    "fail-detached": ("mdadm", "--manage", "/dev/{array}", "--fail", "detached"),
    "remove-detached": ("mdadm", "--manage", "/dev/{array}", "--remove", "detached"),
    "add": ("mdadm", "--manage", "/dev/{array}", "--add", "/dev/{member}"),
    "swap-off": ("swapoff", "/dev/{part}"),
    "make-swap": ("mkswap", "--uuid", "{uuid}", "/dev/{part}"),
    "swap-on": ("swapon", "/dev/{part}"),
    "led-on": ("ledctl", "locate=/dev/{disk}"),
    "led-off": ("ledctl", "locate_off=/dev/{disk}"),
    "delete-scsi": ("dd", "of=/sys/block/{scsi}/device/delete", "status=none"),
    "delete-nvme": ("dd", "of=/sys/block/{nvme}/device/device/remove", "status=none"),
    "delete-virtio": ("dd", "of=/sys/block/{virtio}/device/../remove", "status=none"),
    "rescan-scsi": ("dd", "of=/sys/class/scsi_host/{host}/scan", "status=none"),
    "rescan-pci": ("dd", "of=/sys/bus/pci/rescan", "status=none"),
    "settle": ("udevadm", "settle", "--timeout=10"),
    "wipe": ("wipefs", "--all", "/dev/{member}"),
    "write-table": ("sfdisk", "--wipe=always", "--wipe-partitions=always", "/dev/{disk}"),
    "unmount": ("umount", "/dev/{part}"),
    "mount": ("mount", "/dev/{part}", "{mountpoint}"),
    "sync": ("sync",),
    "boot-bios": ("grub-install", "--target=i386-pc", "/dev/{disk}"),
    "copy-esp": ("dd", "if=/dev/{source}", "of=/dev/{part}", "bs=1M", "conv=fsync", "status=none"),
    "set-volume": ("fatlabel", "--volume-id", "/dev/{part}", "{volume}"),
    "boot-entry": (
        *("efibootmgr", "--create", "--disk", "/dev/{disk}", "--part", "{number}"),
        *("--label", "{disk}-{number}", "--loader", "{loader}"),
    ),
}
# What the commands that write into a file of /sys are given on stdin.
STDIN = {
    "delete-scsi": "1\n",
    "delete-nvme": "1\n",
    "delete-virtio": "1\n",
    "rescan-scsi": "- - -\n",
    "rescan-pci": "1\n",
}


@dataclass(frozen=True)
class Action:
    """One command of the table with its fields filled. `optional`: that it can't be done is no failure."""

    verb: str
    fields: dict[str, str] = field(default_factory=dict)
    stdin: str | None = None
    optional: bool = False

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line. Raises Failed for a value that may not stand where it would."""
        for name, value in self.fields.items():
            if not fits(name, value):
                raise Failed(f"{value!a} is no {name} that the command {self.verb!r} may be given")
        return tuple(word.format_map(self.fields) for word in (READ.get(self.verb) or STORAGE[self.verb]))

    @property
    def input(self) -> str | None:
        return STDIN.get(self.verb, self.stdin)

    def __str__(self) -> str:
        """What an operator would type at the machine's shell."""
        typed = shlex.join(self.argv)
        if self.verb in STDIN:
            return f"echo {shlex.quote(STDIN[self.verb].strip())} | {typed}"
        return f"{typed} <<'END'\n{self.stdin}END" if self.stdin is not None else typed


def fits(name: str, value: str) -> bool:
    """Whether a value may stand for a field: a disk called `mmcblk0` may not."""
    return re.fullmatch(PATTERNS[name], value, re.ASCII) is not None


def action(verb: str, *, stdin: str | None = None, optional: bool = False, **fields: str) -> Action:
    """An Action, its fields by name."""
    return Action(verb, fields, stdin, optional)
