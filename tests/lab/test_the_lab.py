"""The lab itself: up and down without a trace, also after a crash of its own; and the demo that shows it."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab import daemons, lifecycle, remains, run
from lab.errors import LabError
from lab.place import CHECKOUT, Lab
from lab.topology import DEFAULT
from tests.lab.vme import eventually

FOLDER = Path("/var/lib/vme-lab-test-own")
ENVIRONMENT = {"PATH": run.PATH, "VME_LAB_DIR": str(FOLDER), "LANG": "C.UTF-8", "HOME": "/root"}


@pytest.fixture
def own_lab(running_lab: Lab) -> Iterator[Lab]:
    """Another lab beside the one of the other tests, which shows that two do not meet; it has its cache already."""
    lab = replace(running_lab, folder=FOLDER, topology=DEFAULT)
    lifecycle.down(lab) if FOLDER.is_dir() else None
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "lock").touch()
    run.must(["cp", "-r", f"{running_lab.folder}/cache", f"{FOLDER}/"])
    yield lab
    lifecycle.down(lab)
    run.must(["rm", "-r", str(FOLDER)])


def bin_lab(*words: str, status: int = 0) -> run.Completed:
    done = run.run([str(CHECKOUT / "bin/lab"), *words], timeout_s=120, environment=ENVIRONMENT)
    assert done.status == status, f"{done.stdout}\n{done.stderr}"
    return done


def machine() -> dict[str, set[str]]:
    """What a lab must not leave on, nor change of, the machine it runs on."""
    mounts = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    links = {link.name for link in Path("/sys/class/net").iterdir()}
    loops = {
        str(loop) for loop in Path("/sys/block").glob("loop*/loop/backing_file") if str(FOLDER) in loop.read_text()
    }
    return {
        "mounts": mounts,
        "links": links,
        "loops": loops,
        "srv": {entry.name for entry in Path("/srv").iterdir()},
        "run": {entry.name for entry in Path("/run").iterdir()},
    }


def test_down_leaves_nothing_behind(own_lab: Lab) -> None:
    before = machine()
    assert "up in " in bin_lab("up").stdout
    assert machine()["links"] == before["links"]
    assert machine()["mounts"] == before["mounts"]
    assert "is up already" in bin_lab("up", status=2).stderr
    status = bin_lab("status").stdout
    assert all(host.name in status for host in DEFAULT.hosts)
    assert "kvm03" in bin_lab("run", "kvm03", "--", "hostname").stdout
    bin_lab("down")
    assert remains.look_for_remains(own_lab).sentences() == []
    assert machine() == before
    assert {entry.name for entry in FOLDER.iterdir()} <= {"cache", "log", "lock"}
    assert "no lab is up" in bin_lab("status", status=2).stderr


def test_it_starts_again_after_a_crash_of_its_own(own_lab: Lab) -> None:
    up = run.start([str(CHECKOUT / "bin/lab"), "up"], environment=ENVIRONMENT)
    eventually(lambda: remains.own_processes(own_lab), "its first hosts run")
    up.send_signal(signal.SIGKILL)
    up.communicate()
    assert remains.look_for_remains(own_lab).processes
    bin_lab("up")
    # And after the death of all it had, at once.
    for process in remains.own_processes(own_lab):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    bin_lab("up")
    bin_lab("run", "--", "list_guests")


def test_it_refuses_to_start_where_it_would_do_harm(own_lab: Lab) -> None:
    for folder, reason in {
        str(CHECKOUT / "lab-here"): "lies in the checkout",
        "/run/vme-lab": "over which the lab's hosts mount their own",
        "/etc": "holds what is not the lab's",
        "relative lab": "must be an absolute path",
    }.items():
        environment = ENVIRONMENT | {"VME_LAB_DIR": folder}
        done = run.run([str(CHECKOUT / "bin/lab"), "up"], timeout_s=60, environment=environment)
        assert (done.status, reason in done.stderr) == (2, True), done.stderr
    unprivileged = ["setpriv", "--reuid=65534", "--clear-groups", str(CHECKOUT / "bin/lab"), "up"]
    said = run.run(unprivileged, environment=ENVIRONMENT)
    assert (said.status, "must be run as root" in said.stderr) == (2, True), said.stderr
    bin_lab("up")
    inside = run.run(
        [str(CHECKOUT / "bin/lab"), "run", "--", str(CHECKOUT / "bin/lab"), "down"], environment=ENVIRONMENT
    )
    assert "this is inside the lab" in inside.stderr


def test_every_fault_has_its_opposite(own_lab: Lab) -> None:
    bin_lab("up")
    for fault, shown in {
        "power-off kvm02": "no power",
        "freeze kvm01 libvirtd": "libvirtd (frozen)",
        "kill kvm03 virtlogd": "virtlogd (dead)",
        "cut mgmt kvm04": "link cut: kvm04 - mgmt",
        "unmount kvm05": "west (not mounted)",
        "fill east": "store full: east",
    }.items():
        bin_lab("fault", *fault.split())
        assert shown in bin_lab("status").stdout
    bin_lab("fault", "clear")
    status = bin_lab("status").stdout
    for shown in ("no power", "frozen", "dead", "link cut", "not mounted", "store full"):
        assert shown not in status
    assert "there are:" in bin_lab("fault", "earthquake", status=2).stderr
    with pytest.raises(LabError, match="no host"):
        own_lab.host("kvm99")


def test_a_libvirtd_that_crashes_is_started_anew(own_lab: Lab) -> None:
    bin_lab("up")
    node = own_lab.host("kvm01")
    (crashing,) = daemons.must_find(own_lab, node, "libvirtd")
    os.kill(crashing.pid, signal.SIGSEGV)
    eventually(lambda: {found.pid for found in daemons.find(own_lab, node, "libvirtd")} - {crashing.pid}, "a new one")
    bin_lab("fault", "kill", "kvm01", "libvirtd")
    assert "libvirtd (dead)" in bin_lab("status").stdout


def test_the_demo_ends_with_the_guest_on_another_node(own_lab: Lab) -> None:
    demo = run.run([str(CHECKOUT / "demo")], timeout_s=300, environment=ENVIRONMENT)
    assert demo.status == 0, f"{demo.stdout}\n{demo.stderr}"
    assert "$ migrate_guest demo1 kvm02" in demo.stdout
    assert '"unbroken": true' in demo.stdout
    assert "demo1  running   kvm02  east" in demo.stdout
    down = run.run([str(CHECKOUT / "demo"), "--down"], timeout_s=60, environment=ENVIRONMENT)
    assert down.status == 0, down.stderr
    assert remains.look_for_remains(own_lab).sentences() == []
