"""migrate_guest in the ways that options and [zones.ZONE.migration] name: they are seen to be taken while it moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.run import Process, must
from tests.lab.test_migrate_busy import busy_guest
from tests.lab.vme import VIRSH, Vme, eventually, heard_by

NODES = ("kvm01", "kvm02")
CONNECTIONS = ("ss", "-Htn", "state", "established", "( dport >= 49152 and dport <= 49215 )")


def configured(vme: Vme, *lines: str) -> tuple[str, ...]:
    """What stands before a tool so that the zone's guests move like this."""
    config = vme.on("mgmt", "sh", "-c", "cat $HOME/../vme.toml")
    vme.write("mgmt", "/tmp/manner.toml", "\n".join([config, "[zones.east.migration]", *lines, ""]))
    return ("env", "VME_CONFIG=/tmp/manner.toml")


def under_way(vme: Vme, *words: str, before: tuple[str, ...] = ()) -> Process:
    """Begin to move web1 from kvm01 to kvm02, so slowly that it can be looked at."""
    process = vme.begin(*before, "migrate_guest", "web1", "kvm02", "--bandwidth", "1", *words)
    eventually(lambda: process.poll() is not None or "Memory processed" in job(vme), "memory is sent")
    assert process.poll() is None, process.communicate()
    return process


def job(vme: Vme, *words: str) -> str:
    return vme.virsh("kvm01", "domjobinfo", "web1", *words)


def connections(vme: Vme) -> list[str]:
    """Where kvm01 sends memory to, an address for each connection."""
    return [line.split()[-1].rpartition(":")[0] for line in vme.on("kvm01", *CONNECTIONS).splitlines()]


def monitor(vme: Vme, node: str, what: str) -> str:
    """What the guest's QEMU says to a person."""
    return vme.virsh(node, "qemu-monitor-command", "web1", "--hmp", what)


def arrives(vme: Vme, migration: Process) -> str:
    """Let it go as fast as it can, until it is there. Returns what the tool said."""
    vme.virsh("kvm01", "migrate-setspeed", "web1", "10000")
    said, complaint = migration.communicate(timeout=90)
    assert migration.returncode == 0, complaint
    assert vme.running("web1") == ["kvm02"]
    assert vme.guests_of("kvm01") == set()
    return said


def test_several_connections_over_a_network_of_its_own(vme: Vme) -> None:
    address = vme.boot("web1")
    client = vme.talk(address)
    with a_second_network(vme):
        before = configured(vme, 'uri = "tcp://{node}.migration"')
        migration = under_way(vme, "--parallel", "3", before=before)
        assert "multifd: on" in monitor(vme, "kvm01", "info migrate_capabilities")
        # Three for the memory, and one to command them.
        assert connections(vme) == ["10.79.0.12"] * 4
        arrives(vme, migration)
    heard = heard_by(client)
    assert heard["unbroken"], heard


@contextmanager
def a_second_network(vme: Vme) -> Iterator[None]:
    """Other addresses of both nodes on the same cable, and a name for the one that is moved to."""
    try:
        for number, node in ((11, "kvm01"), (12, "kvm02")):
            vme.on(node, "ip", "address", "add", f"10.79.0.{number}/24", "dev", "eth0")
        vme.on("kvm01", "sh", "-c", "cp /etc/hosts /tmp/hosts; echo 10.79.0.12 kvm02.migration >>/etc/hosts")
        yield
    finally:
        vme.on("kvm01", "sh", "-c", "cat /tmp/hosts >/etc/hosts")
        for number, node in ((11, "kvm01"), (12, "kvm02")):
            vme.on(node, "ip", "address", "del", f"10.79.0.{number}/24", "dev", "eth0")


def test_the_nodes_do_it_between_themselves(vme: Vme) -> None:
    """Mode p2p: the source's libvirt opens the destination's, by a key of the lab's own."""
    address = vme.boot("web1")
    client = vme.talk(address)
    with nodes_that_trust_each_other(vme):
        before = configured(vme, 'mode = "p2p"', f'peer_uri = "{PEER_URI}"')
        migration = under_way(vme, before=before)
        assert len(connections(vme)) == 1
        arrives(vme, migration)
    heard = heard_by(client)
    assert heard["unbroken"], heard


PEER_URI = "qemu+ssh://root@{node}/system"


@contextmanager
def nodes_that_trust_each_other(vme: Vme) -> Iterator[None]:
    """kvm01's root may log in at kvm02, as the tools never need it."""
    source, destination = (vme.lab.home_of(vme.lab.host(node)) / "root/.ssh" for node in NODES)
    allowed = destination / "authorized_keys"
    before = allowed.read_text()
    try:
        must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(source / "id_ed25519")])
        allowed.write_text(before + (source / "id_ed25519.pub").read_text())
        known = vme.lab.home_of(vme.lab.topology.management) / "root/.ssh/known_hosts"
        (source / "known_hosts").write_text(known.read_text())
        yield
    finally:
        allowed.write_text(before)
        for name in ("id_ed25519", "id_ed25519.pub", "known_hosts"):
            (source / name).unlink(missing_ok=True)


@pytest.mark.long
def test_through_libvirts_own_connection(vme: Vme) -> None:
    address = vme.boot("web1")
    client = vme.talk(address)
    with nodes_that_trust_each_other(vme):
        before = configured(vme, 'mode = "p2p"', f'peer_uri = "{PEER_URI}"', "tunnelled = true")
        migration = under_way(vme, before=before)
        assert connections(vme) == []
        arrives(vme, migration)
    heard = heard_by(client)
    assert heard["unbroken"], heard


@pytest.mark.long
def test_p2p_between_nodes_that_do_not_trust_each_other_leaves_the_guest_where_it_is(vme: Vme) -> None:
    vme.boot("web1")
    before = configured(vme, 'mode = "p2p"', f'peer_uri = "{PEER_URI}"')
    said = vme.tool(*before, "migrate_guest", "web1", "kvm02", status=1).stderr
    assert "it is running on kvm01, and nothing of it on kvm02" in said
    assert vme.running("web1") == ["kvm01"]


@pytest.mark.long
def test_encrypted(vme: Vme) -> None:
    """QEMU's own TLS: refused without certificates, and each side looks at the other's."""
    address = vme.boot("web1")
    client = vme.talk(address)
    before = configured(vme, "tls = true")
    said = vme.tool(*before, "migrate_guest", "web1", "kvm02", status=1).stderr
    assert "it is running on kvm01, and nothing of it on kvm02" in said
    with certificates(vme):
        migration = under_way(vme, before=before)
        assert "tls-creds: 'objlibvirt_migrate_tls0'" in monitor(vme, "kvm01", "info migrate_parameters")
        arrives(vme, migration)
    heard = heard_by(client)
    assert heard["unbroken"], heard


@contextmanager
def certificates(vme: Vme) -> Iterator[None]:
    """An authority, and a certificate of each node in its name, where QEMU looks for them."""
    folder = vme.lab.folder / "authority"
    folder.mkdir()

    def openssl(*words: str) -> None:
        must(["openssl", *words, "-batch"] if words[0] == "req" else ["openssl", *words])

    try:
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        ca = (f"{folder}/ca.pem", f"{folder}/ca.key")
        openssl("req", "-x509", *new, "-subj", "/CN=lab", "-days", "2", "-out", ca[0], "-keyout", ca[1])
        for node in NODES:
            pem, key, request = (f"{folder}/{node}.{kind}" for kind in ("pem", "key", "csr"))
            openssl("req", *new, "-subj", f"/CN={node}", "-out", request, "-keyout", key)
            extensions = Path(f"{folder}/{node}.ext")
            extensions.write_text(f"subjectAltName=DNS:{node}\nextendedKeyUsage=serverAuth,clientAuth\n")
            signed = ("-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-days", "2", "-extfile", str(extensions))
            openssl("x509", "-req", "-in", request, *signed, "-out", pem)
            lay_out(vme, node, ca[0], pem, key)
        yield
    finally:
        for node in NODES:
            vme.on(node, "rm", "-rf", "/etc/pki")
        must(["rm", "-rf", str(folder)])


def lay_out(vme: Vme, node: str, authority: str, certificate: str, key: str) -> None:
    vme.on(node, "mkdir", "-p", "/etc/pki/qemu")
    files = {"ca-cert.pem": authority}
    for side in ("server", "client"):
        files |= {f"{side}-cert.pem": certificate, f"{side}-key.pem": key}
    for name, file in files.items():
        vme.write(node, f"/etc/pki/qemu/{name}", Path(file).read_text())
    vme.on(node, "sh", "-c", "chown -R libvirt-qemu /etc/pki/qemu; chmod 600 /etc/pki/qemu/*-key.pem")


@pytest.mark.long
@pytest.mark.parametrize(("method", "capability"), [("xbzrle", "xbzrle: on"), ("mt", "compress: on")])
def test_compressed(vme: Vme, method: str, capability: str) -> None:
    address = vme.boot("web1")
    client = vme.talk(address)
    migration = under_way(vme, "--compressed", method)
    assert capability in monitor(vme, "kvm01", "info migrate_capabilities").splitlines()
    arrives(vme, migration)
    heard = heard_by(client)
    assert heard["unbroken"], heard


USERFAULTFD = "/proc/sys/vm/unprivileged_userfaultfd"


@contextmanager
def userfaultfd() -> Iterator[None]:
    """QEMUs that don't run as root may be told of missing pages: the whole machine's setting, put back afterwards."""
    before = Path(USERFAULTFD).read_text()
    try:
        Path(USERFAULTFD).write_text("1")
        yield
    finally:
        Path(USERFAULTFD).write_text(before)


@pytest.mark.long
def test_post_copy_ends_what_would_not_end(vme: Vme) -> None:
    client = vme.talk(busy_guest(vme, 12))
    words = ("--bandwidth", "8", "--max-downtime", "300", "--auto-converge", "never", "--postcopy")
    with userfaultfd():
        said = vme.tool("migrate_guest", "web1", "kvm02", *words, timeout_s=240).stdout
    assert "post-copy)" in said
    assert vme.running("web1") == ["kvm02"]
    assert vme.guests_of("kvm01") == set()
    heard = heard_by(client)
    assert heard["unbroken"], heard


@pytest.mark.long
def test_post_copy_that_broke_off_loses_neither_half(vme: Vme) -> None:
    """The tool lets libvirt go on with it. Now and then that hangs: the QEMU at the destination waits for memory."""
    client = vme.talk(busy_guest(vme, 12))
    with userfaultfd():
        migration = under_way(vme, "--postcopy", "--time-limit", "2")
        vme.virsh("kvm01", "migrate-setspeed", "web1", "1", "--postcopy")
        eventually(lambda: state(vme, "kvm02") == "running (post-copy)", "it runs there already")
        vme.virsh("kvm01", "domjobabort", "web1", "--postcopy")
        eventually(lambda: state(vme, "kvm01") == "paused (post-copy failed)", "it broke off")

        def ended() -> bool:
            vme.status_on("kvm01", *VIRSH, "migrate-setspeed", "web1", "10000", "--postcopy")
            return migration.poll() is not None

        eventually(ended, "it arrives, or the tool waits no longer", timeout_s=240)
    _, said = migration.communicate(timeout=10)
    if migration.returncode == 0:
        assert vme.running("web1") == ["kvm02"]
        heard = heard_by(client)
        assert heard["unbroken"], heard
        return
    assert migration.returncode == 1, said
    assert "it broke off in post-copy" in said
    assert "libvirt, told to go on with it, sent nothing for 120 s" in said
    assert "each has a part of its memory, so it can run on neither alone" in said
    assert sorted(vme.running("web1")) == ["kvm01", "kvm02"]
    assert "nothing was changed" in vme.tool("vme", "repair", "web1", status=3).stderr
    assert sorted(vme.running("web1")) == ["kvm01", "kvm02"]
    for node in NODES:
        vme.fault("kill-qemu", node, "web1")


def state(vme: Vme, node: str) -> str:
    return vme.virsh(node, "domstate", "web1", "--reason").strip()
