"""vme_ssh_wrapper under attack over a real sshd: each attack is refused, and logged truthfully and whole."""

import pytest

from lab.place import CHECKOUT
from tests.lab.wrapped import REFUSED, WRAPPER, Wrapped

READ_AND_OPERATE = pytest.mark.parametrize("role", ["read", "operate"])


COMMANDS = {
    "a shell by name": "bash -i",
    "a login shell": "-bash",
    "leading dash": "--help",
    "two leading dashes": "-- true",
    "a newline": "true\nid",
    "a newline at the end": "true\n",
    "a carriage return": "true\rid",
    "an escape sequence": "true\x1b[2J\x1b]0;x\x07",
    "a tab": "true\tid",
    "a semicolon": "true;id",
    "a substitution": "stat --format '%u %g %a %i %n' -- $(id)",
    "a glob": "stat --format '%u %g %a %i %n' -- /etc/*",
    "a look-alike letter": "tru\u0435",
    "a full-width slash": "cat \uff0fproc/loadavg",
    "a right-to-left mark": "true\u202e",
    "a non-breaking blank": "cat\u00a0/proc/loadavg",
    "a byte order mark": "\ufefftrue",
    "bytes that are no UTF-8": "true\udcff\udc80",
    "two blanks": "cat  /proc/loadavg",
    "a path up": "cat /proc/../etc/shadow",
    "another path": "/tmp/true",
    "a variable before": "PATH=/tmp true",
    "the loader": "LD_PRELOAD=/tmp/x.so true",
    "env": "env true",
    "scp": "scp -t /root",
    "rsync": "rsync --server -logDtpre.iLsfxC . /root",
    "git": "git-upload-pack '/root'",
    "the wrapper itself": f"python3 {WRAPPER} x admin",
    "another socket by nc": "nc -U /run/libvirt/virtlogd-sock",
    "helper with a socket": "sh -c 'virt-ssh-helper 'qemu:///system?socket=/run/libvirt/virtlogd-sock''",
    "helper to lxc": "sh -c 'virt-ssh-helper 'lxc:///''",
    "helper to test": "sh -c 'virt-ssh-helper 'test:///default''",
    "helper to a session": "sh -c 'virt-ssh-helper 'qemu:///session''",
    "4097 bytes": "true #" + "A" * 4091,
    "120 KB": "true" + " " * 120_000 + "; touch /run/owned",
}


@READ_AND_OPERATE
@pytest.mark.parametrize("what", COMMANDS)
def test_a_command_of_an_attacker(node: Wrapped, role: str, what: str) -> None:
    node.must_refuse(role, COMMANDS[what])


@READ_AND_OPERATE
def test_no_command_is_no_shell(node: Wrapped, role: str) -> None:
    before = len(node.log())
    done = node.ssh(role, None, stdin="touch /run/owned\n")
    assert done.status == REFUSED
    assert (node.log()[before]["command"], node.log()[before]["decision"]) == (None, "refused")
    assert not (node.root / "run/owned").exists()


def test_a_command_with_a_nul_never_gets_there(node: Wrapped) -> None:
    """No client of OpenSSH sends one; sshd itself drops who does."""
    script = (
        "import asyncio, asyncssh, sys\n"
        "async def main():\n"
        f"    options = dict(client_keys=[{node.key('operate')!r}], known_hosts=None, username='root', config=None)\n"
        f"    async with asyncssh.connect({node.name!r}, **options) as connection:\n"
        "        for command in ('true', 'true\\0; touch /run/owned'):\n"
        "            try:\n"
        "                done = await connection.run(command)\n"
        "                print(repr(command), done.exit_status)\n"
        "            except asyncssh.Error as problem:\n"
        "                print(repr(command), type(problem).__name__)\n"
        "asyncio.run(main())\n"
    )
    before = len(node.log())
    done = node.mgmt(str(CHECKOUT / ".venv/bin/python"), "-c", script)
    first, second = done.stdout.splitlines()
    assert first == "'true' 0", done
    assert second.split(" ")[-1] in ("ConnectionLost", "ProtocolError", "ChannelOpenError", "DisconnectError", "126"), (
        done
    )
    assert all(line["command"] == "true" or line["decision"] == "refused" for line in node.log()[before:])
    assert not (node.root / "run/owned").exists()


@READ_AND_OPERATE
@pytest.mark.parametrize(
    "parameters",
    [
        "&socket=/run/libvirt/virtlogd-sock",
        "&proxy=netcat&socket=/run/libvirt/virtlogd-sock",
        "&netcat=/usr/bin/socat",
        "&proxy=netcat&netcat=/bin/sh",
    ],
)
def test_uris_that_reach_for_other_sockets_and_programs(node: Wrapped, role: str, parameters: str) -> None:
    before = len(node.log())
    done = node.virsh(role, parameters, *(("-r",) if role == "read" else ()), "list")
    decisions = {line["decision"] for line in node.log()[before:]}
    # libvirt itself leaves socket= out of what it sends in the automatic mode; then there is nothing to refuse.
    if parameters == "&socket=/run/libvirt/virtlogd-sock" and decisions == {"accepted"}:
        assert "socket" not in node.log()[-1]["command"]
        return
    assert done.status != 0
    assert decisions == {"refused"}


@READ_AND_OPERATE
@pytest.mark.parametrize(
    ("driver", "path"), [("lxc", "/"), ("test", "/default"), ("qemu", "/session"), ("xen", "/system")]
)
@pytest.mark.parametrize("proxy", ["native", "auto", "netcat"])
def test_other_drivers(node: Wrapped, role: str, driver: str, path: str, proxy: str) -> None:
    before = len(node.log())
    reading = ("-r",) if role == "read" else ()
    done = node.virsh(role, f"&proxy={proxy}", *reading, "list", driver=driver, path=path)
    lines = node.log()[before:]
    if proxy != "netcat":
        assert done.status != 0
        assert lines[-1]["decision"] == "refused"
    elif role == "read":
        # The same bytes for every driver behind the daemon's socket: the guard hears which it asks for.
        assert done.status != 0
        assert [line["decision"] for line in lines] == ["accepted", "cut"]
    else:
        # Likewise, and whoever may write to the daemon may write by any driver of it.
        assert lines[-1]["verb"] == "libvirt-write-netcat"


def test_sftp_and_scp(node: Wrapped) -> None:
    for argv in (
        ["sftp", "-b", "/dev/null", "-o", "ControlPath=none", *node.options("operate"), node.name],
        ["scp", "-o", "ControlPath=none", *node.options("operate"), "/etc/hostname", f"{node.name}:/run/owned"],
        ["scp", "-O", "-o", "ControlPath=none", *node.options("operate"), "/etc/hostname", f"{node.name}:/run/owned"],
    ):
        before = len(node.log())
        assert node.mgmt(*argv).status != 0
        assert [line["decision"] for line in node.log()[before:]] == ["refused"], argv
    assert not (node.root / "run/owned").exists()


# -L and -D listen on the client's side, so they can only be seen to lead nowhere.
FORWARDS = r"""
host=$1; shift
ssh "$@" -f -N -M -S /run/owned.ctl -L 7778:127.0.0.1:22 -L /run/owned.lv:/run/libvirt/libvirt-sock -D 7779 $host
ssh -S /run/owned.ctl -O check x && echo up
timeout 5 busybox nc 127.0.0.1 7778 </dev/null
virsh -c 'qemu+unix:///system?socket=/run/owned.lv' list
ssh -S /run/owned.ctl -O exit x 2>/dev/null
rm -f /run/owned.lv
"""


@READ_AND_OPERATE
def test_forwarding_is_forbidden(node: Wrapped, role: str) -> None:
    for options in (
        ("-W", "kvm01:22"),
        ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:7777:127.0.0.1:22"),
        ("-N", "-o", "ExitOnForwardFailure=yes", "-R", "/run/owned.sock:/run/x"),
    ):
        done = node.ssh(role, None, *options, timeout_s=15)
        assert done.status == 255, (options, done)
    through = f"ProxyCommand=ssh {' '.join(node.options(role))} -W %h:%p {node.name}"  # what -J does, with our key
    assert node.mgmt("ssh", *node.options("read"), "-o", through, "kvm01", "true").status == 255
    done = node.mgmt("sh", "-c", FORWARDS, "sh", node.name, *node.options(role))
    assert "up" in done.stdout
    assert "SSH-2.0" not in done.stdout
    assert "Name" not in done.stdout


OFFERS = r"""
host=$1; shift
eval $(ssh-agent) >/dev/null
export DISPLAY=:9 LC_EVIL=1 LC_ALL='() { :;}; touch /run/owned' LANG=C
ssh "$@" -A -X -o SendEnv="LC_* LANG PATH BASH_ENV LD_PRELOAD" $host 'env; tty'
ssh-agent -k >/dev/null
"""


def test_no_agent_no_x11_no_pty_and_no_variable_of_the_clients(node: Wrapped) -> None:
    """Role admin, which may run env: so it can be seen what a program gets."""
    done = node.mgmt("sh", "-c", OFFERS, "sh", node.name, *node.options("admin"))
    assert "X11 forwarding request failed" in done.stderr
    assert "not a tty" in done.stdout
    seen = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert set(seen) - {"PWD", "_", "SHLVL", "not a tty"} == {"PATH", "HOME", "LC_ALL", "TZ", "SSH_CONNECTION"}
    assert (seen["LC_ALL"], seen["PATH"].split(":")[0]) == ("C.UTF-8", "/usr/local/sbin")
    terminal = node.ssh("admin", "echo got here", "-tt")
    assert "PTY allocation request failed" in terminal.stderr
    assert "got here" not in terminal.stdout
    assert not (node.root / "run/owned").exists()
