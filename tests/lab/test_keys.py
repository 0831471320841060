"""vme keys: a key gets a role, changes it, is rotated and revoked, and nobody is ever locked out."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import faults
from lab.host import powered, root_of
from lab.place import CHECKOUT
from tests.lab.vme import Vme, eventually
from tests.lab.wrapped import POLICY, WRAPPER, any_command

NODE = "kvm02"
OTHER = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC3 somebody@else\r\n# a comment without an end"


class Keys:
    """The keys of kvm02 and kvm03, and the management side's ~/.ssh."""

    def __init__(self, vme: Vme) -> None:
        self.vme = vme
        self.home = vme.lab.home_of(vme.lab.topology.management) / "root/.ssh"
        self.key = self.home / "vme"

    def access(self, node: str = NODE) -> Path:
        return self.vme.lab.home_of(self.vme.lab.host(node)) / "root/.ssh/authorized_keys"

    def text(self, node: str = NODE) -> str:
        """authorized_keys as it is, to the byte."""
        return self.access(node).read_bytes().decode()

    def file(self, path: str, node: str = NODE) -> Path:
        return root_of(powered(self.vme.lab, self.vme.lab.host(node))) / path.lstrip("/")

    def gets_in(self, key: Path, command: str = "true", node: str = NODE) -> str | None:
        """What a command printed over a new connection by this key alone, or None if it did not get in."""
        words = ["-o", "ControlPath=none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i", str(key), node]
        script = shlex.join(["ssh", *words, command]) + " && echo got in"
        said = self.vme.on("mgmt", "sh", "-c", f"{script}; true")
        return said.removesuffix("got in\n") if said.endswith("got in\n") else None

    def whoami(self, key: Path, node: str = NODE) -> dict[str, str]:
        said = self.gets_in(key, f"{WRAPPER} whoami", node)
        assert said is not None
        answer: dict[str, str] = json.loads(said)
        return answer

    def install(self, *words: str, status: int = 0, nodes: str = NODE) -> str:
        done = self.vme.tool("vme", "keys", "install", nodes, *words, "--yes", status=status)
        return done.stdout + done.stderr

    def nobody_edits(self, node: str = NODE) -> None:
        """Wait until no session that could change keys is left on the node."""
        eventually(
            lambda: self.vme.status_on(node, "sh", "-c", "ps -eo args | grep -q '[p]lace_files'") != 0,
            f"{node} has put back what was not kept",
            timeout_s=90,
        )


@pytest.fixture
def keys(vme: Vme) -> Iterator[Keys]:
    """kvm02 with a stranger's lines beside ours; a key pair ~/.ssh/vme of the management side, not yet on any node."""
    keys = Keys(vme)
    for file in (*keys.home.glob("vme*"), keys.file(WRAPPER), keys.file(WRAPPER, "kvm03")):
        file.unlink(missing_ok=True)
    with any_command(vme.lab, NODE, "kvm03"):
        keys.access().write_bytes((keys.text().rstrip("\n") + "\n" + OTHER).encode())
        vme.tool("vme", "keys", "generate")
        yield keys
        faults.clear(vme.lab)
    for node in (NODE, "kvm03"):
        keys.file(POLICY, node).unlink(missing_ok=True)
        keys.file(WRAPPER, node).write_text((CHECKOUT / "src/vme/wrapper/vme_ssh_wrapper.py").read_text())


def test_generate_makes_a_private_key_of_the_wanted_type_and_never_overwrites(keys: Keys) -> None:
    assert keys.key.stat().st_mode & 0o777 == 0o600
    assert keys.key.with_name("vme.pub").read_text().split()[::2] == ["ssh-ed25519", "vme-mgmt"]
    before = keys.key.read_bytes()
    assert "is there already" in keys.vme.tool("vme", "keys", "generate", status=3).stderr
    assert keys.key.read_bytes() == before
    rsa = str(keys.home / "vme-rsa")
    keys.vme.tool("vme", "keys", "generate", rsa, "--type", "rsa", "--comment", "ops")
    assert keys.vme.on("mgmt", "ssh-keygen", "-l", "-f", rsa).split()[::2] == ["4096", "ops"]
    assert keys.vme.on("mgmt", "ssh-keygen", "-y", "-P", "", "-f", rsa).startswith("ssh-rsa ")
    keys.vme.tool("vme", "keys", "generate", "/run/x", "--bits", "4096", status=2)


def test_install_shows_a_plan_then_adds_one_line_and_keeps_every_other(keys: Keys) -> None:
    before = keys.text()
    plan = keys.vme.tool("vme", "keys", "install", NODE, "--role", "operate", "--dry-run").stdout
    assert f"write {WRAPPER}" in plan
    assert "vme-mgmt, role operate, from 10.77.0.2" in plan
    assert keys.text() == before
    assert not keys.file(WRAPPER).exists()
    keys.vme.tool("vme", "keys", "install", NODE, "--role", "operate", status=2)  # nobody is there to be asked
    assert keys.text() == before

    assert "proved by a new connection" in keys.install("--role", "operate")
    after = keys.text()
    assert after.startswith(before + "\n")
    (line,) = after.removeprefix(before + "\n").splitlines()
    assert line.startswith(
        'restrict,from="10.77.0.2",command="/usr/bin/python3 -IS /usr/local/sbin/vme_ssh_wrapper vme-'
    )
    assert keys.access().stat().st_mode & 0o777 == 0o600
    assert keys.file(WRAPPER).read_text() == (CHECKOUT / "src/vme/wrapper/vme_ssh_wrapper.py").read_text()
    assert keys.whoami(keys.key)["role"] == "operate"
    assert keys.gets_in(keys.key, "id") is None

    assert "there already" in keys.install("--role", "operate")
    assert keys.text() == after


def test_a_role_is_changed_in_place_and_an_old_wrapper_is_replaced(keys: Keys) -> None:
    keys.install("--role", "operate")
    keys.file(WRAPPER).write_text(keys.file(WRAPPER).read_text() + "# an older one\n")
    plan = keys.vme.tool("vme", "keys", "install", NODE, "--role", "read", "--dry-run").stdout
    assert "then remove: the line of vme-mgmt (vme-mgmt, role operate)" in plan
    keys.install("--role", "read", "--from", "10.77.0.0/24,fd00::/64")
    assert keys.whoami(keys.key)["role"] == "read"
    assert keys.text().count("vme_ssh_wrapper") == 1
    assert "# an older one" not in keys.file(WRAPPER).read_text()
    rows = keys.vme.json("vme", "keys", "list", NODE)
    (mine,) = [row for row in rows if row["name"] == "vme-mgmt"]
    assert (mine["role"], mine["from"]) == ("read", "10.77.0.0/24,fd00::/64")
    assert mine["last_used"].startswith("20")
    assert {row["role"] for row in rows} == {"read", "any command"}


def test_role_admin_brings_the_policy_that_it_needs(keys: Keys) -> None:
    keys.install("--role", "admin")
    assert keys.gets_in(keys.key, "id -u; echo") == "0\n\n"
    keys.file(POLICY).write_text("[keys]\n")
    said = keys.install("--role", "admin", "--name", "other", status=3)
    assert "admin = true" in said
    # And with it keys can be changed, through the wrapper.
    keys.file(POLICY).write_text("admin = true\n")
    keys.vme.tool("vme", "keys", "generate", str(keys.home / "vme-two"))
    keys.install("--role", "read", "--key", str(keys.home / "vme-two"), "--name", "two", "--access", str(keys.key))
    assert keys.whoami(keys.home / "vme-two")["key"] == "two"


@pytest.mark.parametrize("source", ["10.9.9.9", "fd00::1"])
def test_a_wrong_from_leaves_all_as_it_was(keys: Keys, source: str) -> None:
    before = keys.text()
    said = keys.install("--role", "operate", "--from", source, status=1)
    assert "the node has its old keys back" in said
    keys.nobody_edits()
    assert keys.text() == before
    assert not keys.file(WRAPPER).exists()
    # The hard case: the same key had a role before, and must keep it.
    keys.install("--role", "operate")
    before = keys.text()
    keys.install("--role", "read", "--from", source, status=1)
    keys.nobody_edits()
    assert keys.text() == before
    assert keys.whoami(keys.key)["role"] == "operate"


def test_a_from_that_is_no_address_changes_nothing(keys: Keys) -> None:
    for source in ('10.0.0.1",command="id', "10.0.0.1 x", "*", "10.0.0.1/8", ""):
        keys.vme.tool("vme", "keys", "install", NODE, "--role", "read", "--from", source or ",", "--yes", status=2)


def test_the_only_key_that_may_change_keys_is_not_given_a_role_by_mistake(keys: Keys) -> None:
    keys.access().write_text(keys.text().partition("ssh-rsa")[0])
    own = keys.home / "id_ed25519"
    before = keys.text()
    said = keys.install("--role", "operate", "--key", str(own), "--name", "own", status=3)
    assert "no other key there may run any command" in said
    assert keys.text() == before
    keys.install("--role", "operate", "--key", str(own), "--name", "own", "--force")
    assert keys.whoami(own)["role"] == "operate"
    assert keys.gets_in(own, "id") is None
    # From now on this key can't change keys there, and says so.
    said = keys.install("--role", "read", status=3)
    assert "vme_ssh_wrapper: refused" in said
    assert "--access" in said


# The tool itself, but that it ends (by a signal, or by hanging) where it is told to, the Nth time it comes there: when
# it has looked, is placing, has placed, has proved, is keeping, has kept, or is putting the new key's files in place.
ENDING = """\
import json, os, signal, sys, time
from pathlib import Path
from vme.__main__ import main
from vme.node.placing import Session

how, stage, count, *sys.argv = sys.argv[1:]
passed = []

def reach(name):
    passed.append(name)
    if name == stage and passed.count(name) == int(count):
        if how == "hang":
            time.sleep(300)
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(1)  # a signal to a tool is heard in its main thread

def ending(real, before, while_asking, after):
    def step(self, changes):
        reach(before)
        asking = self._ask
        def ask(request):
            self._dialogue.say(json.dumps(request).encode() + b"\\n")
            reach(while_asking)
            line = self._dialogue.hear(timeout_s=20)
            return json.loads(line)
        self._ask = ask
        real(self, changes)
        self._ask = asking
        reach(after)
    return step

Session.place = ending(Session.place, "looked", "placing", "placed")
Session.keep = ending(Session.keep, "proved", "keeping", "kept")
for name in ("unlink", "rename"):
    def changing(self, *words, real=getattr(Path, name), **options):
        real(self, *words, **options)
        if self.parent.name == ".ssh" and self.name.startswith("vme"):
            reach("switching")
    setattr(Path, name, changing)
main()
"""
STAGES = ("looked", "placing", "placed", "proved", "keeping", "kept")


def end_at(keys: Keys, how: str, stage: str, count: int, *words: str) -> str:
    """Run `vme keys WORDS`, ended by a signal at a stage; returns what it said."""
    python = str(CHECKOUT / ".venv/bin/python")
    process = keys.vme.begin(python, "-c", ENDING, how, stage, str(count), "vme", "keys", *words, "--yes")
    said, errors = process.communicate(timeout=90)
    assert "Traceback" not in errors, errors
    assert process.returncode in ((130,) if how == "SIGINT" else (-9, 137)), (process.returncode, said, errors)
    return str(said + errors)


SIGNALS = ("SIGKILL", "SIGINT")
FEW = [("SIGKILL", "proved"), ("SIGKILL", "kept"), ("SIGINT", "placed")]
EACH_STAGE = pytest.mark.parametrize(
    ("how", "stage"),
    [
        pytest.param(how, stage, marks=[] if (how, stage) in FEW else [pytest.mark.long])
        for how in SIGNALS
        for stage in STAGES
    ],
)


@EACH_STAGE
def test_ended_at_any_step_of_install_the_key_that_worked_before_works(keys: Keys, how: str, stage: str) -> None:
    """The hardest case: one and the same key changes from operate to read, and the tool ends on the way."""
    keys.install("--role", "operate")
    before = keys.text()
    end_at(keys, how, stage, 1, "install", NODE, "--role", "read")
    # At this very moment, while the node may not have noticed, and when it has.
    assert keys.whoami(keys.key)["role"] in ("operate", "read")
    keys.nobody_edits()
    role = keys.whoami(keys.key)["role"]
    if stage in ("looked", "placed", "proved"):
        assert keys.text() == before
    if stage == "kept":
        assert role == "read"
    assert keys.text().startswith(before.partition("restrict")[0])
    assert keys.text().count("vme_ssh_wrapper") == 1
    assert keys.gets_in(keys.home / "id_ed25519") is not None
    # And the next attempt does what this one should have.
    keys.install("--role", "read")
    assert keys.whoami(keys.key)["role"] == "read"
    assert keys.text().count("vme_ssh_wrapper") == 1


@EACH_STAGE
def test_ended_at_any_step_of_revoke_the_key_is_there_or_gone_and_we_get_in(keys: Keys, how: str, stage: str) -> None:
    keys.install("--role", "operate")
    before = keys.text()
    end_at(keys, how, stage, 1, "revoke", NODE, "vme-mgmt")
    assert keys.gets_in(keys.home / "id_ed25519") is not None
    keys.nobody_edits()
    assert keys.gets_in(keys.home / "id_ed25519") is not None
    if stage in ("looked", "placed", "proved"):
        assert keys.text() == before
        assert keys.whoami(keys.key)["role"] == "operate"
    if stage == "kept":
        assert keys.gets_in(keys.key) is None
    keys.vme.tool("vme", "keys", "revoke", NODE, "vme-mgmt", "--yes")
    assert keys.gets_in(keys.key) is None
    assert OTHER in keys.text()


# Of two nodes: 1 and 2 are the new key's arrival, 3 and 4 the old one's removal.
ROTATION = [(stage, count) for count in (1, 2, 3, 4) for stage in STAGES] + [("switching", n) for n in (1, 2, 3, 4, 5)]
FEW_OF_ROTATION = [("SIGINT", "placed", 2), ("SIGKILL", "switching", 3), ("SIGINT", "keeping", 3)]


@pytest.mark.parametrize(
    ("how", "stage", "count"),
    [
        pytest.param(how, *point, marks=[] if (how, *point) in FEW_OF_ROTATION else [pytest.mark.long])
        for how in SIGNALS
        for point in ROTATION
    ],
)
def test_ended_at_any_step_of_rotate_the_keys_file_lets_us_in_everywhere(
    keys: Keys, how: str, stage: str, count: int
) -> None:
    keys.install("--role", "operate", nodes="kvm[02-03]")
    end_at(keys, how, stage, count, "rotate", "kvm[02-03]")
    for node in (NODE, "kvm03"):
        assert keys.whoami(keys.key, node)["role"] == "operate", f"{node} at the end of the tool"
    for node in (NODE, "kvm03"):
        keys.nobody_edits(node)
        assert keys.whoami(keys.key, node)["role"] == "operate", f"{node} when it has put back what was not kept"
        assert keys.gets_in(keys.home / "id_ed25519", node=node) is not None
    # Begun again it comes to its end, and of all the keys there were, one is left.
    keys.vme.tool("vme", "keys", "rotate", "kvm[02-03]", "--yes")
    for node in (NODE, "kvm03"):
        assert keys.whoami(keys.key, node)["role"] == "operate"
        assert keys.text(node).count("vme_ssh_wrapper") == 1
        assert keys.gets_in(keys.home / "vme.old", node=node) is None
    assert OTHER in keys.text()


def test_a_key_with_a_role_can_not_rotate_itself_and_is_told_why(keys: Keys) -> None:
    keys.install("--role", "operate")
    before = keys.text()
    said = keys.vme.tool("vme", "keys", "rotate", NODE, "--access", str(keys.key), "--yes", status=3).stderr
    assert "a key with a role changes no keys, not even itself" in said
    assert "--access" in said
    assert keys.text() == before
    assert keys.whoami(keys.key)["role"] == "operate"


@pytest.mark.long
def test_cut_off_in_the_middle_the_node_puts_its_keys_back_by_itself(keys: Keys) -> None:
    """No packet says that the management server is gone; the node waits a minute, then puts back what it had."""
    before = keys.text()
    words = ("vme", "keys", "install", NODE, "--role", "read", "--yes")
    process = keys.vme.begin(str(CHECKOUT / ".venv/bin/python"), "-c", ENDING, "hang", "proved", "1", *words)
    eventually(lambda: keys.text() != before, "the new line is in place")
    keys.vme.fault("cut", "mgmt", NODE)
    keys.nobody_edits()
    assert keys.text() == before
    process.kill()
    keys.vme.fault("heal", "mgmt", NODE)
    assert keys.gets_in(keys.home / "id_ed25519") is not None


def test_rotate_gives_a_new_key_the_old_ones_role_then_takes_the_old_one_away(keys: Keys) -> None:
    keys.install("--role", "operate", nodes="kvm[02-03]")
    keys.vme.tool("vme", "keys", "rotate", "kvm[02-03]", "--yes")
    old = keys.home / "vme.old"
    for node in (NODE, "kvm03"):
        assert keys.whoami(keys.key, node)["role"] == "operate"
        assert keys.gets_in(old, node=node) is None
        assert keys.text(node).count("vme_ssh_wrapper") == 1
    assert OTHER in keys.text()
    assert not keys.home.joinpath("vme.new").exists()


def test_rotate_takes_no_old_key_away_before_every_node_has_the_new_one(keys: Keys) -> None:
    keys.install("--role", "operate", nodes="kvm[02-03]")
    keys.vme.fault("power-off", "kvm03")
    said = keys.vme.tool("vme", "keys", "rotate", "kvm[02-03]", "--yes", status=5).stderr
    assert "kvm03" in said
    assert keys.whoami(keys.key)["role"] == "operate"
    assert keys.whoami(keys.home / "vme.new")["role"] == "operate"
    keys.vme.fault("power-on", "kvm03")
    keys.vme.tool("vme", "keys", "rotate", "kvm[02-03]", "--yes")
    for node in (NODE, "kvm03"):
        assert keys.whoami(keys.key, node)["role"] == "operate"
        assert keys.gets_in(keys.home / "vme.old", node=node) is None


def test_revoke_takes_a_key_off_but_not_the_one_we_get_in_by(keys: Keys) -> None:
    before = keys.text()
    keys.install("--role", "operate")
    keys.vme.tool("vme", "keys", "revoke", NODE, "vme-mgmt", status=2)  # nobody is there to be asked
    keys.vme.tool("vme", "keys", "revoke", NODE, "vme-mgmt", "--yes")
    assert keys.text() == before + "\n"
    assert keys.gets_in(keys.key) is None
    assert "is not there" in keys.vme.tool("vme", "keys", "revoke", NODE, "vme-mgmt", "--yes").stdout
    own = keys.vme.on("mgmt", "ssh-keygen", "-l", "-f", str(keys.home / "id_ed25519")).split()[1]
    said = keys.vme.tool("vme", "keys", "revoke", NODE, own, "--yes", status=1).stderr
    assert "it is back" in said
    keys.nobody_edits()
    assert keys.text() == before + "\n"


def test_scan_shows_fingerprints_asks_and_refuses_a_key_that_changed(keys: Keys) -> None:
    known = keys.home / "known_hosts"
    before = known.read_text()
    others = "".join(line for line in before.splitlines(keepends=True) if not line.startswith(NODE))
    try:
        known.write_text(others)
        said = keys.vme.tool("vme", "keys", "scan", NODE, status=2)
        key = keys.vme.on(NODE, "ssh-keygen", "-l", "-f", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]
        assert key in said.stdout
        assert known.read_text() == others
        keys.vme.tool("vme", "keys", "scan", NODE, "--yes")
        assert known.read_text().startswith(others)
        assert keys.gets_in(keys.home / "id_ed25519") is not None
        assert "known already" in keys.vme.tool("vme", "keys", "scan", NODE).stdout
        kvm01 = next(line for line in before.splitlines() if line.startswith("kvm01"))
        known.write_text(others + kvm01.replace("kvm01", NODE) + "\n")
        said = keys.vme.tool("vme", "keys", "scan", NODE, "--yes", status=3)
        assert "is another than the one in" in said.stderr
        assert known.read_text() == others + kvm01.replace("kvm01", NODE) + "\n"
    finally:
        known.write_text(before)


def test_a_silent_node_does_not_hold_the_others_up(keys: Keys) -> None:
    keys.vme.fault("power-off", "kvm03")
    said = keys.install("--role", "operate", status=5, nodes="kvm[02-03]")
    assert "kvm02: vme-mgmt has role operate" in said
    assert "no answer from kvm03" in said
    assert keys.whoami(keys.key)["role"] == "operate"
    rows = keys.vme.tool("vme", "keys", "list", "kvm[02-03]", "--timeout", "2", status=5)
    assert "vme-mgmt" in rows.stdout
    assert "kvm03" in rows.stderr


def test_a_storage_server_counts_as_a_node_and_role_storage_is_enough_for_its_disks(keys: Keys) -> None:
    text = (keys.vme.lab.home_of(keys.vme.lab.topology.management) / "vme.toml").read_text()
    servers = '\n[storage]\nservers = "st1"\n'
    keys.vme.write("mgmt", "/run/servers.toml", text + servers)
    keys.vme.write("mgmt", "/run/by-key.toml", text.replace("[ssh]", f'[ssh]\nkey = "{keys.key}"') + servers)
    plain, by_key = ("env", "VME_CONFIG=/run/servers.toml"), ("env", "VME_CONFIG=/run/by-key.toml")
    with any_command(keys.vme.lab, "st1"):
        keys.vme.tool(*plain, "vme", "keys", "install", "@storage", "--role", "storage", "--yes")
        (mine,) = [row for row in keys.vme.json(*plain, "vme", "keys", "list", "st1") if row["name"] == "vme-mgmt"]
        assert (mine["role"], mine["node"]) == ("storage", "st1")
        (told,) = keys.vme.json(*by_key, "disk_list", "st1", "--timeout", "20")
        assert told["node"] == "st1"
        assert keys.vme.tool(*plain, "vme", "nodes", "run", "@storage", "--", "hostname").stdout == "st1: st1\n"
        assert "known already" in keys.vme.tool(*plain, "vme", "keys", "scan", "st1").stdout
        keys.vme.tool(*plain, "vme", "keys", "rotate", "st1", "--yes")
        assert keys.whoami(keys.key, "st1")["role"] == "storage"
        keys.vme.tool(*plain, "vme", "keys", "revoke", "st1", "vme-mgmt", "--yes")
        assert keys.gets_in(keys.key, node="st1") is None
