"""What differs between two texts, for a person: unified, with colours on a terminal only."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from vme.harmless import harmless

if TYPE_CHECKING:
    from xml.dom.minidom import Element
    from xml.etree import ElementTree

_RED, _GREEN, _CYAN, _PLAIN = "\033[31m", "\033[32m", "\033[36m", "\033[0m"


def unified(before: str, after: str, names: tuple[str, str]) -> list[str]:
    """The lines of a unified diff (diff(1)); none if the texts are the same. What a terminal would obey is escaped."""
    import difflib

    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return [harmless(line) for line in lines]


def plain_xml(xml: str) -> str:
    """The same XML with our indentation and quotes, so that what differs is what it says; no XML: as it is.

    libvirt's own output differs in indentation after a migration, that of virt-xml in its quotes.
    """
    from xml.dom import minidom
    from xml.parsers.expat import ExpatError

    try:
        root = minidom.parseString(xml).documentElement
    except ExpatError:
        return xml
    if root is None:
        return xml
    _drop_blanks(root)
    return root.toprettyxml(indent="  ")


def _drop_blanks(element: "Element") -> None:
    for node in list(element.childNodes):
        if node.nodeType == node.TEXT_NODE and not node.data.strip():
            element.removeChild(node)
        elif node.nodeType == node.ELEMENT_NODE:
            _drop_blanks(node)


def same_xml(one: str, other: str) -> bool:
    """Whether two texts of XML say the same: blanks between elements do not count, nor do comments."""
    if one == other:
        return True
    from xml.etree import ElementTree

    try:
        return _says_the_same(ElementTree.fromstring(one), ElementTree.fromstring(other))
    except ElementTree.ParseError:
        return False


def _says_the_same(one: "ElementTree.Element", other: "ElementTree.Element") -> bool:
    return (
        (one.tag, one.attrib, len(one)) == (other.tag, other.attrib, len(other))
        and (_unless_blank(one.text), _unless_blank(one.tail)) == (_unless_blank(other.text), _unless_blank(other.tail))
        and all(map(_says_the_same, one, other))
    )


def _unless_blank(text: str | None) -> str:
    return text if text and not text.isspace() else ""


def coloured(lines: Sequence[str], stream: TextIO) -> str:
    """The lines as one text; red and green if the stream is a terminal and NO_COLOR (no-color.org) is not set."""
    if os.environ.get("NO_COLOR") or not stream.isatty():
        return "\n".join(lines)
    return "\n".join(f"{_colour(line)}{line}{_PLAIN}" for line in lines)


def _colour(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return _CYAN
    return {"-": _RED, "+": _GREEN}.get(line[:1], "")
