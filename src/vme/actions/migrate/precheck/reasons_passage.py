"""What speaks against moving a guest with its images to another zone: its files, and the two stores. Pure."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from vme.actions.migrate.precheck.needs import NeededFile, Needs
from vme.actions.migrate.precheck.offers import Offer
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.migrate.precheck.reasons_storage import not_a_file, reasons_of_nonce
from vme.actions.migrate.storage.route import Route
from vme.node.sight import may_be_asked
from vme.store.layout import seen_by_nodes, seen_here
from vme.store.nonce import Nonce


def reasons_of_passage(
    needs: Needs, route: Route, nonces: Sequence[Nonce], source: Offer, destination: Offer
) -> list[Reason]:
    """Everything about the two stores, each as the node on its side sees it, and about files that don't go along."""
    found = [
        reason
        for nonce in nonces
        for store, offer in ((route.home, source), (route.new_home, destination))
        if nonce.store == store
        for reason in reasons_of_nonce(nonce, offer)
    ]
    found += not_a_file(needs)
    for file in needs.files:
        if not file.writes and file.path.parent != own_directory(route):
            found += _elsewhere(file, route, source, destination)
    return found


def own_directory(route: Route) -> PurePosixPath:
    """The directory that the guest leaves, as its nodes see it."""
    return seen_by_nodes(route.home, route.directory)


def _elsewhere(file: NeededFile, route: Route, source: Offer, destination: Offer) -> Iterator[Reason]:
    """A file that is only read, and is no guest's own: firmware, a cdrom of the library."""
    if file.what.startswith("below "):
        return  # what lies below an image is copied into it
    there, node = route.moved(file.path), destination.node.name
    if not may_be_asked(str(file.path)):
        text = f"{file.what} has a name that no node can be asked about ({str(file.path)!a})"
        yield Reason("path", text, "rename it")
        return
    if destination.sight is None or source.sight is None:
        return
    seen, here = destination.sight.files.get(there), source.sight.files.get(file.path)
    if seen is None:
        mend = "add it to that zone's library" if seen_here(route.home, file.path) is not None else "copy it there"
        yield Reason("missing", f"{node} does not see {there}", f"{mend}, or detach {file.what}")
    elif here is not None and here.size_bytes != seen.size_bytes:
        text = f"{there} ({file.what}) on {node} is another than {file.path} on {source.node.name}"
        yield Reason("file-differs", text, "copy it there")
