"""A real Debian made by create_guest with a cloud-init seed: who may log in, what it is called, where it is reached."""

import json

import pytest

from tests.lab.vme import Vme, eventually

STORE = "/srv/vme/east/virt-store"
SSH = (
    *("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    *("-o", "ConnectTimeout=10", "-i", "/tmp/guest-key"),
)
SIZE = ("-m", "512", "-c", "2")


def make_key(vme: Vme) -> str:
    vme.on("mgmt", "sh", "-c", "rm -f /tmp/guest-key*; ssh-keygen -q -t ed25519 -N '' -f /tmp/guest-key")
    return "/tmp/guest-key.pub"


def test_the_key_logs_in_and_the_hostname_is_set(vme: Vme, debian: str) -> None:
    """Static address on the guests' network; then a copy of it, which is another machine; and a move."""
    key = make_key(vme)
    vme.write("mgmt", "/tmp/user-data", "#cloud-config\nwrite_files: [{path: /etc/made-by, content: 'cloud-init'}]\n")
    said = vme.tool(
        *("create_guest", "web1", "-s", "kvm01", "--image", debian, "--linked", *SIZE),
        *("--cloud-init", "/tmp/user-data", "--ssh-key", key, "--hostname", "www.example.org"),
        *("--address", "10.78.0.20/24,dns=10.78.0.2", "--wait", "ssh", "--wait-timeout", "800"),
        timeout_s=850,
    ).stdout
    assert "web1 on kvm01: an ssh server answers at an address of the guest, after" in said
    guest = (*SSH, "debian@10.78.0.20")
    eventually(
        lambda: "done" in vme.on("mgmt", *guest, "cloud-init status || true"), "cloud-init is done", timeout_s=300
    )
    assert vme.on("mgmt", *guest, "hostname", "-f").strip() == "www.example.org"
    assert vme.on("mgmt", *guest, "cat", "/etc/made-by") == "cloud-init"
    assert "10.78.0.20/24" in vme.on("mgmt", *guest, "ip", "-brief", "address")
    # Nobody but QEMU's user may read what may hold passwords.
    assert vme.on("mgmt", "stat", "-c", "%U %a", f"{STORE}/web1/web1-seed.iso").split() == ["libvirt-qemu", "600"]
    vme.tool("migrate_guest", "web1", "kvm02", timeout_s=200)
    assert vme.on("mgmt", *guest, "hostname", "-s").strip() == "www"
    vme.tool("stop_guest", "--yes", "web1")


@pytest.mark.long
def test_the_agent_is_waited_for_under_uefi(vme: Vme, debian: str) -> None:
    """The same image under UEFI, by DHCP; its agent tells the address."""
    key = make_key(vme)
    vme.tool(
        *("create_guest", "web1", "-s", "kvm01", "--image", debian, "--linked", *SIZE, "--uefi"),
        *("--ssh-key", key, "--wait", "agent", "--wait-timeout", "800"),
        timeout_s=850,
    )
    interfaces = json.loads(vme.tool("info_guest", "web1", "-o", "json").stdout)[0]["interfaces"]
    assert any("10.78.0." in str(interface) for interface in interfaces), interfaces
