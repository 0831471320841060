"""Whatever is sent: accepted means byte-equal to a canonical form, and what is executed is in the fixed set.

Ten thousand commands here, a million with --long. The oracle (wrapper_forms) is written apart from the wrapper.
"""

import random
import shlex
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit import wrapper_forms
from vme.node.md import verbs as md_verbs
from vme.wrapper import vme_ssh_wrapper as wrapper

CANONICAL = [form.encode() for form in wrapper_forms.canonical_libvirt()]
QUESTIONS = [
    b"true",
    b"cat /proc/loadavg",
    b"find -L /sys/class/net -maxdepth 2 -name bridge",
    b"getent passwd -- root",
    b"getent group -- kvm",
    b"stat --format '%u %g %a %i %n' -- /srv/vme /srv",
    b"/usr/local/sbin/vme_ssh_wrapper whoami",
    b"/usr/local/sbin/vme_ssh_wrapper keys",
    b"nc 127.0.0.1 5901",
    b"nc ::1 5901",
    b"nc -U /var/lib/libvirt/qemu/domain-1-web1/vnc.sock",
    b"tar --use-compress-program=base64 --file=- --directory=/ --create -- var/lib/libvirt/qemu/nvram/a",
]
VALUES = {
    "mountpoint": "/boot/efi",
    "loader": r"\EFI\debian\shimx64.efi",
    "volume": "C0DE0E5A",
    "uuid": "c7a5fdbd-cdaf-9455-926a-d65c16db1809",
    "number": "1",
    "host": "host3",
    "array": "md_root",
    "part": "nvme0n1p1",
    "source": "sda1",
    "member": "sdb2",
    "disk": "sdb",
    "scsi": "sdb",
    "nvme": "nvme1n1",
    "virtio": "vdb",
}
DISKS = [
    shlex.join(word.format_map(VALUES) for word in template).encode()
    for table in (md_verbs.READ, md_verbs.STORAGE)
    for template in table.values()
]
FORMS = [*CANONICAL, *QUESTIONS, *DISKS, *(form.encode() for form in wrapper_forms.foreign_libvirt())]
PIECES = [
    b" ",
    b"  ",
    b"'",
    b'"',
    b";",
    b"\n",
    b"\0",
    b"--",
    b"-",
    b"/",
    b"..",
    b"/.",
    b"$(id)",
    b"\\",
    "é".encode(),
    b"\xff",
    b"r",
    b"1",
    b"/dev/sda",
    b"nvme0n1p1",
]

WORDS = [
    b"/",
    b"/srv",
    b"/srv/vme/virt-store/web1/web1-vda",
    b"/a..b/...",
    b"/a/..",
    b"/a//b",
    b"root",
    b"kvm",
    b"-n",
    b"64055",
    b".x",
    b"/dev/sdb",
    b"sdb1",
    b"var/lib/libvirt/swtpm/c7a5fdbd-cdaf-9455-926a-d65c16db1809",
    b"65535",
]
HEADS = [
    *(b"stat --format '%u %g %a %i %n' --", b"getent passwd --", b"getent group --", b"true", b"cat /proc/loadavg"),
    *(
        b"nc ::1",
        b"nc -U",
        b"tar --use-compress-program=base64 --file=- --directory=/ --create --",
        b"mdadm",
        b"wipefs --all",
    ),
]


def made_of(choices: bytes) -> bytes:
    """A command that these bytes choose: a known form, or a beginning with words after it, or the bytes themselves;
    then, for each three bytes that are left, something is cut out and something put in.

    (One draw an example: strategies for each part take a hundred times as long.)
    """
    kind, which, count, *edits = (*choices, 0, 0, 0) if len(choices) < 3 else choices
    if kind % 8 == 0:
        return choices
    if kind % 8 < 4:
        command = FORMS[which % len(FORMS)]
    else:
        number = count % 4 if kind % 8 < 7 else count % 70
        words = [WORDS[(kind + which * place) % len(WORDS)] for place in range(number)]
        command = b" ".join([HEADS[which % len(HEADS)], *words])
    for at, length, piece in zip(edits[0::3], edits[1::3], edits[2::3], strict=False):
        begin = at % (len(command) + 1)
        put = PIECES[piece % len(PIECES)] if piece % 2 else bytes([piece])
        command = command[:begin] + put + command[begin + length % 5 :]
    return command


# Most commands with two changes at most: those that nearly pass are what is looked for.
commands = st.one_of(st.binary(max_size=3), st.binary(max_size=9), st.binary(max_size=60)).map(made_of)
ROLES = ("read", "storage", "operate", "none")
roles = st.sampled_from(ROLES)


def judge(command: bytes, role: str) -> None:
    """Fails where the wrapper and the oracle differ."""
    executed = set(wrapper.decide(command, role).argvs)
    allowed = wrapper_forms.expected(command, role)
    assert executed <= allowed, f"executes {executed - allowed} for {command!r}"
    assert bool(executed) == bool(allowed), f"refuses {command!r}"


relaxed = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@settings(max_examples=10_000, deadline=None, database=None, suppress_health_check=relaxed)
@given(commands, roles)
def test_accepted_means_canonical(command: bytes, role: str) -> None:
    judge(command, role)


@pytest.mark.long
def test_accepted_means_canonical_a_million_times() -> None:
    """Without hypothesis, which takes ten times as long as the wrapper and the oracle together."""
    seed = time.time_ns()
    chance = random.Random(seed)
    accepted = 0
    for _ in range(1_000_000):
        command = made_of(chance.randbytes(chance.choice((3, 3, 6, 9, 12, 60))))
        role = chance.choice(ROLES)
        judge(command, role)
        accepted += bool(wrapper.decide(command, role).argvs)
    assert 50_000 < accepted < 900_000, f"of the commands of seed {seed} too few or too many are canonical to tell much"
