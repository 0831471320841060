"""Every reason against a move, from what a guest needs and what two nodes offer; and what is shown of them."""

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.unit.made import NODES, guest, hypervisor, store
from vme.actions.migrate.owners import ImageOwner, give_owners, keep_owners, owners_of
from vme.actions.migrate.precheck.assess import Assessment, Verdict, _common
from vme.actions.migrate.precheck.matrix import lines, rows
from vme.actions.migrate.precheck.needs import Needs, needs_of
from vme.actions.migrate.precheck.offers import Offer, Told
from vme.actions.migrate.precheck.reason import Reason
from vme.actions.migrate.precheck.reasons_guest import reasons_of_guest
from vme.actions.migrate.precheck.reasons_node import reasons_of_node
from vme.actions.migrate.precheck.reasons_ownership import reasons_of_ownership
from vme.actions.migrate.precheck.reasons_storage import reasons_of_storage
from vme.actions.migrate.precheck.reasons_way import endpoint_of, reasons_of_way
from vme.actions.migrate.travel import Baggage
from vme.config import SshConfig
from vme.errors import Failed
from vme.fleet.report import NodeReport
from vme.hypervisor.facts import NodeFacts
from vme.hypervisor.guest import GuestSize
from vme.hypervisor.host import Fit, Host, HostCpu
from vme.hypervisor.movable import Movable
from vme.hypervisor.snapshots import Snapshots
from vme.node.mounts import Mount
from vme.node.qemu_conf import QemuConf
from vme.node.sight import Reached, SeenFile, Sight
from vme.store.nonce import Nonce

NO_BAGGAGE = Baggage(Snapshots((), None), (), autostart=False)
XML = (Path(__file__).parent / "data/running-libvirt-9.0.xml").read_text()
IMAGE = PurePosixPath("/srv/vme/virt-store/cap1/cap1-vda")
MOUNT = Mount("st1:/east", PurePosixPath("/srv/vme"), "fuse.glusterfs", read_only=False)
FILE = SeenFile(64055, 108, 0o660, 7, 1000)
CPU = HostCpu("Skylake", "Intel", frozenset(("avx", "avx2")))


def needs(xml: str = XML, *, state: str = "running", reason: str = "booted", **more: Any) -> Needs:
    return needs_of(guest("cap1", state, reason=reason), Movable(xml, **more), NO_BAGGAGE)


def with_device(device: str) -> str:
    return XML.replace("</devices>", f"{device}</devices>")


def sight(**more: Any) -> Sight:
    plain = Sight(
        0.0, frozenset(("br0", "eth0")), frozenset(("br0",)), frozenset((22,)), QemuConf(dynamic_ownership=False),
        (MOUNT,), {}, {IMAGE: FILE},
    )  # fmt: skip
    return replace(plain, **more)


def host(**more: Any) -> Host:
    return replace(Host("kvm02", CPU, 64055, 108, {4: 1000, 2048: 10}, {"default": True}), **more)


def offer(node: str = "kvm02", told: dict[str, Any] | None = None, **more: Any) -> Offer:
    report = NodeReport(hypervisor(node), NodeFacts(4, 8000, "9.0.0", "7.2.0"), (), 500, {})
    plain = Told(report, host(), {"uuid-of-cap1": Fit(None, None, tpm_emulator=True)})
    return Offer(NODES[node], replace(plain, **(told or {})), replace(sight(), **more))


def codes(reasons: list[Reason]) -> list[str]:
    return [f"({one.code})" if one.warns else one.code for one in reasons]


def test_nothing_speaks_against_a_plain_guest(tmp_path: Path) -> None:
    one, source, destination = needs(), offer("kvm01"), offer()
    assert reasons_of_guest(one) == []
    assert reasons_of_node(one, source, destination) == []
    proof = Nonce(store(tmp_path), PurePosixPath("/srv/vme/virt-store/.vme/nonce/a"), "secret")
    seen = {proof.path: "secret"}
    proven = [offer("kvm01", nonces=seen), offer(nonces=seen)]
    assert reasons_of_storage(one, [store(tmp_path)], [proof], proven[0], proven[1]) == []
    assert reasons_of_ownership(one, [store(tmp_path)], source, destination, may_set=False) == []
    assert list(reasons_of_way(source, destination, {"kvm02:49215": Reached("10.0.0.2", True, "")})) == []


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"state": "paused", "reason": "user"}, "state"),
        ({"state": "paused", "reason": "ioerror"}, "io-error"),
        ({"job_runs": True}, "job"),
        ({"block_jobs": ("vda",)}, "block-job"),
        ({"disk_errors": (("vda", "no space"),)}, "io-error"),
    ],
)
def test_the_guest_itself(made: dict[str, Any], code: str) -> None:
    assert codes(reasons_of_guest(needs(**made))) == [code]


@pytest.mark.parametrize(
    ("device", "code"),
    [
        ("<hostdev mode='subsystem' type='pci'/>", "device"),
        ("<hostdev mode='subsystem' type='mdev'/>", "device"),
        ("<hostdev mode='subsystem' type='usb'/>", "(usb)"),
        ("<hostdev mode='capabilities' type='misc'/>", "device"),
        ("<interface type='hostdev'/>", "device"),
        ("<interface type='vdpa'/>", "device"),
        ("<filesystem type='mount'><driver type='virtiofs'/></filesystem>", "device"),
        ("<filesystem type='mount'/>", "device"),
        ("<disk type='file'><transient/><target dev='vdz'/></disk>", "device"),
        ("<shmem name='a'><model type='ivshmem'/></shmem>", "device"),
        ("<shmem name='a' role='peer'><model type='ivshmem-plain'/></shmem>", "device"),
        ("<tpm model='tpm-tis'><backend type='passthrough'/></tpm>", "device"),
    ],
)
def test_devices_that_tie_a_guest_to_its_node(device: str, code: str) -> None:
    assert codes(reasons_of_guest(needs(with_device(device)))) == [code]
    stopped = needs(with_device(device), state="shut off")
    assert reasons_of_guest(stopped) == []


@pytest.mark.parametrize(
    "device",
    [
        "<hostdev mode='subsystem' type='pci'><teaming type='transient' persistent='ua-a'/></hostdev>",
        "<interface type='hostdev'><teaming type='transient' persistent='ua-a'/></interface>",
        "<shmem name='a' role='master'><model type='ivshmem-plain'/></shmem>",
        "<tpm model='tpm-crb'><backend type='emulator'/></tpm>",
    ],
)
def test_devices_that_come_along(device: str) -> None:
    assert reasons_of_guest(needs(with_device(device))) == []


def test_invtsc_moves_only_with_a_frequency() -> None:
    promised = XML.replace("</cpu>", "<feature policy='require' name='invtsc'/></cpu>")
    assert codes(reasons_of_guest(needs(promised))) == ["device"]
    fixed = promised.replace("<clock offset='utc'>", "<clock offset='utc'><timer name='tsc' frequency='2000000000'/>")
    assert fixed != promised
    assert reasons_of_guest(needs(fixed)) == []


def report(**more: Any) -> NodeReport:
    return replace(NodeReport(hypervisor("kvm02"), NodeFacts(4, 8000, "9.0.0", "7.2.0"), (), 500, {}), **more)


OLD = {"uuid-of-old": GuestSize(1, 7400)}


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"report": report(guests=(guest("cap1", "shut off", "kvm02", uuid="other"),))}, "twin"),
        ({"report": report(guests=(guest("b", "running", "kvm02", uuid="uuid-of-cap1"),))}, "twin"),
        ({"report": report(guests=(guest("old", node="kvm02"),), sizes=OLD)}, "memory"),
        ({"report": report(sizes=None)}, "memory"),
        ({"report": report(facts=NodeFacts(4, 8000, "9.0.0", "6.2.0"))}, "(version)"),
        ({"report": report(facts=NodeFacts(4, 8000, "8.9.0", "7.2.0"))}, "(version)"),
        ({"fits": {"uuid-of-cap1": Fit("not supported", None, True)}}, "machine"),
        ({"fits": {"uuid-of-cap1": Fit(None, "lacks avx512f", True)}}, "cpu"),
        ({"fits": {}}, "silent"),
        ({"host": None}, "silent"),
    ],
)
def test_the_destination(told: dict[str, Any], code: str) -> None:
    assert codes(reasons_of_node(needs(), offer("kvm01"), offer(told=told))) == [code]


def test_a_newer_destination_is_none_and_a_stopped_guest_needs_no_room() -> None:
    newer = offer(told={"report": report(facts=NodeFacts(4, 8000, "10.0.0", "10.0.0"))})
    assert reasons_of_node(needs(), offer("kvm01"), newer) == []
    full = offer(told={"report": report(sizes=None)})
    assert reasons_of_node(needs(state="shut off"), offer("kvm01"), full) == []
    old = offer(told={"fits": {"uuid-of-cap1": Fit("not supported", None, True)}})
    assert codes(reasons_of_node(needs(state="shut off"), offer("kvm01"), old)) == ["machine"]


def test_a_twin_is_named_with_its_mend() -> None:
    stale = report(guests=(guest("cap1", "shut off", "kvm02", uuid="other"),))
    (reason,) = reasons_of_node(needs(), offer("kvm01"), offer(told={"report": stale}))
    assert str(reason) == (
        "kvm02 has a guest 'cap1' (shut off) of the same name already: "
        "if nothing needs it, undefine_guest cap1 --node kvm02"
    )


def test_silence_is_a_reason_and_hides_no_other() -> None:
    mute = Offer(NODES["kvm02"], None, sight(bridges=frozenset()), silence="no answer within 5 s")
    assert codes(reasons_of_node(needs(), offer("kvm01"), mute)) == ["silent", "bridge"]
    blind = replace(offer(), sight=None, blindness="Connection refused")
    assert codes(reasons_of_node(needs(), offer("kvm01"), blind)) == ["silent"]


def test_hands_that_may_only_read() -> None:
    reader = replace(hypervisor("kvm02"), read_only=True)
    assert codes(reasons_of_node(needs(), offer("kvm01"), offer(told={"report": report(hypervisor=reader)}))) == [
        "role"
    ]


@pytest.mark.parametrize(
    ("pages", "code"),
    [("<page size='2' unit='MiB'/>", ["huge-pages"]), ("", ["huge-pages"]), ("<page size='1' unit='GiB'/>", [])],
)
def test_huge_pages(pages: str, code: list[str]) -> None:
    xml = XML.replace("<vcpu ", f"<memoryBacking><hugepages>{pages}</hugepages></memoryBacking><vcpu ")
    rich = {"host": host(free_pages={4: 1000, 2048: 10, 1 << 20: 4})}
    assert codes(reasons_of_node(needs(xml), offer("kvm01"), offer(told=rich))) == code


def test_a_guest_with_its_nodes_own_cpu_goes_only_to_an_equal_one() -> None:
    xml = XML.replace("<cpu mode='custom'", "<cpu mode='host-passthrough'")
    assert needs(xml).wanted.cpu is None
    assert reasons_of_node(needs(xml), offer("kvm01"), offer()) == []
    other = offer(told={"host": host(cpu=HostCpu("Haswell", "Intel", frozenset(("avx",))))})
    (reason,) = reasons_of_node(needs(xml), offer("kvm01"), other)
    assert reason.code == "cpu"
    assert "Intel Skylake" in reason.text
    assert "without avx2" in reason.text


def test_a_tpm_needs_an_emulator() -> None:
    xml = with_device("<tpm model='tpm-crb'><backend type='emulator'/></tpm>")
    bare = offer(told={"fits": {"uuid-of-cap1": Fit(None, None, tpm_emulator=False)}})
    assert codes(reasons_of_node(needs(xml), offer("kvm01"), bare)) == ["tpm"]


@pytest.mark.parametrize(
    ("interface", "code"),
    [
        ("<interface type='bridge'><source bridge='br7'/></interface>", ["bridge"]),
        ("<interface type='bridge'><source bridge='eth0'/><virtualport type='openvswitch'/></interface>", []),
        ("<interface type='bridge'><source bridge='ovs1'/><virtualport type='openvswitch'/></interface>", ["bridge"]),
        ("<interface type='direct'><source dev='eth0'/></interface>", []),
        ("<interface type='direct'><source dev='eth7'/></interface>", ["bridge"]),
        ("<interface type='network'><source network='default' bridge='virbr0'/></interface>", []),
        ("<interface type='network'><source network='dmz'/></interface>", ["network"]),
        ("<interface type='user'/>", []),
    ],
)
def test_what_interfaces_hang_on(interface: str, code: list[str]) -> None:
    assert codes(reasons_of_node(needs(with_device(interface)), offer("kvm01"), offer())) == code


def test_a_network_that_is_off() -> None:
    xml = with_device("<interface type='network'><source network='default'/></interface>")
    off = offer(told={"host": host(networks={"default": False})})
    assert codes(reasons_of_node(needs(xml), offer("kvm01"), off)) == ["network"]


@pytest.mark.parametrize(("ahead_s", "code"), [(1.5, []), (-40.0, ["(clocks)"]), (None, [])])
def test_clocks(ahead_s: float | None, code: list[str]) -> None:
    assert codes(reasons_of_node(needs(), offer("kvm01"), offer(clock_ahead_s=ahead_s))) == code


def storage(tmp_path: Path, one: Needs, source: Offer, destination: Offer) -> list[str]:
    return codes(reasons_of_storage(one, [store(tmp_path)], [], source, destination))


def proof(tmp_path: Path, problem: str | None = None) -> Nonce:
    return Nonce(store(tmp_path), PurePosixPath("/srv/vme/virt-store/.vme/nonce/a"), "secret", problem)


@pytest.mark.parametrize(
    ("here", "there", "code"),
    [
        ({}, {}, ["store-differs", "store-differs"]),
        ({"nonces": True}, {}, ["store-differs"]),
        ({"nonces": True}, {"nonces": True, "mounts": (replace(MOUNT, read_only=True),)}, ["store-read-only"]),
    ],
)
def test_a_store_that_is_not_the_same(
    tmp_path: Path, here: dict[str, Any], there: dict[str, Any], code: list[str]
) -> None:
    one = proof(tmp_path)
    seen = [
        {**more, "nonces": {one.path: "secret"} if "nonces" in more else {one.path: "other"}} for more in (here, there)
    ]
    offers = offer("kvm01", **seen[0]), offer(**seen[1])
    assert codes(reasons_of_storage(needs(), [store(tmp_path)], [one], *offers)) == code


def test_a_store_that_this_server_can_not_write_to(tmp_path: Path) -> None:
    one = proof(tmp_path, "Permission denied")
    assert codes(reasons_of_storage(needs(), [store(tmp_path)], [one], offer("kvm01"), offer())) == ["store-here"]


@pytest.mark.parametrize(
    ("kind", "cache", "qemu", "code"),
    [
        ("fuse.glusterfs", "writeback", "7.2.0", []),
        ("nfs4", "none", "7.2.0", []),
        ("nfs4", "writeback", "7.2.0", ["(cache)"]),
        ("nfs4", "writeback", "3.1.0", ["cache"]),
        ("nfs4", "unsafe", "7.2.0", ["cache"]),
        ("fuse.sshfs", "none", "7.2.0", ["file-system"]),
    ],
)
def test_file_system_and_cache(tmp_path: Path, kind: str, cache: str, qemu: str, code: list[str]) -> None:
    xml = XML.replace("cache='none'", f"cache='{cache}'")
    mounts = (replace(MOUNT, type=kind),)
    told = {"report": report(facts=NodeFacts(4, 8000, "9.0.0", qemu))}
    assert storage(tmp_path, needs(xml), offer("kvm01", told, mounts=mounts), offer(told=told)) == code
    assert storage(tmp_path, needs(xml, state="shut off"), offer("kvm01", mounts=mounts), offer()) == []


def test_a_file_system_that_libvirt_was_told_of(tmp_path: Path) -> None:
    conf = QemuConf(dynamic_ownership=True, shared_filesystems=("/srv/vme",))
    named = offer("kvm01", mounts=(replace(MOUNT, type="fuse"),), conf=conf)
    assert "file-system" not in storage(tmp_path, needs(), named, offer())
    assert codes(reasons_of_ownership(needs(), [], named, offer(), may_set=False)) == []


def test_disks_elsewhere(tmp_path: Path) -> None:
    iso = "<disk type='file' device='cdrom'><source file='/iso/a.iso'/><target dev='sda'/><readonly/></disk>"
    local, there = {PurePosixPath("/iso/a.iso"): FILE}, {IMAGE: FILE, PurePosixPath("/iso/a.iso"): FILE}
    shorter = {**there, PurePosixPath("/iso/a.iso"): replace(FILE, size_bytes=1)}
    here = offer("kvm01", files={IMAGE: FILE, **local})
    assert storage(tmp_path, needs(with_device(iso)), here, offer(files=there)) == []
    assert storage(tmp_path, needs(with_device(iso)), here, offer()) == ["missing"]
    assert storage(tmp_path, needs(with_device(iso)), here, offer(files=shorter)) == ["file-differs"]
    assert storage(tmp_path, needs(), offer("kvm01"), offer(files={})) == ["missing"]
    rbd = "<disk type='network'><source protocol='rbd' name='pool/a'/><target dev='vdz'/></disk>"
    assert storage(tmp_path, needs(with_device(rbd)), offer("kvm01"), offer()) == ["not-a-file"]
    written = iso.replace("cdrom", "disk").replace("<readonly/>", "")
    assert "not-shared" in storage(tmp_path, needs(with_device(written)), here, offer(files=there))
    blank = iso.replace("/iso/a.iso", "/iso/a b.iso")
    assert storage(tmp_path, needs(with_device(blank)), here, offer()) == ["path"]


ROOTS = replace(FILE, uid=0, gid=0)


def ownership(
    tmp_path: Path, source: Offer, destination: Offer, one: Needs | None = None, *, may_set: bool = False
) -> list[str]:
    return codes(reasons_of_ownership(one or needs(), [store(tmp_path)], source, destination, may_set=may_set))


def test_ids_that_differ(tmp_path: Path) -> None:
    strange = offer(told={"host": host(uid=107, gid=107)}, conf=QemuConf())
    assert ownership(tmp_path, offer("kvm01"), strange) == ["ids"]
    mapped = offer(files={IMAGE: replace(FILE, uid=65534)})
    assert ownership(tmp_path, offer("kvm01"), mapped) == ["owner-differs"]


def test_an_image_that_qemu_can_not_open(tmp_path: Path) -> None:
    here, there = offer("kvm01", files={IMAGE: ROOTS}), offer(files={IMAGE: ROOTS})
    assert ownership(tmp_path, here, there) == ["owner"]
    assert ownership(tmp_path, here, there, may_set=True) == ["(owner)"]
    one = store(tmp_path)
    image = one.management_path / "cap1/cap1-vda"
    assert owners_of(needs(), [one], there) == (ImageOwner(image, IMAGE, 64055, 108, 0o660, was="0:0 0660"),)
    assert owners_of(needs(), [one], offer()) == (ImageOwner(image, IMAGE, 64055, 108, 0o660),)
    # With dynamic_ownership libvirt gives the image to QEMU when the guest arrives.
    assert ownership(tmp_path, here, replace(there, sight=sight(files={IMAGE: ROOTS}, conf=QemuConf()))) == []


def test_a_link_in_an_images_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "victim").touch(mode=0o600)
    link, image = tmp_path / "link", tmp_path / "image"
    link.symlink_to("victim")
    image.touch(mode=0o600)
    uid, gid = os.geteuid(), os.getegid()
    one = ImageOwner(image, IMAGE, uid, gid, 0o660)
    assert keep_owners([replace(one, path=link)]) == []
    (said,) = keep_owners([one])
    assert "it had become" in said
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "victim", image)] == [0o600, 0o660]
    with pytest.raises(Failed, match="can't be given"):
        give_owners([replace(one, path=link, was="0:0 0777")], NODES["kvm01"], SshConfig(), timeout_s=1)
    assert (tmp_path / "victim").stat().st_mode & 0o777 == 0o600


def test_images_that_would_change_hands(tmp_path: Path) -> None:
    fuse = (replace(MOUNT, type="fuse"),)
    assert ownership(tmp_path, offer("kvm01", mounts=fuse, conf=QemuConf()), offer()) == ["dynamic-ownership"]
    assert ownership(tmp_path, offer("kvm01", mounts=fuse, conf=None), offer()) == ["dynamic-ownership"]
    assert ownership(tmp_path, offer("kvm01", mounts=fuse), offer()) == []
    assert ownership(tmp_path, offer("kvm01", conf=QemuConf()), offer()) == []
    for narrowed in (
        XML.replace(
            "<seclabel type='dynamic' model='dac' relabel='yes'>", "<seclabel type='dynamic' model='dac' relabel='no'>"
        ),
        XML.replace("index='1'/>", "index='1'><seclabel model='dac' relabel='no'/></source>"),
    ):
        assert narrowed != XML
        source = offer("kvm01", mounts=fuse, conf=QemuConf())
        assert ownership(tmp_path, source, offer(), needs(narrowed)) == []


def test_the_mend_for_it_is_zero_not_one() -> None:
    source = offer("kvm01", mounts=(replace(MOUNT, type="fuse"),), conf=QemuConf())
    (reason,) = reasons_of_ownership(needs(), [], source, offer(), may_set=False)
    assert reason.mend == "set dynamic_ownership = 0 (not 1) in /etc/libvirt/qemu.conf and restart libvirtd"


@pytest.mark.parametrize(
    ("reached", "code"),
    [
        (Reached("10.0.0.2", False, "no answer"), ["port"]),
        (Reached(None, False, "Invalid argument"), ["name"]),
        (Reached("127.0.1.1", True, "Connection refused"), ["name"]),
        (None, ["(port)"]),
    ],
)
def test_the_way_there(reached: Reached | None, code: list[str]) -> None:
    found = {} if reached is None else {"kvm02:49215": reached}
    assert codes(list(reasons_of_way(offer("kvm01"), offer(), found))) == code


def test_no_port_is_tried_on_which_somebody_waits_for_a_guest() -> None:
    assert endpoint_of(offer(listening=frozenset((49215, 49214)))) == "kvm02:49213"
    named = QemuConf(migration_host="10.9.9.9", migration_ports=(50000, 50001))
    assert endpoint_of(offer(conf=named)) == "10.9.9.9:50001"
    full = offer(conf=named, listening=frozenset((50000, 50001)))
    assert endpoint_of(full) is None
    assert codes(list(reasons_of_way(offer("kvm01"), full, {}))) == ["port"]


def test_the_matrix() -> None:
    bad, warning = Reason("bridge", "kvm03 has no bridge br0", "make it"), Reason("clocks", "they differ", warns=True)
    mute = Verdict(Offer(NODES["kvm03"], None, None, "x"), (Reason("silent", "kvm03 gives no answer (x)"),), ())
    one = Assessment(
        guest("web1"), None, (), (), None, (Verdict(offer(), (), (warning,)), Verdict(offer("kvm03"), (bad,), ()))
    )
    two = Assessment(guest("b\n", node="kvm02"), None, (Reason("stopped", "is off"),), (), None, (mute,))
    assert list(lines([one, two])) == [
        "GUEST  ON     kvm01  kvm02  kvm03",
        "web1   kvm01  here   yes    no",
        "'b\\n'  kvm02  -      here   silent",
        "web1 to kvm02:",
        "  - (a warning) they differ",
        "web1 to kvm03:",
        "  - kvm03 has no bridge br0: make it",
        "'b\\n', wherever it goes:",
        "  - is off",
        "'b\\n' to kvm03:",
        "  - kvm03 gives no answer (x)",
    ]
    first, second, third = rows([one, two])
    assert [row["verdict"] for row in (first, second, third)] == ["yes", "no", "silent"]
    assert (first["against"], first["warnings"], second["against"]) == ([], ["clocks"], ["bridge"])
    assert third["against"] == ["stopped", "silent"]
    assert second["details"] == [{"code": "bridge", "text": bad.text, "mend": "make it", "warns": False}]
    assert one.possible == (one.verdicts[0],)
    assert two.possible == ()


def test_what_is_said_of_every_node_is_said_once() -> None:
    about_source, about_one = Reason("file-system", "kvm01 ..."), Reason("bridge", "kvm03 has no bridge br0")
    assert _common([[about_source], [about_one, about_source]]) == [about_source]
    assert _common([[about_source]]) == []  # of one node only: it is said of that node
    assert _common([]) == []
