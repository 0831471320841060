"""Tags, title and description of a guest, kept in libvirt's own metadata: they travel with the guest.

Title and description are libvirt's own. Tags are elements of a namespace of ours (formatdomain, General metadata):

    <metadata>
      <vme:guest xmlns:vme="https://vme-tools.org/xmlns/1">
        <vme:tag>web</vme:tag>
      </vme:guest>
    </metadata>
"""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vme.errors import Failed
from vme.hypervisor.guest import Guest, Labels
from vme.hypervisor.late import libvirt
from vme.hypervisor.translation import translated
from vme.names import is_allowed

NAMESPACE = "https://vme-tools.org/xmlns/1"
_PREFIX = "vme"
_ELEMENT = f"{{{NAMESPACE}}}guest"
# In a domain's XML our elements are in our namespace; libvirt takes and hands out the element by itself without it.
_TAG = ("tag", f"{{{NAMESPACE}}}tag")


def labels_in(domain: Element) -> Labels:
    """The labels that a domain's XML has. What is no allowed tag is none: others may write into our element too."""
    own = domain.find(f"metadata/{_ELEMENT}")
    return Labels(_tags_in(own), domain.findtext("title") or None, domain.findtext("description") or None)


def labels_of(guest: Guest) -> Labels:
    """Ask libvirt for a guest's labels, as it runs if it runs: three calls that need no QEMU (virDomainGetMetadata)."""
    return Labels(
        _tags_in(_own_element(guest)),
        _metadata(guest, libvirt.VIR_DOMAIN_METADATA_TITLE, None),
        _metadata(guest, libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None),
    )


def set_labels(guest: Guest, labels: Labels, *, persistent: bool) -> None:
    """Give a guest these labels instead of those it has: at once if it runs, and for good if it is `persistent`.

    Whatever else is in our element stays. (virDomainSetMetadata)
    """
    own = _own_element(guest)
    changed = Element("guest") if own is None else own
    for element in [element for element in changed if element.tag in _TAG]:
        changed.remove(element)
    for name in labels.tags:
        SubElement(changed, "tag").text = name
    text = ElementTree.tostring(changed, encoding="unicode") if len(changed) else None
    scope = (libvirt.VIR_DOMAIN_AFFECT_LIVE if guest.active else 0) | (
        libvirt.VIR_DOMAIN_AFFECT_CONFIG if persistent else 0
    )
    with translated(str(guest)):
        domain = guest.domain
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, labels.title, None, None, scope)
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, labels.description, None, None, scope)
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, _PREFIX, NAMESPACE, scope)


def is_persistent(guest: Guest) -> bool:
    """Whether the guest has a definition that outlives its run."""
    with translated(str(guest)):
        return bool(guest.domain.isPersistent())


def _own_element(guest: Guest) -> Element | None:
    """Our element, or None."""
    text = _metadata(guest, libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)
    if text is None:
        return None
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        raise Failed(f"{guest}: its metadata is not XML: {problem}") from None


def _metadata(guest: Guest, kind: int, uri: str | None) -> str | None:
    with translated(str(guest)):
        try:
            return guest.domain.metadata(kind, uri) or None
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return None
            raise


def _tags_in(own: Element | None) -> tuple[str, ...]:
    names = [] if own is None else [element.text or "" for element in own if element.tag in _TAG]
    return tuple(sorted({name for name in names if is_allowed(name)}))
