"""What each role may ask of a node beside libvirt: disks, displays, the files of a guest that only its node has."""

import json
import shlex
from functools import partial

from tests.lab.vme import Vme, eventually
from tests.lab.wrapped import Wrapped, as_role
from vme.node import verbs
from vme.node.md.verbs import READ
from vme.node.sight import parse_reach, parse_sight

COLUMNS = READ["disks"][-1]
# Listens on a port of 127.0.0.1, or on a path.
LISTEN = """\
import socket, sys, time
target = sys.argv[1]
local = target.startswith("/")
listener = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
listener.bind(target if local else ("127.0.0.1", int(target)))
listener.listen()
time.sleep(60)
"""


def test_disk_verbs_are_admitted_to_the_roles_that_may_have_them(node: Wrapped) -> None:
    for role in ("read", "storage", "operate"):
        assert "blockdevices" in json.loads(node.ssh(role, f"lsblk --json --bytes --output {COLUMNS}").stdout)
        assert "MemTotal" in node.ssh(role, "cat /proc/meminfo").stdout
    # Of no disk that there is: mdadm and wipefs say so themselves, or are not installed there.
    for command in ("mdadm --manage /dev/md9999 --fail /dev/sdzzz1", "wipefs --all /dev/sdzzz1", "swapoff /dev/sdzzz1"):
        node.must_refuse("read", command)
        for role in ("storage", "operate"):
            done = node.ssh(role, command)
            assert done.status not in (0, 126), done
            assert node.log()[-1]["verb"] in ("fail", "wipe", "swap-off")
    for command in ("wipefs --all /dev/../etc/passwd", "wipefs --all --force /dev/sdb", "dd if=/dev/sda of=/tmp/x"):
        for role in ("read", "storage", "operate"):
            node.must_refuse(role, command)


def test_what_is_admitted_but_not_installed_is_told_as_a_shell_would(node: Wrapped) -> None:
    done = node.ssh("operate", "ledctl locate=/dev/sda")
    assert done.status == 127, "is ledctl installed? then take another program"
    assert done.stderr.splitlines()[-1] == "vme_ssh_wrapper: not installed here: ledctl"
    assert (node.log()[-1]["decision"], node.log()[-1]["reason"]) == ("refused", "not installed here: ledctl")


def test_a_storage_key_opens_libvirt_read_only(node: Wrapped, vme: Vme) -> None:
    vme.create("web1", node.name)
    config = as_role(node, "storage")
    assert "web1" in vme.tool(*config, "list_guests").stdout
    assert "our key may only read" in vme.tool(*config, "start_guest", "web1", status=3).stderr
    assert node.virsh("storage", "&proxy=native", "list").status != 0
    assert node.log()[-1]["verb"] == "libvirt-write-native"


def test_a_relay_leads_to_displays_of_qemu_and_nothing_else(node: Wrapped, vme: Vme) -> None:
    vme.create("web1", node.name, start=True)
    port = vme.virsh(node.name, "domdisplay", "web1").strip().rpartition(":")[2]
    port = str(5900 + int(port)) if int(port) < 5900 else port
    # Twelve bytes that are no answer to its greeting: the server hangs up.
    assert node.ssh("operate", f"nc 127.0.0.1 {port}", stdin="hello, world").stdout.startswith("RFB 003")
    looking = node.begin("operate", f"nc 127.0.0.1 {port}")
    vme.started.append(looking)
    assert looking.stdout is not None
    assert looking.stdout.read(4) == "RFB "
    node.must_refuse("read", f"nc 127.0.0.1 {port}")
    node.must_refuse("storage", f"nc 127.0.0.1 {port}")
    for target in ("127.0.0.1 22", f"localhost {port}", f"10.77.0.13 {port}", "127.0.0.1 5900 -e id", "-U /run/x.sock"):
        node.must_refuse("operate", f"nc {target}")
    assert node.must_refuse("operate", "nc 127.0.0.1 6999")["reason"] == "nothing listens there"
    monitor = vme.on(node.name, "sh", "-c", "ls -d /var/lib/libvirt/qemu/domain-*-web1").strip()
    node.must_refuse("operate", f"nc -U {monitor}/monitor.sock")
    # A service that is no display, on a port and at a path that one might have; and a link to another's socket.
    for address in ("5999", f"{monitor}/vnc.sock"):
        vme.begin("python3", "-c", LISTEN, address, host=node.name)
        command = f"nc 127.0.0.1 {address}" if address[0] != "/" else f"nc -U {address}"
        eventually(partial(_is_heard_of, node, command), "it listens")
        assert node.must_refuse("operate", command)["reason"] == "it is not a QEMU that listens there"
    vme.on(node.name, "sh", "-c", f"rm {monitor}/vnc.sock; ln -s {monitor}/monitor.sock {monitor}/vnc.sock")
    assert node.must_refuse("operate", f"nc -U {monitor}/vnc.sock")["reason"] == "it is a link"
    vme.virsh(node.name, "destroy", "web1")
    assert looking.wait(timeout=20) == 0, "it ends with the guest, though its client stays"


def test_files_of_a_guest_go_both_ways_and_no_others_do(node: Wrapped) -> None:
    nvram = node.root / "var/lib/libvirt/qemu/nvram"
    nvram.mkdir(exist_ok=True)
    (nvram / "web1_VARS.fd").write_bytes(b"variables")
    name = "var/lib/libvirt/qemu/nvram/web1_VARS.fd"
    tar = "tar --use-compress-program=base64 --file=- --directory=/"
    packed = node.ssh("operate", f"{tar} --create -- {name}")
    assert packed.status == 0, packed
    (nvram / "web1_VARS.fd").unlink()
    unpack = f"{tar} --extract --preserve-permissions --same-owner --overwrite --"
    assert node.ssh("operate", f"{unpack} {name}", stdin=packed.stdout).status == 0
    assert (nvram / "web1_VARS.fd").read_bytes() == b"variables"
    (nvram / "web1_VARS.fd").unlink()
    for role in ("read", "storage"):
        node.must_refuse(role, f"{tar} --create -- {name}")
    for member in ("etc/shadow", "var/lib/libvirt/qemu/nvram/../../../../etc/shadow", "/var/lib/libvirt/qemu/nvram/x"):
        node.must_refuse("operate", f"{tar} --create -- {member}")
        node.must_refuse("operate", f"{unpack} {member}")
    node.must_refuse("operate", f"{unpack} {name} --to-command=id")


def test_the_directory_of_all_tpms_that_unpacking_makes_lets_their_emulators_pass(node: Wrapped, vme: Vme) -> None:
    """On a node whose libvirt has not had a guest with a TPM yet."""
    state = "var/lib/libvirt/swtpm/7f3cbbfc-4a49-4b0a-9d1c-3a3ee9c8a8a1"
    vme.on(node.name, "install", "-d", "-m", "711", "/var/lib/libvirt/swtpm")
    vme.on(node.name, "install", "-d", "-m", "750", "-o", "libvirt-qemu", f"/{state}")
    tar = "tar --use-compress-program=base64 --file=- --directory=/"
    packed = node.ssh("operate", f"{tar} --create -- {state}")
    vme.on(node.name, "rm", "-rf", "/var/lib/libvirt/swtpm")
    unpack = f"{tar} --extract --preserve-permissions --same-owner --overwrite --"
    assert node.ssh("operate", f"{unpack} {state}", stdin=packed.stdout).status == 0
    said = vme.on(node.name, "stat", "-c", "%a %U", "/var/lib/libvirt/swtpm", f"/{state}")
    assert said.split() == ["755", "root", "750", "libvirt-qemu"]


def test_what_is_asked_before_a_guest_moves(node: Wrapped) -> None:
    folder = node.root / "srv/vme/virt-store/.vme/nonce"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "00ff").write_text("secret")
    (folder / "notes").write_text("private")
    (folder / "00aa").symlink_to("/etc/passwd")
    paths = [f"/srv/vme/virt-store/.vme/nonce/{name}" for name in ("00ff", "notes", "00aa")]
    sight = shlex.join(verbs.SIGHT.argv(*paths))
    seen = parse_sight(node.ssh("read", sight).stdout, 0.0)
    for path in paths:
        (node.root / path.lstrip("/")).unlink()
    assert {str(path): text for path, text in seen.nonces.items()} == {paths[0]: "secret", paths[2]: ""}
    assert {str(path) for path in seen.files} == set(paths)
    assert seen.conf is not None
    assert not seen.conf.dynamic_ownership
    assert node.log()[-1]["verb"] == "sight"
    for role in ("read", "storage"):
        node.must_refuse(role, shlex.join(verbs.REACH.argv("kvm01:22")))
    reached = parse_reach(node.ssh("operate", shlex.join(verbs.REACH.argv("kvm01:22", "kvm01:49215"))).stdout)
    assert [(one.address, one.answers) for _, one in sorted(reached.items())] == [("10.77.0.11", True)] * 2
    for words in ("/etc/../etc/shadow", "'$(id)'", "-x", "a;id", "/srv/vme/$HOME"):
        node.must_refuse("operate", f"{sight} {words}")
    for words in ("kvm01:22;id", "'$(id)':22", "-x:1", "kvm01"):
        node.must_refuse("operate", shlex.join(verbs.REACH.words) + f" {words}")


def _is_heard_of(node: Wrapped, command: str) -> bool:
    return bool(node.must_refuse("operate", command)["reason"] != "nothing listens there")
