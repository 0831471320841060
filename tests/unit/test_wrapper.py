"""vme_ssh_wrapper: what it admits and refuses, its policy and its log, without a node."""

import ast
import json
import os
import re
import shlex
import socket
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from lab import run
from tests.unit import wrapper_forms
from vme import ssh
from vme.errors import Misused
from vme.node import verbs
from vme.node.display import relay_argv
from vme.node.md import verbs as md_verbs
from vme.ssh import HELPER_COMMAND, READ_ONLY_HELPER_COMMAND, WRAPPER
from vme.wrapper import vme_ssh_wrapper as wrapper

FILE = Path(wrapper.__file__)


def argvs(command: str | bytes | None, role: str = "operate") -> tuple[tuple[str, ...], ...]:
    return wrapper.decide(command.encode() if isinstance(command, str) else command, role).argvs


def test_it_is_one_file_of_python_3_9_with_the_standard_library_only() -> None:
    tree = ast.parse(FILE.read_text(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)
    assert "vme" not in imported


@pytest.mark.parametrize("row", wrapper_forms.captured(), ids=lambda row: f"{row['uri'][10:]} {row['read_only']}")
def test_what_libvirt_9_sends(row: dict[str, object]) -> None:
    command, read_only = str(row["command"]), bool(row["read_only"])
    known = command in wrapper_forms.canonical_libvirt()
    allowed = wrapper_forms.LIBVIRT_ARGVS[read_only]
    for role, may in (("read", known and read_only), ("operate", known), ("none", False)):
        found = set(argvs(command, role))
        assert found <= allowed
        assert bool(found) == may, (role, command)


def test_there_are_forms_of_both_kinds_in_the_data() -> None:
    assert sorted(wrapper_forms.canonical_libvirt().values()) == [False] * 3 + [True] * 3
    assert len(wrapper_forms.foreign_libvirt()) >= 10


def test_what_our_own_transport_sends_is_what_libvirt_sends() -> None:
    assert argvs(HELPER_COMMAND) == (wrapper_forms.HELPER,)
    assert argvs(HELPER_COMMAND, "read") == ()
    assert argvs(READ_ONLY_HELPER_COMMAND, "read") == (wrapper_forms.READ_ONLY_HELPER,)


def test_nothing_is_asked_of_a_node_but_what_is_in_the_table() -> None:
    """run_on_node() is called with a verb's words only, so what a wrapper would refuse can't be written by mistake.

    archive.py and md/machine.py have tables too, with which the wrapper's are compared below.
    """
    callers = [path for path in Path(ssh.__file__).parent.rglob("*.py") if "run_on_node(" in path.read_text()]
    assert sorted(path.name for path in callers) == ["archive.py", "machine.py", "ssh.py", "verbs.py"]


SAMPLES = {
    "account": "libvirt-qemu",
    "path": "/srv/vme/virt-store",
    "nvram": "/var/lib/libvirt/qemu/nvram/web1_VARS.fd",
    "state": "var/lib/libvirt/swtpm/c7a5fdbd-cdaf-9455-926a-d65c16db1809",
    "port": "5901",
    "display": "/var/lib/libvirt/qemu/domain-12-web1/vnc.sock",
    "endpoint": "kvm02:49215",
    "": "",
}


ROLES = {"read": wrapper.READ, "storage": wrapper.STORAGE, "operate": wrapper.OPERATE}


def test_every_verb_of_the_tools_is_a_verb_of_the_wrapper_and_no_other() -> None:
    theirs = {verb.name: verb for verb in wrapper.QUESTIONS}
    assert set(theirs) == {verb.name for verb in verbs.QUESTIONS}
    for verb in verbs.QUESTIONS:
        other = theirs[verb.name]
        assert other.text == shlex.join(verb.words)
        assert other.argvs == (verb.words,)
        assert (other.argument, other.most) == (verb.argument, verb.most)
        assert other.roles == ROLES[verb.role]


def test_every_disk_verb_of_the_tools_is_one_of_the_wrapper_and_no_other() -> None:
    theirs = {verb.name: verb for verb in wrapper.DISK_VERBS}
    assert set(theirs) == {*md_verbs.READ, *md_verbs.STORAGE}
    for role, table in (("read", md_verbs.READ), ("storage", md_verbs.STORAGE)):
        for name, words in table.items():
            assert theirs[name].argvs == (words,)
            assert theirs[name].roles == ROLES[role]
            assert theirs[name].stdin == md_verbs.STDIN.get(name, "")
    assert wrapper.FIELDS == md_verbs.PATTERNS


FIELD_SAMPLES = {
    "disk": ["sda", "nvme0n1", "vdb", "xvdc"],
    "scsi": ["sdaa"],
    "nvme": ["nvme10n1"],
    "virtio": ["vdb"],
    "part": ["sda1", "nvme0n1p2"],
    "source": ["vdb3"],
    "member": ["sdb", "sdb2", "nvme0n1p11"],
    "array": ["md0", "md127", "md_root.1-x"],
    "host": ["host0"],
    "number": ["1"],
    "uuid": ["c7a5fdbd-cdaf-9455-926a-d65c16db1809"],
    "mountpoint": ["/efi", "/boot/efi"],
    "loader": [r"\EFI\debian\grubx64.efi", r"\EFI\BOOT\BOOTX64.EFI", r"\efi\systemd\systemd-bootx64.efi"],
    "volume": ["C0DE0E5A"],
}
# What may stand in no field: other disks and mappings, other directories, options, more words, what a shell minds.
FOREIGN_VALUES = [
    *("", "mmcblk0", "mapper/root", "../etc/passwd", "sda/../sdb", "-a", "--force", "sda --force", "sda\n", " sda"),
    *("sda;id", "$(id)", "SDA", "sd\u0430", "dm-0", "md_../x", "/etc", "/efi/..", r"\EFI\..\x.efi", "{disk}", "sda1 "),
]
DISK_ACTIONS = [(name, words) for table in (md_verbs.READ, md_verbs.STORAGE) for name, words in table.items()]


@pytest.mark.parametrize(("name", "words"), DISK_ACTIONS)
def test_a_disk_verb_is_admitted_with_values_that_its_fields_may_have_and_no_others(
    name: str, words: tuple[str, ...]
) -> None:
    fields = sorted(set(re.findall(r"\{(\w+)\}", " ".join(words))))
    least = "read" if name in md_verbs.READ else "storage"
    for turn in range(4):
        values = {field: FIELD_SAMPLES[field][turn % len(FIELD_SAMPLES[field])] for field in fields}
        sent = md_verbs.Action(name, values).argv
        for role, roles in wrapper_forms.ROLES.items():
            assert argvs(shlex.join(sent), role) == ((sent,) if least in roles else ()), role
        for field in fields:
            for foreign in FOREIGN_VALUES:
                wrong = tuple(word.format_map({**values, field: foreign}) for word in words)
                assert argvs(shlex.join(wrong)) == (), wrong
                assert argvs(" ".join(wrong)) == (), wrong
        assert argvs(shlex.join((*sent, "--force"))) == ()


def test_a_field_that_comes_twice_has_one_value() -> None:
    entry = r"efibootmgr --create --disk /dev/sda --part 1 --label {}-1 --loader '\EFI\debian\grubx64.efi'"
    assert argvs(entry.format("sda"))
    assert argvs(entry.format("sdb")) == ()


def test_what_is_written_into_a_file_of_the_kernels_is_the_wrappers_own() -> None:
    assert wrapper.decide(b"dd of=/sys/block/sdb/device/delete status=none", "storage").stdin == "1\n"
    assert wrapper.decide(b"sfdisk --wipe=always --wipe-partitions=always /dev/sdb", "storage").stdin == ""


@pytest.mark.parametrize(
    ("target", "admitted"),
    [
        ("127.0.0.1:5901", True),
        ("[::1]:65535", True),
        ("/var/lib/libvirt/qemu/domain-3-web1/vnc.sock", True),
        ("127.0.0.1:22", False),
        ("10.0.0.5:5901", False),
        ("localhost:5901", False),
        ("[fe80::1]:5901", False),
        ("/var/lib/libvirt/qemu/domain-3-web1/monitor.sock", False),
        ("/run/libvirt/libvirt-sock", False),
    ],
)
def test_a_relay_leads_to_displays_of_the_node_itself(target: str, admitted: bool) -> None:
    words = relay_argv(target)
    assert argvs(shlex.join(words)) == ((words,) if admitted else ())
    assert argvs(shlex.join(words), "read") == ()
    assert argvs(shlex.join(words), "storage") == ()


def test_what_is_no_display_of_a_qemu_is_told_from_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        port = str(server.getsockname()[1])
        assert wrapper.why_no_display(("nc", "127.0.0.1", port)) == "it is not a QEMU that listens there"
        server.close()
        assert wrapper.why_no_display(("nc", "127.0.0.1", port)) == "nothing listens there"
        path = tmp_path / "vnc.sock"
        local.bind(str(path))
        assert wrapper.why_no_display(("nc", "-U", str(path))) == "nothing listens there"
        local.listen()
        assert wrapper.why_no_display(("nc", "-U", str(path))) == "it is not a QEMU that listens there"
        link = tmp_path / "link.sock"
        link.symlink_to(path)
        assert wrapper.why_no_display(("nc", "-U", str(link))) == "it is a link"


RELAY = """
import runpy, sys
wrapper = runpy.run_path(sys.argv[1])
wrapper["relay"](wrapper["open_display"](tuple(sys.argv[2:])))
"""


def relay_to(server: socket.socket) -> run.Process:
    address = server.getsockname()
    where = ("-U", address) if isinstance(address, str) else (address[0], str(address[1]))
    return run.start([sys.executable, "-ISc", RELAY, wrapper.__file__, "nc", *where])


def speak(display: socket.socket, words: str) -> None:
    display.sendall(words.encode())
    display.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("kind", ["port", "path"])
def test_a_relay_carries_both_ways_at_once_and_ends_with_the_display(tmp_path: Path, kind: str) -> None:
    """Though the client's end stays open; and what the client does not yet read does not hold up what it says."""
    with socket.socket(socket.AF_UNIX if kind == "path" else socket.AF_INET) as server:
        server.bind(str(tmp_path / "vnc.sock") if kind == "path" else ("127.0.0.1", 0))
        server.listen()
        with relay_to(server) as relay:
            assert relay.stdin is not None
            assert relay.stdout is not None
            display, _ = server.accept()
            words = "screen" * 1_000_000  # more than is kept anywhere while nobody reads it
            speaking = threading.Thread(target=speak, args=(display, words))
            speaking.start()
            relay.stdin.write("key")
            relay.stdin.flush()
            assert display.recv(10) == b"key"
            assert relay.stdout.read() == words
            assert relay.wait(timeout=20) == 0
            speaking.join()
            display.close()


def test_a_relay_tells_the_display_that_its_client_has_ended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, relay_to(server) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        display, _ = server.accept()
        relay.stdin.write("last words")
        relay.stdin.close()
        assert display.recv(100, socket.MSG_WAITALL) == b"last words"
        speak(display, "answer")
        display.close()
        assert relay.stdout.read() == "answer"
        assert relay.wait(timeout=20) == 0


@pytest.mark.parametrize("verb", verbs.QUESTIONS, ids=lambda verb: verb.name)
def test_what_a_verb_sends_is_admitted_to_its_role(verb: verbs.Verb) -> None:
    words = verb.argv(*([SAMPLES[verb.argument]] if verb.argument else []))
    for role, roles in wrapper_forms.ROLES.items():
        assert argvs(shlex.join(words), role) == ((words,) if verb.role in roles else ())


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "account",
            ["root", "libvirt-qemu", "64055", "_x", "a.b"],
            ["", "-n", ".x", "a b", "a/b", "a:b", "é", "a" * 65, "a\n"],
        ),
        (
            "path",
            ["/", "/srv", "/srv/vme/virt-store/web1/web1-vda", "/a/..b/...", "/x@y%z=1:2,3+4"],
            [
                "",
                "a",
                "~",
                "//",
                "/a/",
                "/a//b",
                "/a/../b",
                "/..",
                "/a/.",
                "/a b",
                "/a'b",
                "/a*",
                "/$x",
                "/é",
                "/" + "a" * 1024,
            ],
        ),
        (
            "nvram",
            ["/var/lib/libvirt/qemu/nvram/web1_VARS.fd", "/var/lib/libvirt/qemu/nvram/a"],
            [
                "/etc/shadow",
                "/var/lib/libvirt/qemu/nvram/",
                "/var/lib/libvirt/qemu/nvram/..",
                "/var/lib/libvirt/qemu/nvram/../x",
                "/var/lib/libvirt/qemu/nvram/a/b",
                "/var/lib/libvirt/qemu/nvram/.a",
                "/var/lib/libvirt/qemu/nvram/\u0661",
                "var/lib/libvirt/qemu/nvram/a",
            ],
        ),
        (
            "state",
            ["var/lib/libvirt/qemu/nvram/web1_VARS.fd", "var/lib/libvirt/swtpm/c7a5fdbd-cdaf-9455-926a-d65c16db1809"],
            [
                "",
                "/var/lib/libvirt/qemu/nvram/a",
                "var/lib/libvirt/qemu/nvram",
                "var/lib/libvirt/qemu/nvram/../../x",
                "var/lib/libvirt/swtpm",
                "var/lib/libvirt/swtpm/",
                "var/lib/libvirt/swtpm/c7a5fdbd-cdaf-9455-926a-d65c16db1809/",
                "var/lib/libvirt/swtpm/c7a5fdbd-cdaf-9455-926a-d65c16db1809/tpm2",
                "var/lib/libvirt/swtpm/c7a5fdbd-cdaf-9455-926a-D65C16DB1809",
                "var/lib/libvirt/swtpm/c7a5fdbdcdaf-9455-926a-d65c-16db1809",
                "var/lib/libvirt/swtpm/--------",
                "etc/shadow",
                "--to-command=id",
            ],
        ),
        (
            "port",
            ["5900", "5999", "10000", "65535"],
            ["", "22", "5899", "05900", "65536", "+5900", "59 00", "\u0665900"],
        ),
        (
            "display",
            ["/var/lib/libvirt/qemu/domain-1-a/vnc.sock", "/var/lib/libvirt/qemu/domain-10-web.1/vnc.sock"],
            [
                "",
                "/var/lib/libvirt/qemu/domain-1-a/monitor.sock",
                "/var/lib/libvirt/qemu/domain-1-a/../domain-2-b/vnc.sock",
                "/var/lib/libvirt/qemu/domain-../vnc.sock",
                "/var/lib/libvirt/qemu/domain-1-a/x/vnc.sock",
                "/var/lib/libvirt/qemu/domain-/vnc.sock",
                "/var/lib/libvirt/qemu/domain-vnc.sock",
                "/var/lib/libvirt/qemu/domain-1-a/vnc.sock/",
                "/tmp/vnc.sock",
            ],
        ),
        (
            "endpoint",
            ["kvm02:49215", "kvm02.example.org:1", "10.77.0.12:49152", "a" * 253 + ":80"],
            [
                *("", ":1", "kvm02", "kvm02:", "kvm02:x", "kvm02:123456", "-n:1", ".a:1", "_a:1", "a b:1", "a:1:2"),
                *("[::1]:1", "a/b:1", "a$b:1", "a:1\n", "a\n:1", "é:1", "a:\u0661", "a" * 254 + ":80"),
            ],
        ),
    ],
)
def test_arguments_are_checked_alike_on_both_sides(kind: str, good: list[str], bad: list[str]) -> None:
    verb = next(verb for verb in verbs.QUESTIONS if verb.argument == kind)
    for word in good:
        assert wrapper.CHECKS[kind](word), word
        verb.argv(word)
    for word in bad:
        assert not wrapper.CHECKS[kind](word), word
        with pytest.raises(Misused):
            verb.argv(word)


ATTACKS = [
    None,
    b"",
    b" ",
    b"sh",
    b"bash -i",
    b"internal-sftp",
    b"/usr/lib/openssh/sftp-server",
    b"scp -t /tmp",
    b"rsync --server -e.LsfxCIvu . /tmp",
    b"true ",
    b" true",
    b"true\n",
    b"true\nid",
    b"true\r",
    b"true\x00",
    b"true;id",
    b"true && id",
    b"true # ",
    b"TRUE",
    "trùe".encode(),
    "tru\u0435".encode(),  # a Cyrillic letter
    b"\xef\xbb\xbftrue",
    b"true\xe2\x80\xae",
    b"\x1b[2Jtrue",
    b"/bin/true",
    b"cat /proc/loadavg /etc/shadow",
    b"cat  /proc/loadavg",
    b"cat /proc/../etc/shadow",
    b"getent passwd --",
    b"getent passwd -- ",
    b"getent passwd -- root daemon",
    b"getent passwd -- -s",
    b"getent shadow -- root",
    b"getent passwd -- root;id",
    b"stat --format '%u %g %a %i %n' --",
    b"stat --format '%u %g %a %i %n' -- /etc /../x",
    b"stat --format '%u %g %a %i %n' -- /etc  /x",
    b"stat --format '%u %g %a %i %n' -- /etc ",
    b"stat --format '%u %g %a %i %n' -- -L",
    b"stat --format '%u %g %a %i %n' -- '/etc'",
    b"stat --format '%u %g %a %i %n' -- $(id)",
    b"stat --format '%u %g %a %i %n' -- /e\\tc",
    b'stat --format "%u %g %a %i %n" -- /etc',
    b"stat --format '%n' -- /etc",
    b"stat --format '%u %g %a %i %n' --" + b" /x" * 65,
    b"find -L /sys/class/net -maxdepth 2 -name bridge -delete",
    b"find -L /sys/class/net -maxdepth 2 -name bridge -exec id ;",
    b"virt-ssh-helper 'qemu:///system'",
    b"virt-ssh-helper qemu:///system",
    b"sh -c 'virt-ssh-helper qemu:///system'",
    b"sh -c 'virt-ssh-helper  'qemu:///system''",
    b"sh -c 'virt-ssh-helper 'qemu:///system'' ",
    b"sh -c 'virt-ssh-helper 'qemu:///system'';id",
    b"sh -c 'virt-ssh-helper 'qemu:///session''",
    b"sh -c 'virt-ssh-helper 'lxc:///''",
    b"sh -c 'virt-ssh-helper 'test:///default''",
    b"sh -c 'virt-ssh-helper 'qemu:///system?socket=/run/other''",
    b"sh -c 'virt-ssh-helper -r -r 'qemu:///system''",
    b"sh -c 'nc -U /run/docker.sock'",
    b"/usr/local/sbin/vme_ssh_wrapper",
    b"/usr/local/sbin/vme_ssh_wrapper whoami ",
    b"/usr/local/sbin/vme_ssh_wrapper whoami keys",
    b"/usr/local/sbin/../sbin/vme_ssh_wrapper whoami",
    b"vme_ssh_wrapper whoami",
    b"PATH=/tmp true",
    b"env true",
    b"A" * 4097,
    b"A" * 120_000,
    b"true" + b" " * 120_000 + b"; id",
]


@pytest.mark.parametrize("role", ["read", "storage", "operate", "admin", "", "root"])
@pytest.mark.parametrize("command", ATTACKS, ids=lambda command: repr(command)[:60])
def test_attacks_are_refused_for_every_role(command: bytes | None, role: str) -> None:
    decision = wrapper.decide(command, role)
    assert decision.argvs == ()
    assert decision.reason


@pytest.mark.parametrize("command", wrapper_forms.foreign_libvirt())
def test_libvirts_strings_for_other_drivers_and_sockets_are_refused(command: str) -> None:
    assert argvs(command) == ()


def test_admin_is_off_until_it_is_turned_on_and_then_takes_anything_up_to_4_kib() -> None:
    assert wrapper.decide(b"id; uptime", "admin", admin_is_on=False).argvs == ()
    assert wrapper.decide(b"id; uptime", "admin", admin_is_on=True).argvs == (("sh", "-c", "id; uptime"),)
    assert wrapper.decide("é\n".encode(), "admin", admin_is_on=True).argvs == (("sh", "-c", "é\n"),)
    assert wrapper.decide(b"A" * 4097, "admin", admin_is_on=True).argvs == ()
    assert wrapper.decide(b"true", "admin", admin_is_on=True).argvs == (("true",),)
    assert wrapper.decide(None, "admin", admin_is_on=True).argvs == ()


def message(
    uri: bytes | None = b"qemu:///system",
    flags: int = 1,
    *,
    procedure: int = 1,
    program: int = 0x20008086,
    kind: int = 0,
    version: int = 1,
    length: int | None = None,
) -> bytes:
    """A message as virnetprotocol.x and remote_protocol.x have it: a good call that opens, if nothing else is said."""
    name = b"\0" * 4 if uri is None else b"\0\0\0\1" + len(uri).to_bytes(4, "big") + uri + b"\0" * (-len(uri) % 4)
    arguments = name + flags.to_bytes(4, "big")
    size = 28 + len(arguments) if length is None else length
    return b"".join(number.to_bytes(4, "big") for number in (size, program, version, procedure, kind, 7, 0)) + arguments


@pytest.mark.parametrize(
    "passed",
    [
        message(),
        message(flags=3),
        message(procedure=66)[:28],
        message(procedure=1, program=0x6B656570, kind=2)[:28],
        message(procedure=2, length=1 << 20)[:28],
    ],
)
def test_what_a_client_of_role_read_may_say(passed: bytes) -> None:
    assert wrapper.why_not_pass(passed) == ""


@pytest.mark.parametrize(
    "cut",
    [
        message(None),
        message(b""),
        message(b"qemu:///session"),
        message(b"qemu:///system?socket=/x"),
        message(b"qemu+ssh://x/system"),
        message(b"test:///default"),
        message(flags=0),
        message(flags=2),
        message(flags=5),
        message() + b"\0\0\0\1",
        message()[:40],
        message(procedure=3, program=0x20008087)[:28],  # the QEMU program: monitor commands
        message(procedure=3, program=0x20008088)[:28],  # the LXC program
        message(procedure=2, kind=4)[:28],
        message(procedure=2, kind=3)[:28],
        message(procedure=2, version=2)[:28],
        message(procedure=2, length=27)[:28],
        message(procedure=2, length=(1 << 20) + 1)[:28],
    ],
)
def test_what_a_client_of_role_read_may_not_say(cut: bytes) -> None:
    assert wrapper.why_not_pass(cut)


def test_whoever_opens_a_connection_is_seen_whole() -> None:
    assert wrapper.is_open(message()[:28])
    assert not wrapper.is_open(message(procedure=2)[:28])
    assert not wrapper.is_open(message(program=0x6B656570)[:28])


GOOD_POLICY = """\
# VME
admin = true
log = "/srv/log/wrapper.log"   # elsewhere
syslog = "required"

[keys]
backup = "read"
"mgmt1.example" = "operate"
old = "none"
"""


def test_a_policy_means_what_toml_means() -> None:
    policy = wrapper.parse_policy(GOOD_POLICY)
    meant = tomllib.loads(GOOD_POLICY)
    assert policy.roles == meant["keys"]
    assert (policy.admin, policy.log, policy.syslog) == (meant["admin"], meant["log"], meant["syslog"])


@pytest.mark.parametrize(
    "text",
    [
        "admin = yes",
        "admin",
        'admin = "true"',
        "admin = true\nadmin = tru",
        'log = "relative"',
        'log = "/a/../b"',
        'syslog = "maybe"',
        "unknown = true",
        "[roles]",
        "[keys]\nx = true",
        '[keys]\nx = "root"',
        '[keys]\nx = "read"\nx = "operate"',
        '[keys]\n"a b" = "read"',
        '[keys]\na.b = "read"',
        "[keys]\nx = 'read'",
        '[keys]\nx = "read" junk',
    ],
)
def test_a_policy_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(wrapper.PolicyError):
        wrapper.parse_policy(text)


def test_a_policy_that_others_may_write_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "wrapper.toml"
    file.write_text("admin = true\n")
    file.chmod(0o666)
    with pytest.raises(wrapper.PolicyError):
        wrapper.read_policy(str(file))
    assert wrapper.read_policy(str(tmp_path / "none")).admin is False


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'quo"te\\',
        "new\nline\x00\x1b",
        "é\u202e\U0001f600",
        "\udc80\udcff",
        None,
        True,
        False,
        7,
        1.5,
        ["a", ["b"]],
    ],
)
def test_a_line_of_the_log_is_json(value: object) -> None:
    line = wrapper.json_line({"a": value, "b": ""})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"a": value, "b": ""}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log's place in a directory that is ours alone, on a machine without syslog."""
    monkeypatch.setattr(wrapper, "SYSLOG", str(tmp_path / "no-syslog"))
    directory = tmp_path / "log"
    directory.mkdir(mode=0o700)
    return directory / "wrapper.log"


def write(file: Path, command: str = "true", syslog: str = "present") -> None:
    policy = wrapper.Policy()
    policy.log = str(file)
    policy.syslog = syslog
    wrapper.write_log(policy, {"command": command, "decision": "accepted", "reason": ""})


def test_the_log_is_made_for_root_only_and_grows(log: Path) -> None:
    write(log)
    write(log, "x" * 200_000)
    lines = log.read_text().splitlines()
    assert [len(json.loads(line)["command"]) for line in lines] == [4, 200_000]
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_is_a_link_or_no_file_or_open_to_others_is_not_written(log: Path) -> None:
    target = log.with_name("target")
    log.symlink_to(target)
    with pytest.raises(wrapper.LogError):
        write(log)
    assert not target.exists()
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(wrapper.LogError):
        write(log)
    log.unlink()
    log.touch(mode=0o600)
    log.chmod(0o622)
    with pytest.raises(wrapper.LogError):
        write(log)
    log.chmod(0o600)
    log.with_name("second").hardlink_to(log)
    with pytest.raises(wrapper.LogError):
        write(log)
    log.parent.chmod(0o777)
    log.with_name("second").unlink()
    with pytest.raises(wrapper.LogError):
        write(log)
    assert log.read_text() == ""


def test_a_directory_that_is_a_link_is_not_written_into(log: Path) -> None:
    link = log.parent.with_name("link")
    link.symlink_to(log.parent)
    with pytest.raises(wrapper.LogError):
        write(link / "wrapper.log")
    assert not log.exists()


def test_without_syslog_the_file_is_enough_unless_syslog_is_required(log: Path) -> None:
    write(log)
    with pytest.raises(wrapper.LogError):
        write(log, syslog="required")
    assert [json.loads(line)["decision"] for line in log.read_text().splitlines()] == ["accepted", "refused"]


def test_the_environment_of_what_is_executed_has_nothing_of_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_EVIL", "1")
    monkeypatch.setenv("PATH", "/tmp")
    made = wrapper.environment()
    assert set(made) == {"PATH", "HOME", "LC_ALL", "TZ", "SSH_CONNECTION"}
    assert made["PATH"] == wrapper.PATH


def test_its_own_path_is_known_to_the_tools() -> None:
    assert wrapper.SELF == WRAPPER
