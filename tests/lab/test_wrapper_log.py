"""vme_ssh_wrapper where it can't log, or not whole: nothing is executed then."""

import json
import os
import signal

from lab import run
from lab.host import environment_of, inside, powered
from lab.process_table import processes_in
from tests.lab.vme import eventually
from tests.lab.wrapped import LOG, REFUSED, WRAPPER, Wrapped


def refused_for_want_of_a_log(node: Wrapped) -> None:
    """Neither a question nor an admin's command goes through."""
    for role, command in (("operate", "true"), ("admin", "touch /run/owned"), ("operate", f"{WRAPPER} whoami")):
        done = node.ssh(role, command)
        assert done.status == REFUSED, done
        assert done.stdout == ""
        assert done.stderr.splitlines()[-1] == "vme_ssh_wrapper: refused: this machine can't log"
    assert not (node.root / "run/owned").exists()


def test_a_full_disk_under_the_log(node: Wrapped) -> None:
    node.on_node("mount", "-t", "tmpfs", "-o", "size=8k,mode=700", "tmpfs", "/var/log/vme")
    try:
        for length in (3000, 1):
            while node.ssh("read", "A" * length).stderr.endswith("refused, and logged\n"):
                pass
        refused_for_want_of_a_log(node)
        # What is in it is whole: no half line was left.
        assert all(line["length"] for line in node.log())
        (node.root / LOG.lstrip("/")).write_text("")
        assert node.ssh("operate", "true").status == 0
    finally:
        node.on_node("umount", "/var/log/vme")


def test_a_symlinked_log(node: Wrapped) -> None:
    log = node.root / LOG.lstrip("/")
    aside = log.with_name("aside")
    log.rename(aside)
    log.symlink_to("/run/elsewhere")
    try:
        refused_for_want_of_a_log(node)
        assert not (node.root / "run/elsewhere").exists()
    finally:
        log.unlink()
        aside.rename(log)


SYSLOG = """\
import socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
while True:
    with open("/run/syslog", "ab") as file:
        file.write(log.recv(1 << 20) + b"\\n")
"""


def test_a_killed_syslog(node: Wrapped) -> None:
    """The machine's /dev is everybody's in the lab, so the node gets one of its own for this."""
    node.on_node("mkdir", "-p", "/run/dev/up", "/run/dev/work")
    mounted = node.on_node(
        "mount", "-t", "overlay", "-o", "lowerdir=/dev,upperdir=/run/dev/up,workdir=/run/dev/work", "dev", "/dev"
    )
    assert mounted.status == 0, mounted
    init = powered(node.lab, node.lab.host(node.name))
    daemon = run.start(
        inside(init, ["/usr/bin/python3", "-c", SYSLOG]), environment=environment_of(node.lab, node.lab.host(node.name))
    )
    try:
        eventually(lambda: (node.root / "dev/log").is_socket(), "syslog listens")
        assert node.ssh("operate", "true").status == 0
        node.must_refuse("operate", "id " + "é" * 1800)
        everything = (node.root / "run/syslog").read_text().splitlines()
        sent = [line for line in everything if line.startswith("<86>vme_ssh_wrapper[")]
        lines = [json.loads(line.partition(": ")[2]) for line in sent]
        assert [(line["decision"], line["length"], line.get("cut", False)) for line in lines] == [
            ("accepted", 4, False),
            ("refused", 3603, True),
        ]
        for process in processes_in(init):
            if SYSLOG in process.argv:
                os.kill(process.pid, signal.SIGKILL)
        daemon.wait(timeout=10)
        before = len(node.log())
        refused_for_want_of_a_log(node)
        late = node.log()[before:]
        assert [line["decision"] for line in late] == ["refused"] * 3
        assert all("/dev/log" in line["reason"] for line in late)
    finally:
        daemon.kill()
        node.on_node("umount", "-l", "/dev")
    assert node.ssh("operate", "true").status == 0
