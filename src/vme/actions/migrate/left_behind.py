"""What libvirt leaves at the source of a live move: the file of UEFI's variables, named after the guest.

The next guest of that name on that node would start with them.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from vme.config import Node, SshConfig, Store
from vme.errors import VmeError
from vme.hypervisor.domain_xml import nvram_of
from vme.node.files import states_of
from vme.node.verbs import DROP_NVRAM, ask
from vme.store.layout import seen_here


def own_nvram_of(root: Element, stores: Sequence[Store]) -> PurePosixPath | None:
    """The file of a guest's UEFI variables, if it is where libvirt itself puts it, and on no virt-store."""
    path = nvram_of(root)
    if path != f"/var/lib/libvirt/qemu/nvram/{root.findtext('name')}_VARS.fd":
        return None
    ours = any(seen_here(store, PurePosixPath(path)) is not None for store in stores)
    return None if ours else PurePosixPath(path)


def remove_nvram(path: PurePosixPath, source: Node, destination: Node, ssh: SshConfig, *, timeout_s: float) -> str:
    """Remove the source's file, if the destination has one of its own. Says what was left instead, or nothing.

    The guest must run at the destination by now. Both files having one inode may be one file on shared storage.
    """
    try:
        here, there = (states_of(node, ssh, [path], timeout_s=timeout_s).get(path) for node in (source, destination))
        if here is None:
            return ""
        if there is None or there.inode == here.inode:
            return f"{path} is left on {source.name}: it may be the same file as on {destination.name}"
        done = ask(source, ssh, DROP_NVRAM, str(path), timeout_s=timeout_s)
        problem = "" if done.status == 0 else done.last_words
    except VmeError as error:
        problem = error.message
    return f"{path}, which nothing needs any more, is left on {source.name}: {problem}" if problem else ""
