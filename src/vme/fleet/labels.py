"""Tags, titles and descriptions of all guests of a node at once.

libvirt has no bulk call that tells metadata (virConnectGetAllDomainStats has none of it, other listings tell names), so
the files in which libvirt itself keeps its definitions are read, in one session of ssh a node. They are as libvirt has
them: it writes them, atomically, before a change of metadata is done. Where they can't be read (an ssh user that is not
root, a key that allows less), each guest is asked by a call.
"""

from collections.abc import Callable, Iterable

from vme.errors import NotFound, VmeError
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.guest import Guest, Labels
from vme.hypervisor.metadata import labels_in, labels_of
from vme.node.definition_files import KeptDefinition, kept_definitions
from vme.records import replace


def labelled(
    hypervisor: Hypervisor, guests: Iterable[Guest], timeout_s: float, confirm: Callable[[Guest], bool] | None
) -> tuple[Guest, ...]:
    """The same guests with their labels; those that `confirm` says true of have been asked one by one.

    Half of `timeout_s` is left for asking by calls if the files can't be read.
    """
    try:
        kept = kept_definitions(hypervisor.node, hypervisor.ssh, timeout_s=timeout_s / 2)
    except VmeError:
        kept = ()
    told = {(definition.uuid, definition.live): definition for definition in kept}
    return tuple(_confirmed(_with_labels(guest, told), confirm) for guest in guests)


def _with_labels(guest: Guest, told: dict[tuple[str, bool], KeptDefinition]) -> Guest:
    """What runs counts, if it runs: that is also what libvirt tells of it."""
    definition = told.get((guest.uuid, guest.active))
    return replace(guest, labels=_asked(guest) if definition is None else labels_in(definition.domain))


def _confirmed(guest: Guest, confirm: Callable[[Guest], bool] | None) -> Guest:
    return replace(guest, labels=_asked(guest)) if confirm is not None and confirm(guest) else guest


def _asked(guest: Guest) -> Labels:
    try:
        return labels_of(guest)
    except NotFound:
        return Labels()  # it went between the two calls
