"""Everything our tools ask of a node over ssh, as one table: what is not in a table can't be asked.

vme_ssh_wrapper, on the node, has the same table with the same words, and admits nothing else; a test compares the two.
So a verb's words have one form, quoted as shlex does, and its arguments are of characters that need no quoting.
"""

import re

from vme.config import Node, SshConfig
from vme.errors import Misused
from vme.names import shown
from vme.process import Result
from vme.records import dataclass
from vme.ssh import WHOAMI, WRAPPER, run_on_node

# Kind of argument -> what it must look like.
ARGUMENTS = {
    "account": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", re.ASCII),
    # Absolute, and in its shortest form.
    "path": re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._+@%=:,-]+)+", re.ASCII),
    # UEFI's variables of a guest, where libvirt keeps them.
    "nvram": re.compile(r"/var/lib/libvirt/qemu/nvram/[A-Za-z0-9][A-Za-z0-9._+@%=:,-]*", re.ASCII),
    # The same, or the directory of a guest's TPM, as tar names them.
    "state": re.compile(
        r"var/lib/libvirt/(?:qemu/nvram/[A-Za-z0-9][A-Za-z0-9._+@%=:,-]*"
        r"|swtpm/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
        re.ASCII,
    ),
    "port": re.compile(
        r"59[0-9]{2}|[6-9][0-9]{3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
    ),
    # The socket that libvirt itself gives a display (qemu.conf, vnc_auto_unix_socket).
    "display": re.compile(r"/var/lib/libvirt/qemu/domain-[0-9][A-Za-z0-9._+@%=:,-]*/vnc\.sock", re.ASCII),
    # A host's name or IPv4 address, and a port of it.
    "endpoint": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}:[0-9]{1,5}", re.ASCII),
}
LONGEST_PATH = 1024


@dataclass(frozen=True)
class Verb:
    """One question or action: its words, then up to `most` arguments of one kind; `role` is the least that may."""

    name: str
    words: tuple[str, ...]
    role: str = "read"
    argument: str = ""
    most: int = 0

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """The words to run on the node. Raises Misused for an argument that a node's wrapper would refuse."""
        for argument in arguments:
            if not ARGUMENTS[self.argument].fullmatch(argument) or len(argument) > LONGEST_PATH:
                raise Misused(
                    f"{shown(argument)} can't be asked of a node",
                    hint=f"a {self.argument} there is made of letters, digits and ._-"
                    + ("/+@%=:, and absolute" if self.argument in ("path", "nvram") else ""),
                )
        if len(arguments) > self.most:
            raise Misused(f"{len(arguments)} arguments are too many for one question to a node ({self.name})")
        return (*self.words, *arguments)


ALIVE = Verb("alive", ("true",))
LOAD = Verb("load", ("cat", "/proc/loadavg"))
NEIGHBOURS = Verb("neighbours", ("cat", "/proc/net/arp"))
BRIDGES = Verb("bridges", ("find", "-L", "/sys/class/net", "-maxdepth", "2", "-name", "bridge"))
USER = Verb("user", ("getent", "passwd", "--"), argument="account", most=1)
GROUP = Verb("group", ("getent", "group", "--"), argument="account", most=1)
FILES = Verb("files", ("stat", "--format", "%u %g %a %i %n", "--"), argument="path", most=64)
# What is defined, and what runs, as libvirt keeps it: with the secrets in it, so not for role `read`.
_DEFINITION_FILES = ("find", "/etc/libvirt/qemu", "/run/libvirt/qemu", "-maxdepth", "1", "-type", "f", "-name", "*.xml")
DEFINITIONS = Verb(
    "definitions",
    (*_DEFINITION_FILES, "-exec", "cat", "{}", "+"),
    role="operate",
)
# What is asked before a guest moves, in one session: a fixed script, whose only changing words stand in "$@", each
# checked. Of qemu.conf no line that may hold a password, and no comment; of a nonce (store/nonce.py) its 64 bytes.
# To read /proc/net/tcp is to have the kernel walk a table that on a large machine has half a million places.
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
SIGHT = Verb("sight", ("sh", "-c", _SIGHT, "vme"), argument="path", most=64)
# Whether a port of another machine answers from here: a connection that is made, or refused, and closed at once.
_REACH = (
    'for t do ( h=${t%:*}; a=$(getent ahosts "$h"); '
    'r=$(LC_ALL=C timeout -s KILL 1 bash -c "exec 3<>/dev/tcp/\\$0/\\$1" "$h" "${t##*:}" 2>&1); '
    'echo "$t $? ${a%%[[:space:]]*} ${r##*: }" ) & done; wait'
)
REACH = Verb("reach", ("sh", "-c", _REACH, "vme"), role="operate", argument="endpoint", most=64)
NVRAM = Verb("nvram", ("base64", "--"), role="operate", argument="nvram", most=1)
DROP_NVRAM = Verb("drop-nvram", ("rm", "-f", "--"), role="operate", argument="nvram", most=1)
# Both ways with files of a guest that only its node has (node/archive.py).
_TAR = ("tar", "--use-compress-program=base64", "--file=-", "--directory=/")
PACK = Verb("pack", (*_TAR, "--create", "--"), role="operate", argument="state", most=2)
UNPACK = Verb(
    "unpack",
    (*_TAR, "--extract", "--preserve-permissions", "--same-owner", "--overwrite", "--"),
    role="operate",
    argument="state",
    most=2,
)
# Relays to a guest's display (node/display.py).
DISPLAY = Verb("display", ("nc", "127.0.0.1"), role="operate", argument="port", most=1)
DISPLAY_IPV6 = Verb("display-ipv6", ("nc", "::1"), role="operate", argument="port", most=1)
DISPLAY_SOCKET = Verb("display-socket", ("nc", "-U"), role="operate", argument="display", most=1)
WHOAMI_VERB = Verb("whoami", WHOAMI)
KEYS = Verb("keys", (WRAPPER, "keys"))

QUESTIONS = (
    *(ALIVE, LOAD, NEIGHBOURS, BRIDGES, USER, GROUP, FILES, SIGHT, REACH, DEFINITIONS, NVRAM, PACK, UNPACK),
    DROP_NVRAM,
    *(DISPLAY, DISPLAY_IPV6, DISPLAY_SOCKET, WHOAMI_VERB, KEYS),
)


def ask(node: Node, ssh: SshConfig, verb: Verb, *arguments: str, timeout_s: float) -> Result:
    """Ask a node one thing of the table. Raises what run_on_node raises, and Misused for a bad argument."""
    return run_on_node(node, ssh, verb.argv(*arguments), timeout_s=timeout_s)
