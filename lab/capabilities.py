"""What libvirtd finds out about this machine's QEMUs: kept, because each node would spend seconds on it."""

import shutil
from pathlib import Path

from lab.files import flat
from lab.host import must_on
from lab.place import Lab
from lab.topology import Host


def recall(lab: Lab, node: Host) -> None:
    """Give a node what an earlier one found out. libvirtd checks itself whether it is still true."""
    if are_known(lab):
        shutil.copytree(kept(lab), found_by(lab, node), dirs_exist_ok=True)


def learn(lab: Lab) -> None:
    """Let one node look at the QEMUs (quick, if what it was given is still true), and tell the others and the cache."""
    first, *others = lab.topology.nodes
    must_on(lab, first, ["virsh", "--quiet", "--connect", "qemu:///system", "capabilities"])
    shutil.rmtree(kept(lab), ignore_errors=True)
    shutil.copytree(found_by(lab, first), kept(lab))
    for node in others:
        recall(lab, node)


def are_known(lab: Lab) -> bool:
    """Whether an earlier node's findings are kept."""
    return kept(lab).is_dir()


def kept(lab: Lab) -> Path:
    return lab.cache / "capabilities"


def found_by(lab: Lab, node: Host) -> Path:
    return lab.home_of(node) / flat("/var/cache/libvirt") / "qemu/capabilities"
