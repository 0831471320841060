"""Sessions through vme_ssh_wrapper: two hundred at once, how they end, and what the policy says."""

import time

import pytest

from tests.lab.vme import eventually
from tests.lab.wrapped import REFUSED, WRAPPER, Wrapped
from vme.ssh import HELPER_COMMAND

BURST = r"""
host=$1; shift
for master in $(seq 20); do
    ssh "$@" -f -N -M -S /run/burst.$master $host
done
for master in $(seq 20); do
    for session in $(seq 10); do
        { ssh -S /run/burst.$master x "attack $master.$session" 2>/dev/null; echo $? >/run/burst.$master.$session; } &
    done
done
wait
for master in $(seq 20); do ssh -S /run/burst.$master -O exit x 2>/dev/null; done
cat /run/burst.*.* | sort | uniq -c
rm -f /run/burst.*
"""


def test_two_hundred_sessions_at_once(node: Wrapped) -> None:
    """sshd drops bursts of connections before anyone logs in (MaxStartups): 20 are made first, for 10 sessions each."""
    before = len(node.log())
    done = node.mgmt("bash", "-c", BURST, "bash", node.name, *node.options("operate"), timeout_s=120)
    assert done.stdout.split() == ["200", str(REFUSED)], done
    lines = node.log()[before:]
    sent = {f"attack {master}.{session}" for master in range(1, 21) for session in range(1, 11)}
    assert len(lines) == 200
    assert {line["command"] for line in lines} == sent
    assert {line["decision"] for line in lines} == {"refused"}


@pytest.mark.parametrize("role", ["operate", "admin"])
def test_what_runs_dies_with_its_client(node: Wrapped, role: str) -> None:
    command = {"operate": HELPER_COMMAND, "admin": "exec sleep 4321"}[role]
    name = {"operate": "virt-ssh-helper", "admin": "sleep 4321"}[role]
    others, watchdogs = len(node.running(name)), len(node.running(WRAPPER))  # a keeper may have lines to this node
    client = node.begin(role, command)
    eventually(lambda: len(node.running(name)) > others, f"{name} runs")
    client.kill()
    client.wait(timeout=10)
    eventually(lambda: len(node.running(name)) <= others, f"{name} has gone", timeout_s=8)
    eventually(lambda: len(node.running(WRAPPER)) <= watchdogs, "no watchdog stays", timeout_s=8)


def test_a_client_that_is_gone_takes_along_what_ignores_sigterm(node: Wrapped) -> None:
    client = node.begin("admin", "trap '' TERM; while :; do sleep 0.4321; done")
    eventually(lambda: node.running("0.4321"), "it runs")
    client.kill()
    client.wait(timeout=10)
    eventually(lambda: not node.running("0.4321"), "it has gone", timeout_s=10)


def test_time_is_limited_and_the_status_is_passed_on(node: Wrapped) -> None:
    assert node.ssh("admin", "exit 42").status == 42
    wrapper = node.root / WRAPPER.lstrip("/")
    text = wrapper.read_text()
    assert text.count("ADMIN_S = 86400") == 1
    wrapper.write_text(text.replace("ADMIN_S = 86400", "ADMIN_S = 1"))
    try:
        began_s = time.monotonic()
        done = node.ssh("admin", "sleep 30")
        assert time.monotonic() - began_s < 10
    finally:
        wrapper.write_text(text)
    assert done.status == 255
    assert done.stderr.splitlines()[-1] == "vme_ssh_wrapper: ended after 1 s, the limit for this"
    assert [line["decision"] for line in node.log()[-2:]] == ["accepted", "ended"]


def test_the_policy_has_the_last_word(node: Wrapped) -> None:
    policy = node.root / "etc/vme/wrapper.toml"
    try:
        policy.write_text('[keys]\ntest-operate = "read"\ntest-read = "none"\n')
        assert node.ssh("operate", HELPER_COMMAND).status == REFUSED
        assert node.ssh("operate", "true").status == 0
        assert node.ssh("read", "true").status == REFUSED
        assert node.ssh("admin", "true").status == REFUSED, "admin is off unless the policy turns it on"
        policy.write_text("admin = maybe\n")
        assert node.ssh("operate", "true").status == REFUSED
        assert "line 1" in node.log()[-1]["reason"]
    finally:
        policy.write_text("admin = true\n")
