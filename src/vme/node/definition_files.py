"""The files in which a node's libvirt keeps its guests' definitions, read all at once.

One file a guest: a comment and the domain (libvirt's virDomainDefSave). Of a guest that runs a second one, in which the
domain is inside a `domstatus` (virDomainObjSave). They are libvirt's own, and only ever read here.
"""

from typing import TYPE_CHECKING

from vme.config import Node, SshConfig
from vme.errors import Failed
from vme.node.verbs import DEFINITIONS, ask
from vme.records import dataclass

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class KeptDefinition:
    """A definition as libvirt keeps it; `live` says that it is that of a guest that runs, as it runs."""

    uuid: str
    live: bool
    domain: "Element"


def kept_definitions(node: Node, ssh: SshConfig, *, timeout_s: float) -> tuple[KeptDefinition, ...]:
    """Every definition that a node keeps. Raises Failed where they can't be read, Silent where ssh gets no answer."""
    done = ask(node, ssh, DEFINITIONS, timeout_s=timeout_s)
    if done.status != 0:
        raise Failed(f"{node.name}: the definitions that libvirt keeps can't be read: {done.last_words}")
    return parse(done.output, node.name)


def parse(text: str, subject: str) -> tuple[KeptDefinition, ...]:
    """The definitions in files written one behind the other. Raises Failed where that is no XML.

    Each file is one element, so that all of them inside one more element are a document: an XML parser then knows where
    each ends, whatever is in it.
    """
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(f"<all>{text}</all>")
    except ElementTree.ParseError as problem:
        raise Failed(f"{subject}: the definitions that libvirt keeps are not XML: {problem}") from None
    found = []
    for element in root:
        domain = element.find("domain") if element.tag == "domstatus" else element
        if domain is not None and domain.tag == "domain":
            found.append(KeptDefinition(domain.findtext("uuid", ""), element is not domain, domain))
    return tuple(found)
