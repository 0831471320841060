"""A listing over libvirt's wire protocol, against a real daemon: what the library says, without the library."""

import time

import pytest

from lab.place import CHECKOUT
from tests.lab.vme import Vme

pytestmark = pytest.mark.not_under(
    "read", "operate", reason="a key that forbids forwarding has no socket: the library asks"
)

# What the tool has loaded by its end, seen from within.
LOADED = f"{CHECKOUT}/.venv/bin/python -X importtime -P -m vme %s 2>&1 >/dev/null | grep -c '| libvirt$' || :"
FORMS = """
import sys
from vme.config import load
from vme.fleet.locate import locate_selected
from vme.fleet.selection import select
from vme.hypervisor.at_once import form_now
from vme.hypervisor.guest import live_form
config = load()
guests = locate_selected(config, select(config, ["web[1-2]"]), 5, by_library=False).guests
forms = [form_now(guest) for guest in guests]
assert "libvirt" not in sys.modules
for guest, form in zip(guests, forms, strict=True):
    print("the same" if form == live_form(guest) else form)
"""
POLKIT = "sed -i 's/^auth_unix_rw = .*/auth_unix_rw = \"{}\"/' /etc/libvirt/libvirtd.conf"
ODD = "<domain type='qemu'><name>gäst 1</name><memory>65536</memory><os><type>hvm</type></os></domain>"


def loads_libvirt(vme: Vme, *words: str) -> bool:
    return vme.tool("sh", "-c", LOADED % " ".join(words)).stdout.strip() != "0"


def listed(vme: Vme) -> dict[str, str]:
    """Name -> state, reason and UUID, as list_guests says."""
    rows = vme.json("list_guests", "--columns", "name,state,reason,uuid")
    return {row["name"]: f"{row['state']} ({row['reason']}) {row['uuid']}" for row in rows}


def by_library(vme: Vme, node: str) -> dict[str, str]:
    """The same of a node, as virsh says it there."""
    names = vme.virsh(node, "list", "--all", "--name").splitlines()
    return {
        name: f"{vme.virsh(node, 'domstate', name, '--reason').strip()} {vme.virsh(node, 'domuuid', name).strip()}"
        for name in names
        if name
    }


def test_the_same_answer_as_the_librarys_and_without_it(vme: Vme) -> None:
    for name in ("web1", "web2", "web3"):
        vme.create(name, "kvm01", start=name != "web3")
    vme.tool("suspend_guest", "web2")
    vme.on("kvm01", "sh", "-c", f'echo "{ODD}" > /run/odd.xml; virsh -q define /run/odd.xml')
    vme.tool("list_guests")
    assert not loads_libvirt(vme, "list")
    assert listed(vme) == by_library(vme, "kvm01")
    assert {state.rpartition(" ")[0] for state in listed(vme).values()} == {
        "running (booted)",
        "paused (user)",
        "shut off (unknown)",
    }
    vme.tool("stop_guest", "--yes", "web1")
    assert listed(vme) == by_library(vme, "kvm01")


def test_a_guests_xml_is_what_the_library_would_say(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.tool("tag_guest", "web1", "--description", "ä < ö")
    vme.create("web2", "kvm01")
    vme.tool("list_guests")
    assert vme.tool(f"{CHECKOUT}/.venv/bin/python", "-P", "-c", FORMS).stdout == "the same\n" * 2


def test_a_guest_is_started_without_the_library(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    assert not loads_libvirt(vme, "start", "web1")
    assert vme.running("web1") == ["kvm01"]


def test_why_a_guest_can_not_be_started_is_what_the_library_would_say(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.on("mgmt", "mv", "/srv/vme/east/virt-store/web1/web1-vda", "/srv/vme/east/virt-store/web1/gone")
    by_virsh = vme.tool("vme_virsh", "start", "web1", status=None).stderr
    said = vme.tool("start_guest", "web1", status=1).stderr
    assert "Cannot access storage file" in said
    reason = said.strip().removeprefix("start_guest: web1 on kvm01: ")
    assert reason.splitlines()[0] in by_virsh
    assert vme.running("web1") == []


def test_the_daemon_dies_while_it_starts_a_guest(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.tool("list_guests")
    vme.fault("freeze", "kvm01", "glusterfs")  # so that it looks for the image without end
    begun = vme.begin("start_guest", "web1")
    time.sleep(3)
    assert begun.poll() is None
    vme.fault("kill", "kvm01", "libvirtd")
    vme.fault("thaw", "kvm01", "glusterfs")  # until then its kernel does not let it go
    out, err = begun.communicate(timeout=60)
    vme.fault("start", "kvm01", "libvirtd")
    assert (begun.returncode, "Traceback" in err) == (5, False), (out, err)
    assert "web1 on kvm01: the connection was cut" in err
    assert "it may run or not: list_guests web1" in err


def test_root_is_let_in_where_polkit_asks_others(vme: Vme) -> None:
    """polkit is what distributions ask by, unless told otherwise."""
    vme.on("kvm02", "sh", "-c", POLKIT.format("polkit"))
    try:
        restart(vme, "kvm02")
        assert not loads_libvirt(vme, "list", "kvm02")
    finally:
        vme.on("kvm02", "sh", "-c", POLKIT.format("none"))
        restart(vme, "kvm02")


def test_the_library_asks_where_the_wire_has_no_plain_answer(vme: Vme) -> None:
    """The note of what worked last time is wrong: that socket leads nowhere."""
    vme.create("web1", "kvm03")
    vme.tool("list_guests")
    vme.tool("sh", "-c", "for f in $XDG_RUNTIME_DIR/vme/kvm03*.libvirtd; do echo virtqemud > ${f%.*}.way; done")
    assert [guest["name"] for guest in vme.json("list_guests")] == ["web1"]
    assert not loads_libvirt(vme, "list", "kvm03")


def restart(vme: Vme, node: str) -> None:
    vme.fault("kill", node, "libvirtd")
    vme.fault("start", node, "libvirtd")
    vme.tool("list_guests", node)
