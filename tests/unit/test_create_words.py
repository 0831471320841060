"""The short forms of create_guest, and batch files: what is meant, and what is refused with which words."""

from pathlib import Path

import pytest

from vme.actions.create.batch import names_of, read_batch
from vme.actions.create.options import Options, request_of, requests_of
from vme.actions.create.wish import AddressWish, BridgeWish, DiskWish
from vme.actions.create.words import address_wish, bridge_wish, disk_wish
from vme.config import Defaults
from vme.errors import Misused

DEFAULTS = Defaults()


def test_a_disk() -> None:
    assert disk_wish("20", "qcow2", "none") == DiskWish(20, "qcow2", "none")
    assert disk_wish("20,format=raw,cache=writeback", "qcow2", "none") == DiskWish(20, "raw", "writeback")


def test_an_interface() -> None:
    assert bridge_wish("br0") == BridgeWish("br0")
    assert bridge_wish("br0,vlan=12,mac=52:54:00:AB:cd:ef") == BridgeWish("br0", 12, "52:54:00:ab:cd:ef")


def test_an_address() -> None:
    assert address_wish("10.0.0.5/24,gw=10.0.0.1,dns=10.0.0.2+10.0.0.3") == AddressWish(
        "10.0.0.5/24", "10.0.0.1", ("10.0.0.2", "10.0.0.3")
    )
    assert address_wish("2001:db8::5/64") == AddressWish("2001:db8::5/64", None, ())


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1.5", "x", "20,", "20,format=vmdk", "20,size=3", "20,format=raw,format=raw", "٣"]
)
def test_disks_that_are_refused(text: str) -> None:
    with pytest.raises(Misused):
        disk_wish(text, "qcow2", "none")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "br 0",
        "../br",
        "br0,vlan=0",
        "br0,vlan=4095",
        "br0,vlan=x",
        "br0,mac=53:54:00:00:00:01",
        "br0,mac=52:54:00",
        "br0,mac=",
    ],
)
def test_interfaces_that_are_refused(text: str) -> None:
    with pytest.raises(Misused):
        bridge_wish(text)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.5", "10.0.0.5/33", "10.0.0.5/24,gw=2001:db8::1", "10.0.0.5/24,dns=x", "a/24"]
)
def test_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(Misused):
        address_wish(text)


def test_without_a_word_the_configuration_decides() -> None:
    request = request_of("web1", Options(), DEFAULTS, ())
    assert request.disks == (DiskWish(None, "qcow2", "none"),)
    assert request.bridges == (BridgeWish("br0"),)
    assert (request.vcpus, request.memory_mib, request.start) == (1, 1024, False)
    assert not request.seed.wanted


@pytest.mark.parametrize(
    "options",
    [
        Options(linked=True),
        Options(linked=True, image="tiny", type="raw"),
        Options(linked=True, image="tiny", disk=("8,format=raw",)),
        Options(iso="a", pxe=True),
        Options(source="web0", memory=512),
        Options(source="web0", image="tiny"),
        Options(source="web0", disk=("8",)),
        Options(source="../web0"),
        Options(hostname="a b"),
        Options(hostname="-a"),
        Options(hostname="a..b"),
    ],
)
def test_words_that_contradict_each_other(options: Options) -> None:
    with pytest.raises(Misused):
        request_of("web1", options, DEFAULTS, ())


def test_what_is_one_guests_own_is_not_said_for_several() -> None:
    assert len(requests_of(("a1", "a2"), Options(), DEFAULTS, ())) == 2
    for options in (
        Options(hostname="x"),
        Options(address=("10.0.0.1/8",)),
        Options(bridge=("br0,mac=52:54:00:00:00:01",)),
    ):
        with pytest.raises(Misused):
            requests_of(("a1", "a2"), options, DEFAULTS, ())


def test_sets_of_names() -> None:
    assert names_of("web1") == ("web1",)
    assert names_of("web[08-10]") == ("web08", "web09", "web10")
    with pytest.raises(Misused):
        names_of("web[1-")
    with pytest.raises(Misused, match="more than 1000"):
        names_of("web[1-100000]")


GOOD = """
defaults: {memory: 512, image: tiny, bridge: "br0,vlan=5", ssh-key: [/k.pub]}
guests:
  - name: web[01-02]
  - name: db1
    memory: 4096
    disk: [20, "100,format=raw"]
    address: 10.0.0.5/24
    start: true
"""


def read(tmp_path: Path, text: str, general: Options | None = None) -> tuple[object, ...]:
    file = tmp_path / "batch.yaml"
    file.write_text(text)
    return read_batch(file, general or Options(), DEFAULTS, ())


def test_a_batch_file(tmp_path: Path) -> None:
    file = tmp_path / "batch.yaml"
    file.write_text(GOOD)
    web1, web2, database = read_batch(file, Options(vcpus=2), DEFAULTS, ())
    assert (web1.name, web2.name, database.name) == ("web01", "web02", "db1")
    assert {guest.vcpus for guest in (web1, web2, database)} == {2}
    assert (web1.memory_mib, database.memory_mib) == (512, 4096)
    assert web1.bridges == (BridgeWish("br0", 5),)
    assert database.disks == (DiskWish(20, "qcow2", "none"), DiskWish(100, "raw", "none"))
    assert (web1.start, database.start) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a list of guests"),
        ("guests: []", "must be a list of guests"),
        ("[]", "must be a list of guests"),
        ("guests: [x]", "guest 1: it has no name"),
        ("guests: [{name: 7}]", "guest 1: it has no name"),
        ("guests: [{name: web1}, {name: ../x}]", r"guest 2 \('../x'\).*can't be the name"),
        ("guests: [{name: web1, memroy: 1}]", "unknown key 'memroy'"),
        ("guests: [{name: web1, memory: lots}]", r"guest 1 \('web1'\): memory: must be a whole number"),
        ("guests: [{name: web1, memory: true}]", "must be a whole number"),
        ("guests: [{name: web1, start: 1}]", "must be true or false"),
        ("guests: [{name: web1, type: vmdk}]", "'vmdk' is not known"),
        ("guests: [{name: web1, disk: [{a: 1}]}]", "must be a text"),
        ("guests: [{name: web1, disk: x}]", "is not a size"),
        ("guests: [{name: 'web[1-2]', hostname: x}]", "is for one guest"),
        ("guest: []\nguests: [{name: a1}]", "unknown key 'guest'"),
        ("defaults: [1]\nguests: [{name: a1}]", "defaults: this must be keys and values"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("guests: [{name: !!python/object/apply:os.system [id]}]", "is not YAML"),
        ("guests: [", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_batch_files_that_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Misused, match=said):
        read(tmp_path, text)
