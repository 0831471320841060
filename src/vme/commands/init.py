"""vme init: a commented vme.toml to begin with."""

import argparse
import os
from pathlib import Path

from vme.commands.context import Context
from vme.commands.registry import Command
from vme.errors import Failed, Refused
from vme.home import at_home

# Where vme.toml can't be used, its own hints send people here.
MENDS_CONFIG = True

EXAMPLE = """\
# VME Tools: which nodes there are, and what a new guest gets.
# Looked for at $VME_CONFIG, ~/.config/vme/vme.toml, /etc/vme/vme.toml; the first one counts.

[ssh]
user = "root"        # who logs in on the nodes; left away, your own ssh configuration decides
# key = "~/.ssh/vme" # its hosts, identities and known hosts are honoured in any case
# port = 22

[defaults]
virt_type = "kvm"    # or "qemu", which needs no /dev/kvm and is slow
memory_mib = 1024
vcpus = 1
disk_gib = 8
disk_format = "qcow2"
cache = "none"
bridges = ["br0"]
owner = "libvirt-qemu"    # whom images belong to on the nodes; "qemu" on Red Hat's
group = "kvm"
image_mode = "0660"
directory_mode = "0750"
# zone = "east"           # where create_guest creates when neither node nor zone is named
# node_reserve_mib = 512  # memory that a node keeps for itself
# timeout_s = 5           # how long nodes may take to answer

# [audit]
# file = "/var/log/vme/audit.log"

# Options that a tool gets each time; the command line has the last say.
# [tools.list_guests]
# columns = "name,state,node,cpu"

# A zone: nodes that share a virt-store. Guests move live within it.
[zones.east]
nodes = "kvm[01-08]"      # a node set; "@group" asks ClusterShell's group sources (genders too)
store = "/srv/vme/virt-store"                   # as its hypervisors see it
management_store = "/srv/vme/east/virt-store"   # as this server sees it

# A second virt-store of the same zone, for create_guest -r fast:
# [zones.east.stores.fast]
# store = "/srv/vme-fast/virt-store"
# management_store = "/srv/vme-fast/east/virt-store"

# Machines with disks that are in no zone, for disk_list and replace_disk (which know the nodes anyway):
# [storage]
# servers = "st[1-2]"

# Which bay is which, for each model of machine: SCSI address (host:channel:target:lun, or only how it begins), or a
# name from /dev/disk/by-path -> what is written on the bay. In this one, SCSI hosts 1 to 3 are drives 1 to 3.
# [chassis.threebay]
# machines = "st[1-2]"
# bays = { "1" = "1", "2" = "2", "3" = "3" }
"""


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="where to (default: $VME_CONFIG, or /etc/vme/vme.toml, or ~/.config/vme/)",
    )


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    file: Path = arguments.file or default_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as handle:
            handle.write(EXAMPLE)
    except FileExistsError:
        raise Refused(str(file), ["is there already"], hint="edit it, or name another file") from None
    except OSError as problem:
        raise Failed(f"{file}: {problem.strerror}") from None
    context.say(f"written: {file}; name your nodes in it, then: node_list")
    return 0


def default_file() -> Path:
    """Where the file belongs that this user may write, and that will be found there."""
    named = os.environ.get("VME_CONFIG")
    if named:
        return Path(named)
    if os.geteuid() == 0:
        return Path("/etc/vme/vme.toml")
    return Path(os.environ.get("XDG_CONFIG_HOME") or at_home("~/.config")) / "vme/vme.toml"
