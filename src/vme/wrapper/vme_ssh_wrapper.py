#!/usr/bin/python3 -IS
"""vme_ssh_wrapper: the forced command of VME's management keys on a hypervisor or storage server.

A line of authorized_keys runs it, and sshd hands it what the client asked for in SSH_ORIGINAL_COMMAND:

    restrict,from="10.0.0.2",command="/usr/bin/python3 -IS /usr/local/sbin/vme_ssh_wrapper KEY ROLE LINE" ssh-rsa ...

It admits a command only if that is, byte for byte, one of the forms below and the role may have it. Then it logs, and
then it executes its own argument vector from the table: never the client's text. Where that is a shell, its script is
the table's, and the client's words are its positional parameters, each of them checked (but for `admin`).

One file, standard library only, Python 3.9 or newer. It is started for each session, so it imports little: `re`,
`json`, `signal`, `socket` and `site` together cost three times what all of this does. docs/ssh.md tells the rest.
"""

from __future__ import annotations

# `signal` and `socket` without their enums, which cost 17 ms; these are there in every CPython 3.
import _signal
import _socket
import os
import sys
import time

VERSION = 1
SELF = "/usr/local/sbin/vme_ssh_wrapper"
POLICY_FILE = "/etc/vme/wrapper.toml"
LOG_FILE = "/var/log/vme/wrapper.log"
SYSLOG = "/dev/log"

LONGEST_COMMAND = 4096
REFUSED_STATUS = 126
ABSENT_STATUS = 127  # as a shell ends where there is no such program
REFUSED_MESSAGE = "vme_ssh_wrapper: refused, and logged\n"
PROGRAM_DIRECTORIES = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

READ = frozenset(("read", "storage", "operate", "admin"))
STORAGE = frozenset(("storage", "operate", "admin"))
OPERATE = frozenset(("operate", "admin"))
ROLES = READ

QUESTION_S = 60
DISK_S = 600  # a disk that is ill lets everything wait, and a boot partition is copied whole
DISPLAY_S = 86400
LIBVIRT_S = 7 * 86400  # a connection lives as long as the tool that opened it, and a migration may take long
ADMIN_S = 86400


# --- What may be asked for ---------------------------------------------------------------------------------------

# The characters that no shell and no shlex.quote() minds, so that an argument has one form only.
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_PATH = _WORD | frozenset("/+@%=:,")


class Verb:
    """One form of command, the roles that may have it, and what is executed for it.

    `text` is the whole command, or its beginning where `argument` names a check that each word after it must pass, or a
    template where it has a {field} of FIELDS. `argvs` are tried in order until a program is there; an argument vector
    is never made of anything but these words and the checked arguments. `guarded`: what the client then says is checked
    too (see "The guard"). `stdin`: what the program reads in place of what the client says.
    """

    __slots__ = ("argument", "argvs", "guarded", "limit_s", "most", "name", "roles", "stdin", "text")

    def __init__(
        self,
        name: str,
        text: str,
        argvs: tuple[tuple[str, ...], ...],
        roles: frozenset[str],
        limit_s: int = QUESTION_S,
        argument: str = "",
        most: int = 0,
        guarded: bool = False,
        stdin: str = "",
    ) -> None:
        self.name = name
        self.guarded = guarded
        self.stdin = stdin
        self.text = text
        self.argvs = argvs
        self.roles = roles
        self.limit_s = limit_s
        self.argument = argument
        self.most = most


def _netcat(socket: str) -> str:
    """libvirt, src/rpc/virnetclient.c, virNetClientSSHHelperCommand(): nccmd."""
    return (
        "if 'nc' -q 2>&1 | grep \"requires an argument\" >/dev/null 2>&1; then ARG=-q0;else ARG=;fi;"
        f"'nc' $ARG -U {socket}"
    )


def _libvirt_verbs(access: str, flag: str, socket: str, roles: frozenset[str]) -> tuple[Verb, ...]:
    """What libvirt's own client sends for each `proxy=`; the blanks count.

    Source: libvirt, src/rpc/virnetclient.c, virNetClientSSHHelperCommand(), as of 7.0.0, 9.0.0 and 11.3.0, where the
    function is the same; tests/virnetsockettest.c (SSH tests 1, 10 and 11) has the strings written out. The helper came
    with 6.8.0; the netcat form is older, and the only one before. The path of the socket is $LOCALSTATEDIR/run on every
    distribution, on purpose (src/remote/remote_sockets.c, remoteGetUNIXSocketHelper()). The same commands as sent by a
    real 9.0.0 are in tests/unit/data/libvirt-ssh-9.0.0.jsonl.
    """
    native = f"virt-ssh-helper{flag} 'qemu:///system'"
    netcat = _netcat(socket)
    auto = f"which virt-ssh-helper 1>/dev/null 2>&1; if test $? = 0; then     {native}; else    {netcat}; fi"
    helper = ("virt-ssh-helper", *flag.split(), "qemu:///system")
    by_nc = ("nc", "-U", socket)
    guarded = roles == READ
    return (
        Verb(f"libvirt-{access}-native", f"sh -c '{native}'", (helper,), roles, LIBVIRT_S, guarded=guarded),
        Verb(f"libvirt-{access}-netcat", f"sh -c '{netcat}'", (helper, by_nc), roles, LIBVIRT_S, guarded=guarded),
        Verb(f"libvirt-{access}-auto", f"sh -c '{auto}'", (helper, by_nc), roles, LIBVIRT_S, guarded=guarded),
    )


LIBVIRT_VERBS = (
    *_libvirt_verbs("read", " -r", "/var/run/libvirt/libvirt-sock-ro", READ),
    *_libvirt_verbs("write", "", "/var/run/libvirt/libvirt-sock", OPERATE),
)

# Files of a guest that only its node has: UEFI's variables and the TPM's state, in an archive (vme/node/archive.py).
_TAR = ("tar", "--use-compress-program=base64", "--file=-", "--directory=/")
_PACK = (*_TAR, "--create", "--")
_UNPACK = (*_TAR, "--extract", "--preserve-permissions", "--same-owner", "--overwrite", "--")

_DEFINITION_FILES = ("find", "/etc/libvirt/qemu", "/run/libvirt/qemu", "-maxdepth", "1", "-type", "f", "-name", "*.xml")

# Fixed scripts: what changes about them stands in "$@", and each word of that passes the verb's check.
_SIGHT = (
    'p() { echo; echo "=== $1"; }; '
    "p clock; date +%s.%N; "
    "p links; echo /sys/class/net/*; "
    "p bridges; echo /sys/class/net/*/bridge; "
    'p listening; ss -Hltn || grep -h " 0A " /proc/net/tcp /proc/net/tcp6; '
    'c=$(grep -Eiv "^[[:space:]]*(#|$)|passw" /etc/libvirt/qemu.conf); p "qemu.conf $?"; echo "$c"; '
    "p mounts; cat /proc/self/mounts; "
    'for f do case $f in */.vme/nonce/*[!0-9a-f]*) ;; */.vme/nonce/*) p "nonce $f"; '
    'timeout -s KILL 2 dd if="$f" bs=64 count=1 iflag=nofollow status=none;; esac; done; '
    'p files; timeout -s KILL 2 stat --format "%u %g %a %i %s %n" -- "$@"'
)
_REACH = (
    'for t do ( h=${t%:*}; a=$(getent ahosts "$h"); '
    'r=$(LC_ALL=C timeout -s KILL 1 bash -c "exec 3<>/dev/tcp/\\$0/\\$1" "$h" "${t##*:}" 2>&1); '
    'echo "$t $? ${a%%[[:space:]]*} ${r##*: }" ) & done; wait'
)

# What our own tools ask of a node (vme/node/verbs.py has the same table; a test compares them).
QUESTIONS = (
    Verb("alive", "true", (("true",),), READ),
    Verb("load", "cat /proc/loadavg", (("cat", "/proc/loadavg"),), READ),
    Verb("neighbours", "cat /proc/net/arp", (("cat", "/proc/net/arp"),), READ),
    Verb(
        "bridges",
        "find -L /sys/class/net -maxdepth 2 -name bridge",
        (("find", "-L", "/sys/class/net", "-maxdepth", "2", "-name", "bridge"),),
        READ,
    ),
    Verb("user", "getent passwd --", (("getent", "passwd", "--"),), READ, argument="account", most=1),
    Verb("group", "getent group --", (("getent", "group", "--"),), READ, argument="account", most=1),
    Verb(
        "files",
        "stat --format '%u %g %a %i %n' --",
        (("stat", "--format", "%u %g %a %i %n", "--"),),
        READ,
        argument="path",
        most=64,
    ),
    Verb("sight", f"sh -c '{_SIGHT}' vme", (("sh", "-c", _SIGHT, "vme"),), READ, argument="path", most=64),
    # Only with `operate`: it tries ports of other machines.
    Verb("reach", f"sh -c '{_REACH}' vme", (("sh", "-c", _REACH, "vme"),), OPERATE, argument="endpoint", most=64),
    Verb(
        "definitions",  # with the secrets that are in them
        "find /etc/libvirt/qemu /run/libvirt/qemu -maxdepth 1 -type f -name '*.xml' -exec cat '{}' +",
        ((*_DEFINITION_FILES, "-exec", "cat", "{}", "+"),),
        OPERATE,
    ),
    Verb("nvram", "base64 --", (("base64", "--"),), OPERATE, argument="nvram", most=1),
    Verb("drop-nvram", "rm -f --", (("rm", "-f", "--"),), OPERATE, argument="nvram", most=1),
    Verb("pack", " ".join(_PACK), (_PACK,), OPERATE, DISK_S, argument="state", most=2),
    Verb("unpack", " ".join(_UNPACK), (_UNPACK,), OPERATE, DISK_S, argument="state", most=2),
    # These three lead to displays of QEMU and nothing else (why_no_display), and we relay them ourselves: OpenBSD's
    # netcat, which Debian and Ubuntu have, does not end with its display while the client stays.
    Verb("display", "nc 127.0.0.1", (("nc", "127.0.0.1"),), OPERATE, DISPLAY_S, argument="port", most=1),
    Verb("display-ipv6", "nc ::1", (("nc", "::1"),), OPERATE, DISPLAY_S, argument="port", most=1),
    Verb("display-socket", "nc -U", (("nc", "-U"),), OPERATE, DISPLAY_S, argument="display", most=1),
    Verb("whoami", f"{SELF} whoami", ((SELF, "whoami"),), READ),
    Verb("keys", f"{SELF} keys", ((SELF, "keys"),), READ),
)

# Disks and md arrays (vme/node/md/verbs.py has the same templates; a test compares them).
_NVME = "nvme[0-9]{1,3}n[0-9]{1,3}"
_VIRTIO = "vd[a-z]{1,3}"
_SCSI = "sd[a-z]{1,4}"
_DISK = f"(?:{_SCSI}|{_VIRTIO}|xvd[a-z]{{1,3}}|{_NVME})"
_PART = f"(?:{_SCSI}[0-9]{{1,3}}|{_VIRTIO}[0-9]{{1,3}}|xvd[a-z]{{1,3}}[0-9]{{1,3}}|{_NVME}p[0-9]{{1,3}})"
FIELDS = {
    "disk": _DISK,
    "scsi": _SCSI,
    "nvme": _NVME,
    "virtio": _VIRTIO,
    "part": _PART,
    "source": _PART,
    "member": f"(?:{_DISK}|{_PART})",
    "array": "md(?:[0-9]{1,4}|_[A-Za-z0-9][A-Za-z0-9_.-]{0,26})",
    "host": "host[0-9]{1,4}",
    "number": "[0-9]{1,3}",
    "uuid": "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "mountpoint": "/efi|/boot/efi",
    "loader": r"\\[Ee][Ff][Ii]\\[A-Za-z0-9_-]{1,32}\\[A-Za-z0-9_-]{1,32}\.[Ee][Ff][Ii]",
    "volume": "[0-9A-F]{8}",
}
# A verb's name, and the command as it is sent: as shlex.join() writes it.
_COLUMNS = (
    "NAME,KNAME,TYPE,SIZE,MODEL,SERIAL,WWN,HCTL,TRAN,LOG-SEC,PHY-SEC,RO,FSTYPE,UUID,LABEL,PTTYPE,PARTTYPE,MOUNTPOINT"
)
_DISK_QUESTIONS = r"""
mdstat          cat /proc/mdstat
swaps           cat /proc/swaps
memory          cat /proc/meminfo
disks           lsblk --json --bytes --output COLUMNS
by-path         find /dev/disk/by-path -type l -printf '%f %l\n'
enclosures      find -L /sys/class/enclosure -mindepth 5 -maxdepth 5 -path '/sys/class/enclosure/*/*/device/block/*'
scsi-hosts      ls /sys/class/scsi_host
smart           smartctl --json --info --health --attributes /dev/{disk}
array           mdadm --detail /dev/{array}
table           sfdisk --dump /dev/{disk}
signatures      wipefs --parsable /dev/{member}
boot-sector     head --bytes=512 /dev/{disk}
same            cmp --silent --ignore-initial=32768 /dev/{source} /dev/{part}
find-loader     grep --quiet --text --null-data --extended-regexp '(X64 |AA64|IA32)EFI' /dev/{source}
can-set-volume  fatlabel --help
efi             efibootmgr --verbose
"""
_DISK_ACTIONS = r"""
fail            mdadm --manage /dev/{array} --fail /dev/{member}
remove          mdadm --manage /dev/{array} --remove /dev/{member}
fail-detached   mdadm --manage /dev/{array} --fail detached
remove-detached mdadm --manage /dev/{array} --remove detached
add             mdadm --manage /dev/{array} --add /dev/{member}
swap-off        swapoff /dev/{part}
make-swap       mkswap --uuid {uuid} /dev/{part}
swap-on         swapon /dev/{part}
led-on          ledctl locate=/dev/{disk}
led-off         ledctl locate_off=/dev/{disk}
delete-scsi     dd of=/sys/block/{scsi}/device/delete status=none
delete-nvme     dd of=/sys/block/{nvme}/device/device/remove status=none
delete-virtio   dd of=/sys/block/{virtio}/device/../remove status=none
rescan-scsi     dd of=/sys/class/scsi_host/{host}/scan status=none
rescan-pci      dd of=/sys/bus/pci/rescan status=none
settle          udevadm settle --timeout=10
wipe            wipefs --all /dev/{member}
write-table     sfdisk --wipe=always --wipe-partitions=always /dev/{disk}
unmount         umount /dev/{part}
mount           mount /dev/{part} {mountpoint}
sync            sync
boot-bios       grub-install --target=i386-pc /dev/{disk}
copy-esp        dd if=/dev/{source} of=/dev/{part} bs=1M conv=fsync status=none
set-volume      fatlabel --volume-id /dev/{part} {volume}
boot-entry      efibootmgr --create --disk /dev/{disk} --part {number} --label {disk}-{number} --loader '{loader}'
"""
# What is written into the kernel's files, whatever the client says.
_DISK_STDIN = {
    "delete-scsi": "1\n",
    "delete-nvme": "1\n",
    "delete-virtio": "1\n",
    "rescan-scsi": "- - -\n",
    "rescan-pci": "1\n",
}


def _disk_verbs(table: str, roles: frozenset[str]) -> tuple[Verb, ...]:
    rows = [row.split(None, 1) for row in table.replace("COLUMNS", _COLUMNS).strip().split("\n")]
    return tuple(
        Verb(name, text, (_split(text),), roles, DISK_S, stdin=_DISK_STDIN.get(name, "")) for name, text in rows
    )


def _split(text: str) -> tuple[str, ...]:
    """The words of a command of the tables: what is quoted there is a word of its own."""
    words: list[str] = []
    for place, part in enumerate(text.split("'")):
        words += [part] if place % 2 else part.split()
    return tuple(words)


DISK_VERBS = (*_disk_verbs(_DISK_QUESTIONS, READ), *_disk_verbs(_DISK_ACTIONS, STORAGE))

VERBS = (*LIBVIRT_VERBS, *QUESTIONS, *DISK_VERBS)
_TEMPLATES = tuple(verb for verb in DISK_VERBS if "{" in verb.text)
_WHOLE = {verb.text: verb for verb in VERBS if not verb.argument and verb not in _TEMPLATES}
# What we do ourselves: no program is executed for these.
DISPLAYS = ("display", "display-ipv6", "display-socket")
OWN = ("whoami", "keys", *DISPLAYS)


def _is_account(word: str) -> bool:
    return 0 < len(word) <= 64 and _WORD.issuperset(word) and word[0] not in "-."


def _is_path(word: str) -> bool:
    """An absolute path in its shortest form."""
    if not (len(word) <= 1024 and word.startswith("/") and _PATH.issuperset(word)):
        return False
    return word == "/" or not {"", ".", ".."}.intersection(word[1:].split("/"))


def _is_nvram(word: str) -> bool:
    """UEFI's variables of a guest, where libvirt keeps them."""
    name = word[len(_NVRAM) :] if word.startswith(_NVRAM) else ""
    return _is_path(word) and name[:1].isalnum() and "/" not in name


def _is_state(word: str) -> bool:
    """UEFI's variables of a guest, or the directory of its TPM, as tar names them: without the first slash."""
    uuid = word[len(_TPM) :] if word.startswith(_TPM) else ""
    return _is_nvram("/" + word) or (_HEX.issuperset(uuid) and [len(part) for part in uuid.split("-")] == _UUID)


def _is_port(word: str) -> bool:
    """A port that a display may have: from 5900, below which are the machine's own services."""
    return 4 <= len(word) <= 5 and _DIGITS.issuperset(word) and word[0] != "0" and 5900 <= int(word) <= 65535


def _is_display(word: str) -> bool:
    """The UNIX socket that libvirt gives a display: qemu.conf, vnc_auto_unix_socket."""
    directory = word[len(_DOMAIN) : -len(_VNC)] if word.startswith(_DOMAIN) and word.endswith(_VNC) else ""
    return _is_path(word) and directory[:1].isdigit() and "/" not in directory


def _is_endpoint(word: str) -> bool:
    """A host's name or IPv4 address, and a port of it."""
    host, _, port = word.partition(":")
    named = 0 < len(host) <= 253 and _WORD.issuperset(host) and host[0] not in "._-"
    return named and 0 < len(port) <= 5 and port.isascii() and port.isdigit()


_NVRAM = "/var/lib/libvirt/qemu/nvram/"
_TPM = "var/lib/libvirt/swtpm/"
_DOMAIN, _VNC = "/var/lib/libvirt/qemu/domain-", "/vnc.sock"
_DIGITS = frozenset("0123456789")
_HEX = _DIGITS | frozenset("abcdef-")
_UUID = [8, 4, 4, 4, 12]
CHECKS = {
    "account": _is_account,
    "path": _is_path,
    "nvram": _is_nvram,
    "state": _is_state,
    "port": _is_port,
    "display": _is_display,
    "endpoint": _is_endpoint,
}


class Decision:
    """What is done about a command: one of `argvs`, or, where there are none, a refusal. `reason` is for the log."""

    __slots__ = ("argvs", "guarded", "limit_s", "reason", "stdin", "verb")

    def __init__(
        self,
        argvs: tuple[tuple[str, ...], ...],
        verb: str,
        reason: str,
        limit_s: int = 0,
        guarded: bool = False,
        stdin: str = "",
    ) -> None:
        self.argvs = argvs
        self.guarded = guarded
        self.stdin = stdin
        self.verb = verb
        self.reason = reason
        self.limit_s = limit_s


def decide(command: bytes | None, role: str, admin_is_on: bool = False) -> Decision:
    """What this role gets for this command; pure. The command is what the client sent, or None if it sent none."""
    if role not in ROLES:
        return _refusal("the key has no role here")
    if role == "admin" and not admin_is_on:
        return _refusal("role admin is off on this machine")
    if not command:
        return _refusal("no command: a shell was asked for")
    if len(command) > LONGEST_COMMAND:
        return _refusal(f"longer than {LONGEST_COMMAND} bytes")
    if not all(0x20 <= byte <= 0x7E for byte in command):
        if role == "admin":
            return _by_shell(command)
        return _refusal("has bytes that are not printable ASCII")
    text = command.decode("ascii")
    decision = _by_table(text, role)
    return _by_shell(command) if role == "admin" and not decision.argvs else decision


def _by_table(text: str, role: str) -> Decision:
    verb = _WHOLE.get(text)
    words: list[str] = []
    values: dict[str, str] = {}
    if verb is None:
        verb, words = _with_arguments(text)
    if verb is None:
        verb, values = _with_fields(text)
    if verb is None:
        return _refusal("not a form that is known")
    if role not in verb.roles:
        return _refusal(f"role {role} may not have {verb.name}", verb.name)
    argvs = tuple((*(_filled(word, values) for word in argv), *words) for argv in verb.argvs)
    return Decision(argvs, verb.name, "", verb.limit_s, verb.guarded, verb.stdin)


def _with_arguments(text: str) -> tuple[Verb | None, list[str]]:
    """The verb whose beginning this command has, and the words after it, if each passes the verb's check."""
    for verb in VERBS:
        if verb.argument and text.startswith(verb.text + " "):
            words = text[len(verb.text) + 1 :].split(" ")
            if 0 < len(words) <= verb.most and all(map(CHECKS[verb.argument], words)):
                return verb, words
    return None, []


def _with_fields(text: str) -> tuple[Verb | None, dict[str, str]]:
    """The verb whose template this command is, with the value of each field.

    Only a command that begins as a template does costs the import of `re`.
    """
    for verb in _TEMPLATES:
        if text.startswith(verb.text[: verb.text.index("{")]):
            import re

            found = re.fullmatch(_pattern(verb.text), text, re.ASCII)
            if found is not None:
                return verb, found.groupdict()
    return None, {}


def _pattern(template: str) -> str:
    """The regular expression of a template; a field that comes twice has the same value twice."""
    import re

    pattern = ""
    seen: set[str] = set()
    for place, part in enumerate(template.replace("}", "{").split("{")):
        if place % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>{FIELDS[part]})"
            seen.add(part)
    return pattern


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


def _by_shell(command: bytes) -> Decision:
    return Decision((("sh", "-c", os.fsdecode(command)),), "admin", "", ADMIN_S)


def _refusal(reason: str, verb: str = "") -> Decision:
    return Decision((), verb, reason)


# --- The policy --------------------------------------------------------------------------------------------------


class PolicyError(Exception):
    """The policy can't be used; everything is refused until it can."""


class Policy:
    """What /etc/vme/wrapper.toml says; without the file, what stands here."""

    __slots__ = ("admin", "log", "roles", "syslog")

    def __init__(self) -> None:
        self.admin = False
        self.log = LOG_FILE
        self.syslog = "present"  # or "required", "optional"
        self.roles: dict[str, str] = {}


def read_policy(file: str = POLICY_FILE) -> Policy:
    """The policy in force. Raises PolicyError, also where others than root could have written the file."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Policy()
    except OSError as problem:
        raise PolicyError(f"{file}: {problem.strerror}") from None
    with open(handle, "rb") as opened:
        state = os.fstat(handle)
        if state.st_uid != 0 or state.st_mode & 0o022:
            raise PolicyError(f"{file}: it must be root's, and nobody else may write it")
        try:
            return parse_policy(opened.read(65536).decode("utf-8"))
        except (UnicodeDecodeError, PolicyError) as problem:
            raise PolicyError(f"{file}: {problem}") from None


def parse_policy(text: str) -> Policy:
    """The part of TOML that a policy needs: comments, `[keys]`, and KEY = "text" or true or false. Raises PolicyError.

    Python has tomllib from 3.11 only, and it costs more than all the rest of this file.
    """
    policy = Policy()
    table = ""
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole.strip()
        if not line or line.startswith("#"):
            continue
        if line == "[keys]" and not table:
            table = "keys"
            continue
        name, equals, written = line.partition("=")
        key, value = _bare(name.strip()), _value(written.strip())
        if not equals or key is None or value is None:
            raise PolicyError(f"line {number} is not understood")
        if not _set(policy, table, key, value):
            raise PolicyError(f"line {number}: {key} can't be set so")
    return policy


def _bare(name: str) -> str | None:
    """A key of TOML: bare, or in quotation marks (then it may have dots)."""
    quoted = len(name) > 2 and name[0] == name[-1] == '"'
    inner = name[1:-1] if quoted else name
    allowed = _WORD if quoted else _WORD - {"."}
    return inner if inner and allowed.issuperset(inner) else None


def _value(written: str) -> str | bool | None:
    if written in ("true", "false"):
        return written == "true"
    if len(written) >= 2 and written[0] == '"':
        text, quote, rest = written[1:].partition('"')
        if quote and _PATH.issuperset(text) and (not rest.strip() or rest.strip().startswith("#")):
            return text
    return None


def _set(policy: Policy, table: str, name: str, value: str | bool) -> bool:
    if table == "keys":
        if not isinstance(value, str) or value not in (*ROLES, "none") or name in policy.roles:
            return False
        policy.roles[name] = value
    elif name == "admin" and isinstance(value, bool):
        policy.admin = value
    elif name == "log" and isinstance(value, str) and _is_path(value) and value != "/":
        policy.log = value
    elif name == "syslog" and value in ("present", "required", "optional"):
        policy.syslog = str(value)
    else:
        return False
    return True


# --- The log -----------------------------------------------------------------------------------------------------


class LogError(Exception):
    """The line could not be written whole; so nothing is executed."""


def json_line(fields: dict[str, object]) -> str:
    """One line of JSON in ASCII. (`json` costs 10 ms to import; a test compares.)"""
    return "{" + ", ".join(f"{_json(name)}: {_json(value)}" for name, value in fields.items()) + "}"


def _json(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_json, value)) + "]"
    return '"' + "".join(map(_escaped, str(value))) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    if 0x20 <= code <= 0x7E:
        return character
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def write_log(policy: Policy, fields: dict[str, object]) -> None:
    """Put a line into syslog and into the file. Raises LogError if either did not take it.

    The file comes last: what it says was decided is what is done, and syslog gets a correction if the file fails.
    """
    problem = _to_syslog(fields)
    # Where no /dev/log exists this machine has no syslog, and that is all right unless it is required.
    absent = isinstance(problem, FileNotFoundError)
    if problem is not None and policy.syslog != "optional" and (policy.syslog == "required" or not absent):
        _append(policy.log, {**fields, "decision": "refused", "reason": f"{SYSLOG}: {problem.strerror}"})
        raise LogError(f"{SYSLOG}: {problem.strerror}")
    try:
        _append(policy.log, fields)
    except LogError as failure:
        _to_syslog({**fields, "decision": "refused", "reason": f"not logged whole: {failure}"})
        raise


def _append(file: str, fields: dict[str, object]) -> None:
    import fcntl

    line = (json_line(fields) + "\n").encode("ascii")
    parent, _, name = file.rpartition("/")
    mine = (0, os.geteuid())
    try:
        if not os.path.lexists(parent):
            os.mkdir(parent, 0o750)
        directory = os.open(parent or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        state = os.fstat(directory)
        if state.st_uid not in mine or state.st_mode & 0o022:
            raise LogError(f"{parent}: others may write there")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(name, flags, 0o600, dir_fd=directory)
        _lock(handle, fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        state = os.fstat(handle)
        if state.st_mode & 0o170000 != 0o100000 or state.st_nlink != 1:
            raise LogError(f"{file}: not a plain file")
        if state.st_uid not in mine or state.st_mode & 0o022:
            raise LogError(f"{file}: others may write it")
        if os.write(handle, line) != len(line):
            os.ftruncate(handle, state.st_size)  # no half line may stay, for the next would be glued to it
            raise LogError(f"{file}: no room")
        os.close(handle)
        os.close(directory)
    except OSError as problem:
        raise LogError(f"{file}: {problem.strerror}") from None


def _lock(handle: int, flock: object, how: int) -> None:
    """Wait for the lock, 5 s at most: a line of another may not come between a short write and its undoing."""
    deadline_s = time.monotonic() + 5
    while True:
        try:
            flock(handle, how)  # type: ignore[operator]
            return
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.005)


def _to_syslog(fields: dict[str, object]) -> OSError | None:
    """Send a datagram to syslog; returns why it was not taken. Daemons cut long lines; the file has the whole."""
    short = dict(fields)
    if len(str(fields["command"])) > 1500:
        short["command"] = str(fields["command"])[:1500]
        short["cut"] = True
    message = f"<86>vme_ssh_wrapper[{os.getpid()}]: {json_line(short)}".encode("ascii")  # 86: authpriv.info
    log = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    deadline_s = time.monotonic() + 2
    try:
        log.setblocking(False)
        log.connect(SYSLOG)
        while True:
            try:
                log.send(message)
                return None
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.005)
    except OSError as problem:
        return problem
    finally:
        log.close()


# --- Execution ---------------------------------------------------------------------------------------------------


def find_program(argvs: tuple[tuple[str, ...], ...]) -> tuple[str, tuple[str, ...]] | None:
    """The first of these argument vectors whose program is installed, with the program's path."""
    for argv in argvs:
        for directory in PROGRAM_DIRECTORIES:
            path = f"{directory}/{argv[0]}"
            if os.access(path, os.X_OK):
                return path, argv
    return None


def execute(path: str, argv: tuple[str, ...], decision: Decision, fields: dict[str, object], policy: Policy) -> None:
    """Become the program, in a clean environment, with a watchdog beside it. Does not return.

    sshd knows this process: signals it relays reach the program, and the program's status is the session's.
    """
    _begin_watch(decision.limit_s, fields, policy)
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # Python ignores them, and that would be inherited
        _signal.signal(number, _signal.SIG_DFL)
    if decision.guarded:
        _guard(path, argv, fields, policy)
    if decision.stdin:
        ours, put = os.pipe()
        os.write(put, decision.stdin.encode())
        os.close(put)
        os.dup2(ours, 0)
    if decision.verb == "unpack":
        # What it holds has modes of its own. A directory above that, which tar makes where libvirt has not made it yet
        # (/var/lib/libvirt/swtpm), must let the TPM's emulator pass, which is not root.
        os.umask(0o022)
    os.execve(path, argv, environment())


def _begin_watch(limit_s: int, fields: dict[str, object], policy: Policy) -> None:
    """Put a watchdog beside this process, which then leads a group of its own."""
    leader = os.getpid()
    if os.getpgrp() != leader:
        os.setpgid(0, 0)
    if os.fork() == 0:
        try:
            _watch(leader, limit_s, fields, policy)
        finally:
            os._exit(0)


def environment() -> dict[str, str]:
    """All that a program gets to see: nothing that the client sent. (SSH_CONNECTION is sshd's own.)"""
    client = os.environ.get("SSH_CONNECTION", "")
    return {"PATH": PATH, "HOME": _home(), "LC_ALL": "C.UTF-8", "TZ": "UTC0", "SSH_CONNECTION": client}


def _home() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def _watch(leader: int, limit_s: int, fields: dict[str, object], policy: Policy) -> None:
    """End the program when its client is gone, or when its time is up. Ends when the program does."""
    import select

    os.setpgid(0, 0)  # out of the group that may have to be killed
    os.close(0)
    poll = select.poll()
    poll.register(1, 0)  # POLLERR or POLLHUP: sshd has closed its end, so the client is gone
    step_s = 3600.0
    try:
        poll.register(os.pidfd_open(leader), select.POLLIN)
    except (OSError, AttributeError):
        step_s = 0.2  # a kernel before 5.3 can't tell when the program ends: look now and then
    deadline_s = time.monotonic() + limit_s
    gone = False
    while os.getppid() == leader and not gone and time.monotonic() < deadline_s:
        events = poll.poll(1000 * min(step_s, max(0.0, deadline_s - time.monotonic())))
        gone = any(descriptor == 1 for descriptor, _event in events)
    if os.getppid() != leader:
        return
    if not gone:
        os.write(2, f"vme_ssh_wrapper: ended after {limit_s} s, the limit for this\n".encode())
        try:
            write_log(policy, {**fields, "time": _now(), "decision": "ended", "reason": f"the limit is {limit_s} s"})
        except LogError:
            pass
    _kill_group(leader)


def _kill_group(leader: int) -> None:
    os.close(1)
    for number, patience_s in ((_signal.SIGTERM, 2.0), (_signal.SIGKILL, 0.0)):
        if os.getppid() != leader:
            return
        try:
            os.killpg(leader, number)
        except OSError:
            return
        deadline_s = time.monotonic() + patience_s
        while os.getppid() == leader and time.monotonic() < deadline_s:
            time.sleep(0.02)


# --- The guard ---------------------------------------------------------------------------------------------------
#
# A read-only connection of libvirt is as much as the daemon makes of it: the client itself names the URI that the
# daemon is to open for it, and whether read-only. So what a client of role `read` says is read along: it may open
# qemu:///system read-only, and then call what the daemon allows on that. (The daemon's answers are not looked at.)

# length, program, version, procedure, type, serial, status: 4 bytes each (libvirt, virnetprotocol.x)
_HEADER = 28
_REMOTE, _KEEPALIVE = 0x20008086, 0x6B656570  # remote_protocol.x, virkeepaliveprotocol.x
_CALL, _MESSAGE = 0, 2  # virnetprotocol.x
_CONNECT_OPEN = 1
_LONGEST_CALL = 1 << 20
_URI = b"qemu:///system"
# remote_connect_open_args: a pointer that is set, the URI with its length and padding, the flags.
_OPEN_ARGUMENTS = b"\0\0\0\x01" + len(_URI).to_bytes(4, "big") + _URI + b"\0\0"
_READ_ONLY, _OPEN_FLAGS = 1, 3  # VIR_CONNECT_RO; with VIR_CONNECT_NO_ALIASES


def why_not_pass(message: bytes) -> str:
    """Why a client of role `read` may not send this message of libvirt's protocol; empty if it may.

    A message is its header and, for the call that opens the connection, all that follows.
    """
    length, program, version, procedure, kind = (int.from_bytes(message[at : at + 4], "big") for at in range(0, 20, 4))
    if not _HEADER <= length <= _LONGEST_CALL:
        return f"a message of {length} bytes"
    if (program, version, kind) == (_KEEPALIVE, 1, _MESSAGE):
        return ""
    if (program, version, kind) != (_REMOTE, 1, _CALL):
        return f"program {program:#x}, version {version}, type {kind}"
    if procedure != _CONNECT_OPEN:
        return ""
    arguments, flags = message[_HEADER:-4], int.from_bytes(message[-4:], "big")
    if arguments != _OPEN_ARGUMENTS:
        return "opens another URI than qemu:///system"
    if not flags & _READ_ONLY or flags & ~_OPEN_FLAGS:
        return "does not open it read-only"
    return ""


def is_open(header: bytes) -> bool:
    """Whether this message opens a connection, so that the whole of it must be seen."""
    return header[4:8] == _REMOTE.to_bytes(4, "big") and header[12:16] == _CONNECT_OPEN.to_bytes(4, "big")


def _guard(path: str, argv: tuple[str, ...], fields: dict[str, object], policy: Policy) -> None:
    """Run the program and pass on to it what the client may say; its answers go straight to the client. No return."""
    ours, to_program = os.pipe()
    program = os.fork()
    if program == 0:
        os.dup2(ours, 0)
        os.execve(path, argv, environment())
    os.close(ours)
    _signal.signal(_signal.SIGCHLD, lambda _number, _frame: _end_as(program, os.WNOHANG))
    why = ""
    try:
        while not why:
            message = _read_exactly(_HEADER)
            rest = int.from_bytes(message[:4], "big") - _HEADER
            if is_open(message) and 0 <= rest <= LONGEST_COMMAND:
                message, rest = message + _read_exactly(rest), 0
            why = why_not_pass(message)
            while message and not why:
                message = message[os.write(to_program, message) :]
                if not message and rest > 0:
                    message = _read_exactly(min(rest, 65536))
                    rest -= len(message)
    except EOFError:
        os.close(to_program)  # the client is done: let the program come to its end
        _end_as(program)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    os.kill(program, _signal.SIGKILL)
    write_log(
        policy, {**fields, "time": _now(), "decision": "cut", "reason": f"the client says what it may not: {why}"}
    )
    _refuse(REFUSED_MESSAGE)


def _read_exactly(count: int) -> bytes:
    """So many bytes from the client. Raises EOFError."""
    data = b""
    while len(data) < count:
        chunk = os.read(0, count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _end_as(program: int, how: int = 0) -> None:
    """Wait for the program and end with its status; with WNOHANG only if it has ended (the watchdog is a child too)."""
    pid, status = os.waitpid(program, how)
    if pid == program:
        os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)


# --- Displays ----------------------------------------------------------------------------------------------------
#
# A relay reaches what listens on the node. So it must be a QEMU that listens there, whatever the port.


def why_no_display(argv: tuple[str, ...]) -> str:
    """Why what this relay would lead to is no display of a guest of this machine; empty if it is one."""
    target = argv[-1]
    if argv[1] == "-U":
        # A guest's QEMU owns that directory, and may have put a link to another's socket in there.
        if os.path.realpath(target) != target:
            return "it is a link"
        sockets = _listening_on_path(target)
    else:
        sockets = _listening_on_port(int(target))
    if not sockets:
        return "nothing listens there"
    return "" if sockets <= _sockets_of_qemu() else "it is not a QEMU that listens there"


def open_display(argv: tuple[str, ...]) -> _socket.socket:
    """A connection to the display that `nc -U PATH` or `nc HOST PORT` names. Raises OSError."""
    host, target = argv[1:]
    family = _socket.AF_UNIX if host == "-U" else _socket.AF_INET6 if ":" in host else _socket.AF_INET
    display = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    display.connect(target if host == "-U" else (host, int(target)))
    return display


def relay(display: _socket.socket) -> None:
    """Carry what the client and the display say to each other, until the display has ended.

    What one of them does not take holds up that direction alone.
    """
    import select

    sinks = {0: display.fileno(), display.fileno(): 1}
    waiting = dict.fromkeys(sinks, b"")  # of each source, what its sink has yet to take
    for descriptor in (1, *sinks):
        os.set_blocking(descriptor, False)
    while True:
        sources = [source for source in sinks if not waiting[source]]
        select.select(sources, [sinks[source] for source in sinks if waiting[source]], [])
        for source, sink in tuple(sinks.items()):
            try:
                data = waiting[source] or os.read(source, 65536)
                if data:
                    waiting[source] = data  # before it is known whether any of it can be written
                    waiting[source] = data[os.write(sink, data) :]
                elif source == 0:
                    del sinks[source]
                    display.shutdown(_socket.SHUT_WR)
                else:
                    return
            except BlockingIOError:
                continue
            except OSError:
                return  # one of them is gone


def _listening_on_port(port: int) -> set[str]:
    """The inodes of the sockets that listen on this port, on whichever address: proc(5), /proc/net/tcp."""
    found = set()
    for file in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        for columns in map(str.split, _lines(file)):
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found


def _listening_on_path(path: str) -> set[str]:
    """The inodes of the sockets that listen on this path: proc(5), /proc/net/unix; 10000 is __SO_ACCEPTCON."""
    rows = (line.split(None, 7) for line in _lines("/proc/self/net/unix"))
    return {columns[6] for columns in rows if len(columns) == 8 and columns[7] == path and columns[3] == "00010000"}


def _lines(file: str) -> list[str]:
    """The lines of a table of /proc/net without its head; none where there is no such table (IPv6 is off)."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as opened:
            return opened.read().split("\n")[1:-1]
    except OSError:
        return []


def _sockets_of_qemu() -> set[str]:
    """The inodes of all sockets that QEMUs hold. The kernel tells a process's program, and only root writes in /usr."""
    found: set[str] = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
            directory, _, name = program.rpartition("/")
            if directory.startswith("/usr/") and (name.startswith("qemu-system-") or name.split(" ")[0] == "qemu-kvm"):
                links = (os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd"))
                found.update(link[8:-1] for link in links if link.startswith("socket:["))
        except OSError:
            continue  # it has ended, or is a thread of the kernel's
    return found


# --- Our own two questions ---------------------------------------------------------------------------------------


def tell_whoami(key: str, role: str, line: str) -> None:
    """Which line of authorized_keys let the client in, as JSON: how `vme keys` proves that a new line works."""
    print(json_line({"wrapper": VERSION, "key": key, "role": role, "line": line}))


def tell_keys(log: str, role: str) -> None:
    """This user's authorized_keys, and when each key was last used, as JSON.

    `read` and `storage` are told of our own lines only: what others force their keys to may be nobody else's business.
    """
    try:
        with open(f"{_home()}/.ssh/authorized_keys", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(1 << 20).split("\n")
    except OSError:
        lines = []
    lines = [line for line in lines if role not in ("read", "storage") or f" {SELF} " in line]
    used = last_uses(log)
    print(json_line({"wrapper": VERSION, "lines": lines, "used": [[key, used[key]] for key in sorted(used)]}))


def last_uses(log: str) -> dict[str, str]:
    """Key -> the time of its last accepted command, as far as the last 4 MiB of the log reach."""
    import json

    used: dict[str, str] = {}
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - (4 << 20)))
            for line in file:
                try:
                    entry = json.loads(line)
                    if entry["decision"] == "accepted":
                        used[entry["key"]] = entry["time"]
                except (ValueError, KeyError, TypeError):
                    continue
    except OSError:
        pass
    return used


# --- From sshd to all of the above -------------------------------------------------------------------------------


def _now() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"


def _entry(key: str, role: str, line: str, command: bytes | None) -> dict[str, object]:
    sent = command or b""
    return {
        "time": _now(),
        "key": key,
        "role": role,
        "line": line,
        "user": _user(),
        "from": os.environ.get("SSH_CONNECTION", "").split(" ")[0],
        "pid": os.getpid(),
        "length": len(sent),
        "sha256": _sha256(sent),
        "command": None if command is None else sent.decode("utf-8", "surrogateescape"),
    }


def _sha256(data: bytes) -> str:
    """By Python's own module where it is to be had: `hashlib` loads OpenSSL, 3 ms."""
    try:
        sha256 = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
    except ImportError:
        from hashlib import sha256
    digest: str = sha256(data).hexdigest()
    return digest


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def forced(key: str, role: str, line: str) -> None:
    """Decide about the session's command, log, then execute or refuse. Does not return."""
    command = os.environb.get(b"SSH_ORIGINAL_COMMAND")
    fields = _entry(key, role, line, command)
    policy = Policy()
    try:
        policy = read_policy()
        role = policy.roles.get(key, role)
        decision = decide(command, role, policy.admin)
    except PolicyError as problem:
        decision = _refusal(str(problem))
    found = find_program(decision.argvs) if decision.verb not in OWN else None
    absent = ""
    if decision.argvs and found is None and decision.verb not in OWN:
        absent = f"not installed here: {', '.join(argv[0] for argv in decision.argvs)}"
        decision = _refusal(absent, decision.verb)
    elif decision.argvs and decision.verb in DISPLAYS:
        reason = why_no_display(decision.argvs[0])
        decision = _refusal(reason, decision.verb) if reason else decision
    fields["role"] = role
    fields["decision"] = "accepted" if decision.argvs else "refused"
    fields["verb"] = decision.verb
    fields["reason"] = decision.reason
    try:
        write_log(policy, fields)
    except LogError:
        _refuse("vme_ssh_wrapper: refused: this machine can't log\n")
    if absent:  # no secret to who may have it, and the tools say which package is wanted
        _refuse(f"vme_ssh_wrapper: {absent}\n", ABSENT_STATUS)
    elif not decision.argvs:
        _refuse(REFUSED_MESSAGE)
    elif decision.verb == "whoami":
        tell_whoami(key, role, line)
    elif decision.verb == "keys":
        tell_keys(policy.log, role)
    elif decision.verb in DISPLAYS:
        _begin_watch(decision.limit_s, fields, policy)
        relay(open_display(decision.argvs[0]))
        os._exit(0)
    elif found is not None:
        execute(*found, decision, fields, policy)


def _refuse(message: str, status: int = REFUSED_STATUS) -> None:
    os.write(2, message.encode())
    os._exit(status)


def _tell_nothing(kind: type[BaseException], problem: BaseException, _trace: object) -> None:
    """What was not foreseen ends without a word about this machine to the client; syslog has the reason."""
    os.write(2, b"vme_ssh_wrapper: failed\n")
    _to_syslog({"time": _now(), "command": "", "decision": "failed", "reason": f"{kind.__name__}: {problem}"})


def main(words: list[str]) -> None:
    sys.excepthook = _tell_nothing
    os.umask(0o077)
    os.chdir("/")
    if "SSH_ORIGINAL_COMMAND" not in os.environ and words in (["whoami"], ["keys"]):
        # Called by name over a key that is not forced through here.
        tell_whoami("", "any", "") if words == ["whoami"] else tell_keys(LOG_FILE, "any")
        return
    words = [*words, "", "", ""][:3]
    forced(words[0], words[1], words[2])


if __name__ == "__main__":
    main(sys.argv[1:])
