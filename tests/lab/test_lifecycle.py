"""start, shutdown, reboot, stop, suspend, resume: on a guest that runs and on one that does not; one or many."""

from tests.lab.vme import Vme, eventually


def state(vme: Vme, name: str) -> str:
    found: str = next(guest["state"] for guest in vme.json("list_guests") if guest["name"] == name)
    return found


def test_every_verb_on_a_running_and_on_a_stopped_guest(vme: Vme) -> None:
    """The guest's disk is empty, so its BIOS runs: enough for all but the power button."""
    vme.create("web1", "kvm01")
    for tool, reason in {
        "reboot_guest": "is shut off (unknown); start_guest or resume_guest",
        "suspend_guest": "is shut off (unknown); start_guest",
        "resume_guest": "is shut off (unknown); start_guest",
    }.items():
        assert f"web1 on kvm01: {reason}" in vme.tool(tool, "web1", status=3).stderr
    assert vme.tool("stop_guest", "--yes", "web1").stdout == "web1 on kvm01: is shut off already\n"
    assert vme.tool("shutdown_guest", "web1").stdout == "web1 on kvm01: is shut off already\n"

    assert vme.tool("start_guest", "web1").stdout == "web1 on kvm01: started\n"
    assert vme.running("web1") == ["kvm01"]
    assert vme.tool("start_guest", "web1").stdout == "web1 on kvm01: is running already\n"
    assert vme.tool("suspend_guest", "web1").stdout == "web1 on kvm01: suspended\n"
    assert vme.virsh("kvm01", "domstate", "--reason", "web1").strip() == "paused (user)"
    assert vme.tool("suspend_guest", "web1").stdout == "web1 on kvm01: is paused already\n"
    for tool in ("start_guest", "shutdown_guest", "reboot_guest"):
        assert "is paused (user); resume_guest" in vme.tool(tool, "web1", status=3).stderr.replace(
            "start_guest or ", ""
        )
    assert vme.tool("resume_guest", "web1").stdout == "web1 on kvm01: resumed\n"
    assert state(vme, "web1") == "running"
    assert vme.tool("reboot_guest", "web1").stdout == "web1 on kvm01: is rebooting\n"
    assert vme.tool("stop_guest", "web1", "--yes").stdout == "web1 on kvm01: stopped\n"
    assert vme.running("web1") == []


def test_shutdown_says_so_when_the_guest_does_not_listen(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    said = vme.tool("shutdown_guest", "web1", "--timeout", "1", status=1).stderr
    assert "web1 on kvm01: still running after 1.0 s; it was asked to shut down and may yet do so" in said
    assert "stop_guest web1" in said
    assert vme.running("web1") == ["kvm01"]


def test_a_reboot_is_a_reboot_and_a_pause_keeps_the_memory(vme: Vme) -> None:
    address = vme.boot("web1", "kvm02")
    before = vme.count(address)
    assert before
    vme.tool("suspend_guest", "web1")
    assert vme.count(address) is None
    vme.tool("resume_guest", "web1")
    assert eventually(lambda: vme.count(address), "it answers again") > before
    vme.tool("reboot_guest", "web1")
    eventually(lambda: vme.count(address) is None, "it goes down")
    assert eventually(lambda: vme.count(address), "it is up again", timeout_s=60) < before + 5


def test_many_at_once_by_set_and_pattern(vme: Vme) -> None:
    for number, node in enumerate(("kvm01", "kvm01", "kvm02", "kvm04"), start=1):
        vme.create(f"web{number}", node)
    started = vme.tool("start_guest", "web[1-3]", "web4").stdout.splitlines()
    assert sorted(started) == [
        "web1 on kvm01: started",
        "web2 on kvm01: started",
        "web3 on kvm02: started",
        "web4 on kvm04: started",
    ]
    assert "web9: no such guest on any node" in vme.tool("stop_guest", "--yes", "web[1-2]", "web9", status=4).stderr
    # Nobody to ask, and no --yes: nothing is done.
    said = vme.tool("stop_guest", "web*", status=2).stderr
    assert "nobody is there to answer" in said
    assert vme.running("web1") == ["kvm01"]
    assert len(vme.tool("stop_guest", "web*", "--dry-run").stdout.splitlines()) == 4
    assert vme.running("web4") == ["kvm04"]
    vme.tool("stop_guest", "web*", "--yes")
    assert {guest["state"] for guest in vme.json("list_guests")} == {"shut off"}


def test_some_done_and_some_not_is_a_failure_that_says_which(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm02")
    done = vme.tool("suspend_guest", "web1", "web2", status=1)
    assert done.stdout == "web1 on kvm01: suspended\n"
    assert "web2 on kvm02: is shut off" in done.stderr
    assert "1 of 2 guests not done" in done.stderr


def test_a_guest_defined_on_two_nodes_is_not_touched(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.write("kvm02", "/tmp/twin.xml", vme.virsh("kvm01", "dumpxml", "web1"))
    vme.virsh("kvm02", "define", "/tmp/twin.xml")
    for tool in ("start_guest", "shutdown_guest", "migrate_guest", "info_guest"):
        said = vme.tool(tool, "web1", status=4).stderr
        assert "on more than one node: web1 (running on kvm01, shut off on kvm02)" in said


def test_a_guest_that_runs_elsewhere_under_another_name_is_not_started(vme: Vme) -> None:
    """The same UUID, so the same disks: it would run twice."""
    vme.create("web1", "kvm01", start=True)
    twin = vme.virsh("kvm01", "dumpxml", "web1").replace("<name>web1</name>", "<name>other</name>")
    vme.write("kvm02", "/tmp/twin.xml", twin)
    vme.virsh("kvm02", "define", "/tmp/twin.xml")
    said = vme.tool("start_guest", "other", status=3).stderr
    assert "is running on kvm01 as 'web1'" in said
    assert vme.running("other") == []


def test_names_that_libvirt_takes_and_we_do_not_are_shown_escaped(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    xml = vme.virsh("kvm01", "dumpxml", "web1")
    uuid = vme.virsh("kvm01", "domuuid", "web1").strip()
    for number, name in enumerate(("$(id);rm", "-h", "a\tb", "\u202eevil")):
        other = xml.replace("<name>web1</name>", f"<name>{name}</name>").replace(
            uuid, f"{uuid[:-1]}{(int(uuid[-1], 16) + 1 + number) % 16:x}"
        )
        vme.write("kvm01", "/tmp/foreign.xml", other)
        vme.virsh("kvm01", "define", "/tmp/foreign.xml")
    listing = vme.tool("list_guests").stdout
    assert "'a\\tb'" in listing
    assert "'\\u202eevil'" in listing
    assert "\u202e" not in listing
    assert len(listing.splitlines()) == 6
    assert "can't be the name" in vme.tool("del_guest", "--yes", "*evil", status=2).stderr
