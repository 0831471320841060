"""Each test of the lab finds it empty and well, and leaves it so."""

from collections.abc import Iterator

import pytest

from lab import faults, keys, stores, witness
from lab.debian import build as debian_image
from lab.host import run_on
from lab.parallel import for_each
from lab.place import Lab
from lab.topology import Host
from tests.lab.vme import Vme
from tests.lab.wrapped import Wrapped, wrapped_node

# Every guest of a node, whatever state it is in, gone without a trace.
REMOVE_GUESTS = """\
for guest in $(virsh -q list --all --uuid); do
    virsh -q destroy $guest 2>/dev/null
    virsh -q undefine $guest --nvram --managed-save --snapshots-metadata --checkpoints-metadata 2>/dev/null
done
rm -rf /var/lib/libvirt/images/* /var/lib/libvirt/swtpm/* /var/lib/libvirt/qemu/nvram/*
"""
EMPTY_STORES = "find /srv/vme/*/virt-store -mindepth 1 -maxdepth 1 ! -name .images -exec rm -rf {} +"


def pytest_configure(config: pytest.Config) -> None:
    text = "not_under(role, ..., reason=...): what can't hold where VME_LAB_WRAPPER gives every key this role, and why"
    config.addinivalue_line("markers", text)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("not_under"):
            if keys.wrapper_role() in mark.args:
                item.add_marker(pytest.mark.skip(reason=f"role {keys.wrapper_role()}: {mark.kwargs['reason']}"))


@pytest.fixture
def vme(running_lab: Lab) -> Iterator[Vme]:
    vme = Vme(running_lab)
    yield vme
    twice = {guest: nodes for guest, nodes in witness.guests_running(running_lab).items() if len(nodes) > 1}
    for process in vme.started:
        process.kill()
        process.communicate()
    if vme.faulty:
        faults.clear(running_lab)
    empty(running_lab)
    assert not twice, f"running twice at the end of the test: {twice}"


@pytest.fixture
def debian(vme: Vme) -> Iterator[str]:
    """The name of the real Debian, in both libraries while the test runs; its image is built once, and kept."""
    stores.offer_image(vme.lab, debian_image.build(vme.lab), debian_image.NAME)
    yield debian_image.NAME
    vme.on("mgmt", "sh", "-c", f"rm /srv/vme/*/virt-store/.images/{debian_image.NAME}.*")


@pytest.fixture(scope="module")
def node(running_lab: Lab) -> Iterator[Wrapped]:
    """A node with vme_ssh_wrapper, and a key of each role beside the lab's own."""
    with wrapped_node(running_lab, "kvm03") as node:
        node.ssh("read", "true")  # so that there is a log
        yield node


def empty(lab: Lab) -> None:
    """Remove every guest, and all that lies in the stores but the library."""
    for_each(lab.topology.nodes, lambda node: _must_run(lab, node, REMOVE_GUESTS))
    _must_run(lab, lab.topology.management, EMPTY_STORES)


def _must_run(lab: Lab, host: Host, script: str) -> None:
    done = run_on(lab, host, ["sh", "-c", script])
    assert done.status == 0, done.stderr
