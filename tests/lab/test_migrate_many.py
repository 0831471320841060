"""migrate_guest with several guests: each has its outcome, and one that fails stops no other."""

import signal

from tests.lab.vme import Vme, eventually


def test_all_of_a_node_leave_it_and_one_that_can_not_stays(vme: Vme) -> None:
    for name in ("web1", "web2", "web3"):
        vme.create(name, "kvm01", start=True)
    vme.create("db1", "kvm01")
    vme.tool("suspend_guest", "web2")
    done = vme.tool("migrate_guest", "--all", "--node", "kvm01", status=1, timeout_s=180)
    assert sorted(line.split(":")[0] for line in done.stdout.splitlines()) == ["db1", "web1", "web3"]
    assert "web2 on kvm01: is paused (user): resume_guest first" in done.stderr
    assert "1 of 4 guests not done; each is said above" in done.stderr
    assert vme.running("web2") == ["kvm01"]
    # Each went where most room was left, counting those before it.
    assert {vme.running("web1")[0], vme.running("web3")[0]} == {"kvm02", "kvm03"}
    assert vme.guests_of("kvm01") == {"web2"}


def test_ctrl_c_ends_all_of_them(vme: Vme) -> None:
    for name in ("web1", "web2", "web3"):
        vme.create(name, "kvm01", start=True)
        vme.virsh("kvm01", "migrate-setspeed", name, "1")
    migration = vme.begin("migrate_guest", "web*", "kvm02", "--bandwidth", "1")
    eventually(lambda: len(vme.running("web1") + vme.running("web2")) == 4, "two are on their way", timeout_s=60)
    migration.send_signal(signal.SIGINT)
    _, said = migration.communicate(timeout=90)
    assert migration.returncode == 130, said
    assert "not begun: " in said
    for name in ("web1", "web2", "web3"):
        eventually(lambda name=name: vme.running(name) == ["kvm01"], f"{name} is on kvm01 only")  # type: ignore[misc]
    assert vme.guests_of("kvm02") == set()
    assert vme.virsh("kvm01", "list", "--name").split() == ["web1", "web2", "web3"]
