"""migrate_guest with a guest that dirties its memory faster than the link carries it: it arrives, or it stays."""

import json
import signal

from lab.host import run_on
from tests.lab.test_migrate import slow_migration
from tests.lab.vme import Vme, eventually, heard_by


def busy_guest(vme: Vme, mib: int) -> str:
    """A guest that writes so much of its memory again and again."""
    address = vme.boot("web1", "kvm01")
    ask = f"echo dirty {mib} | timeout 60 busybox nc {address} 7"
    assert run_on(vme.lab, vme.lab.host("mgmt"), ["sh", "-c", ask]).stdout
    return address


def test_it_arrives_by_the_ladder(vme: Vme) -> None:
    client = vme.talk(busy_guest(vme, 12))
    assert "of which it dirties" in vme.tool("migrate_guest", "web1", "kvm02", "--dry-run").stdout
    # What it dirties in a second takes longer than the 300 ms that QEMU may pause it for by itself.
    words = ("--bandwidth", "8", "--max-downtime", "4000", "--auto-converge", "never")
    said = vme.tool("migrate_guest", "web1", "kvm02", *words, timeout_s=240).stdout
    assert "it was too busy without a pause of up to " in said
    assert vme.running("web1") == ["kvm02"]
    heard = heard_by(client)
    assert heard["unbroken"], heard


def test_it_stays_when_nothing_is_allowed_that_would_help(vme: Vme) -> None:
    client = vme.talk(busy_guest(vme, 8))
    words = ("--bandwidth", "8", "--max-downtime", "300", "--auto-converge", "never")
    said = vme.tool("migrate_guest", "web1", "kvm02", *words, status=1, timeout_s=240).stderr
    assert "it does not converge: it dirties" in said
    assert "it is running on kvm01, and nothing of it on kvm02" in said
    assert "try --bandwidth, which limits it, --max-downtime above 300, --auto-converge needed, --postcopy" in said
    assert vme.running("web1") == ["kvm01"]
    heard = heard_by(client)
    assert heard["unbroken"], heard
    said = vme.tool("migrate_guest", "web1", "kvm02", "--bandwidth", "1", "--time-limit", "3", status=1).stderr
    assert "it did not arrive within 3.0 s" in said
    assert vme.running("web1") == ["kvm01"]


def test_who_presses_ctrl_c_twice_is_told_how_to_mend_it(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.virsh("kvm01", "migrate-setspeed", "web1", "1")
    migration = slow_migration(vme)
    # Its libvirt can't be told to end the migration, so the first Ctrl-C waits.
    vme.fault("freeze", "kvm01", "libvirtd")
    migration.send_signal(signal.SIGINT)
    eventually(lambda: migration.poll() is None, "it waits")
    vme.on("mgmt", "sleep", "1")
    migration.send_signal(signal.SIGINT)
    _, said = migration.communicate(timeout=20)
    assert migration.returncode == 130, said
    assert "interrupted again, so nobody waited for its end: it runs on kvm01, or it has arrived on kvm02" in said
    assert "vme repair web1" in said
    vme.fault("clear")
    eventually(lambda: vme.running("web1") == ["kvm01"], "libvirt takes the copy back", timeout_s=60)
    vme.tool("vme", "repair", "web1")
    assert vme.running("web1") == ["kvm01"]
    assert json.loads(vme.tool("list_guests", "web1", "-o", "json").stdout)[0]["state"] == "running"
