"""A domain's XML for another virt-store: what lay below one directory lies below another, and nothing else differs."""

import io
from collections.abc import Collection
from pathlib import PurePosixPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from vme.hypervisor.domain_xml import parse

# What people wrote: a path there is a text of theirs.
_TEXTS = ("metadata", "description", "title")


def moved_xml(xml: str, old: PurePosixPath, new: PurePosixPath, whole: Collection[str] = ()) -> str:
    """The same XML of a domain, snapshot or checkpoint with every path below `old` below `new` instead.

    Of the disks in `whole` nothing lies below the image any more.
    """
    root = parse(xml)
    _keep_prefixes(xml)
    _move(root, old, new)
    for disk in root.iterfind("devices/disk"):
        target = disk.find("target")
        if target is not None and target.get("dev") in whole:
            _cut_chain(disk)
    return ElementTree.tostring(root, encoding="unicode")


def moved_path(path: PurePosixPath, old: PurePosixPath, new: PurePosixPath) -> PurePosixPath:
    """The path below `new` for one below `old`; any other stays."""
    return new / path.relative_to(old) if path.is_relative_to(old) else path


def _move(element: Element, old: PurePosixPath, new: PurePosixPath) -> None:
    if element.tag in _TEXTS:
        return
    for name, value in element.attrib.items():
        if value.startswith("/"):
            element.set(name, _moved(value, old, new))
    text = (element.text or "").strip()
    if text.startswith("/"):
        element.text = _moved(text, old, new)
    for below in element:
        _move(below, old, new)


def _moved(text: str, old: PurePosixPath, new: PurePosixPath) -> str:
    path = PurePosixPath(text)
    return str(moved_path(path, old, new)) if path.is_relative_to(old) else text


def _cut_chain(disk: Element) -> None:
    """An empty <backingStore/> tells libvirt that the image is whole, whatever the source's chain was."""
    below = disk.find("backingStore")
    if below is not None:
        below.clear()


def _keep_prefixes(xml: str) -> None:
    """Let namespaces (qemu:, libosinfo:) be written with the prefixes they came with."""
    for _, (prefix, uri) in ElementTree.iterparse(io.StringIO(xml), events=("start-ns",)):
        if prefix and not prefix.startswith("ns"):
            ElementTree.register_namespace(prefix, uri)
