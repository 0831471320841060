"""The private directory, and how ssh is called from it."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from vme import runtime, ssh
from vme.config import Node, SshConfig
from vme.errors import Misconfigured
from vme.process import Result
from vme.ssh import DAEMON_SOCKETS, Master, master_of

LONGEST_NODE = Node("n" * 63, "east")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runtime, "_place", lambda: tmp_path / "vme")
    return tmp_path / "vme"


def test_it_is_made_for_us_alone(place: Path) -> None:
    before = os.umask(0)
    try:
        assert runtime.private_directory() == place
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o700
    assert runtime.private_directory() == place


@pytest.mark.parametrize("kind", ["open to others", "a symlink", "a file", "a dangling symlink", "another's"])
def test_what_others_could_reach_is_refused(place: Path, kind: str) -> None:
    if kind == "a file":
        place.touch(mode=0o600)
    elif kind in ("a symlink", "a dangling symlink"):
        place.symlink_to(place.parent if kind == "a symlink" else "nowhere")
    else:
        place.mkdir(mode=0o700)
        place.chmod(0o750 if kind == "open to others" else 0o700)
    if kind == "another's":
        if os.geteuid() != 0:
            pytest.xfail("only root can give a directory away")
        os.chown(place, 12345, 12345)
    with pytest.raises(Misconfigured, match="must be a directory of your own with mode 0700"):
        runtime.private_directory()


@pytest.mark.parametrize("given", ["short", "", "relative", "long", "gone", "another's"])
def test_where_it_is(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    own = Path("/run/user/0" if given == "short" else "/tmp")
    texts = {"": "", "relative": "run", "long": "/tmp/" + "x" * 30, "gone": "/nowhere", "another's": "/tmp"}
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    if given == "short":
        monkeypatch.setattr(os, "geteuid", lambda: Path("/tmp").stat().st_uid)
        own = Path("/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", texts.get(given, str(own)))
    assert runtime._place() == (Path("/tmp/vme") if given == "short" else Path("/tmp/vme-4711"))


def master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: SshConfig | None = None) -> Master:
    monkeypatch.setattr(ssh, "private_directory", lambda: tmp_path)
    return master_of(Node("kvm01", "east"), config or SshConfig())


def test_every_socket_s_path_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = Path("/" + "r" * 30) / "vme"  # the longest $XDG_RUNTIME_DIR that is taken
    monkeypatch.setattr(ssh, "private_directory", lambda: longest)
    made = master_of(LONGEST_NODE, SshConfig())
    while_made = 17  # ssh binds a control socket under a name with a random ending first
    assert len(str(made.control)) + while_made <= 107
    assert all(len(str(made.forwarded(daemon))) <= 107 for daemon in DAEMON_SOCKETS)
    assert len(f"{made.base}.{2**22}-ffff") <= 107  # hypervisor.connection's helper socket


def test_each_login_has_a_master_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [SshConfig(), SshConfig(user="root"), SshConfig(port=2222), SshConfig(key=Path("/k"))]
    made = {master(tmp_path, monkeypatch, config).control for config in configs}
    assert len(made) == 4
    assert master(tmp_path, monkeypatch).control in made
    twins = {master_of(Node("n" * 62 + last, "east"), SshConfig()).control for last in "ab"}
    assert len(twins) == 2


def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: SshConfig) -> list[str]:
    """The argv of the master's ssh."""
    seen: list[list[str]] = []

    def run_detached(argv: Sequence[str], *, timeout_s: float) -> int:
        seen.append(list(argv))
        return 0

    monkeypatch.setattr(ssh, "run_detached", run_detached)
    assert ssh.ensure_master(master(tmp_path, monkeypatch, config), 5.4)
    return seen[0]


def test_how_a_master_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = started(tmp_path, monkeypatch, SshConfig("root", Path("/k"), 2222))
    options = {argv[i + 1] for i, word in enumerate(argv) if word == "-o"}
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "ControlMaster=yes", "ConnectTimeout=5"} <= options
    assert {"ServerAliveInterval=15", "ForwardAgent=no", "ForwardX11=no", "StreamLocalBindUnlink=yes"} <= options
    assert argv[-2:] == ["--", "kvm01"]
    forwards = [argv[i + 1] for i, word in enumerate(argv) if word == "-L"]
    assert [forward.partition(":")[2] for forward in forwards] == list(DAEMON_SOCKETS.values())
    assert all(forward.startswith(str(tmp_path)) for forward in forwards)
    for option, value in (("-l", "root"), ("-i", "/k"), ("-p", "2222")):
        assert argv[argv.index(option) + 1] == value


def test_the_user_s_own_configuration_decides_what_we_do_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = started(tmp_path, monkeypatch, SshConfig())
    assert not {"-l", "-i", "-p", "-F"} & set(argv)


def test_a_command_is_quoted_for_the_node_s_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, ...]] = []

    def run(argv: tuple[str, ...], *, timeout_s: float, stdin: str | None) -> Result:
        seen.append(argv)
        return Result(argv, 255, "", "kex_exchange_identification: Connection closed\n")

    monkeypatch.setattr(ssh, "private_directory", lambda: tmp_path)
    monkeypatch.setattr(ssh, "ensure_master", lambda _master, _timeout_s: False)
    monkeypatch.setattr(ssh, "run", run)
    with pytest.raises(ssh.SshFailed, match="kvm01: kex_exchange_identification: Connection closed"):
        ssh.run_on_node(Node("kvm01", "east"), SshConfig(), ("stat", "--", "/a b;$(id)"), timeout_s=5)
    assert seen[0][-3:] == ("--", "kvm01", "stat -- '/a b;$(id)'")
    assert "ControlMaster=no" in seen[0]


def test_a_local_node_needs_no_ssh() -> None:
    assert ssh.run_on_node(Node("x", "local", local=True), SshConfig(), ("echo", "a b"), timeout_s=20).output == "a b\n"


def test_a_dead_master_s_socket_is_not_taken_for_a_master(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    made = master(tmp_path, monkeypatch)
    assert not ssh.is_alive(made)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made.control))
        listener.listen()
        assert ssh.is_alive(made)
    assert made.control.exists()
    assert not ssh.is_alive(made)


def test_why_a_master_did_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = master(tmp_path, monkeypatch)
    assert ssh._reason(made) == "ssh could not connect"
    made.log.write_text("Warning: x\nssh: connect to host kvm01 port 22: No route to host\n\n")
    assert ssh._reason(made) == "ssh: connect to host kvm01 port 22: No route to host"
