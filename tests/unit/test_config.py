"""vme.toml: what is read, and that every error names file, key and mend."""

from pathlib import Path

import pytest

from vme import config
from vme.commands.init import EXAMPLE
from vme.errors import Misconfigured, Misused

GOOD = """
[ssh]
user = "root"
[defaults]
virt_type = "qemu"
memory_mib = 128
bridges = ["br0", "br1"]
[zones.east]
nodes = "kvm[01-03]"
store = "/srv/vme/virt-store"
management_store = "/srv/vme/east/virt-store"
[zones.east.stores.fast]
store = "/srv/fast/virt-store"
management_store = "/srv/fast/east/virt-store"
[zones.west]
nodes = "kvm04,kvm05"
store = "/srv/vme/virt-store"
management_store = "/srv/vme/west/virt-store"
"""


def read(tmp_path: Path, text: str) -> config.Config:
    file = tmp_path / "vme.toml"
    file.write_text(text)
    return config.read_file(file)


def test_a_good_file(tmp_path: Path) -> None:
    made = read(tmp_path, GOOD)
    assert [node.name for node in made.nodes] == ["kvm01", "kvm02", "kvm03", "kvm04", "kvm05"]
    assert made.zone("west").nodes[0].zone == "west"
    assert [store.name for store in made.zone("east").stores] == ["virt-store", "fast"]
    assert made.defaults.bridges == ("br0", "br1")
    assert made.defaults.image_mode == 0o660
    assert made.ssh.port is None
    with pytest.raises(Misused, match="no zone 'north'"):
        made.zone("north")


def test_the_example_of_vme_init_is_good(tmp_path: Path) -> None:
    assert len(read(tmp_path, EXAMPLE).nodes) == 8


@pytest.mark.parametrize(
    ("change", "says", "mend"),
    [
        (("memory_mib", "memory"), "defaults.memory: unknown key", "did you mean memory_mib?"),
        (('user = "root"', 'user = "-oProxyCommand=x"'), "ssh.user", "login name"),
        (('"qemu"', '"xen"'), "defaults.virt_type: 'xen' is not known", "kvm, qemu"),
        (("= 128", '= "128"'), "defaults.memory_mib: must be a whole number", "without quotes"),
        (('"kvm04,kvm05"', '"kvm03,kvm04"'), "zones.west.nodes: node kvm03 is in zone east already", "leave it in one"),
        (('"kvm04,kvm05"', '"kvm[04"'), "zones.west.nodes: 'kvm[04' is not a node set", "kvm[01-08]"),
        (('"kvm04,kvm05"', '"kvm04,12"'), "12 can't be the name of a node", "letter or digit"),
        (('"kvm04,kvm05"', '""'), "zones.west.nodes: must be a text", "quotation"),
        (("/srv/vme/west", "/srv/vme/east"), "overlaps /srv/vme/east/virt-store of zone east", "a path of its own"),
        (("/srv/vme/west/virt-store", "/srv/vme/east/virt-store/west"), "overlaps", "a path of its own"),
        (
            ('"/srv/fast/virt-store"', '"/srv/vme/virt-store/fast"'),
            "zones.east.stores.fast.store: /srv/vme/virt-store/fast overlaps /srv/vme/virt-store of store virt-store",
            "a directory of its own",
        ),
        (
            ('"/srv/vme/west/virt-store"', '"west/virt-store"'),
            "zones.west.management_store: 'west/virt-store' is not an absolute",
            "/",
        ),
        (("[zones.west]", "[zones.west]\nnode = 1"), "zones.west.node: unknown key", "did you mean nodes?"),
        (("[ssh]", "[sssh]"), "sssh: unknown key", "did you mean ssh?"),
        (("[ssh]", "[ssh"), "not TOML", "vme init"),
        (("[zones.west]", "[zones.'../w']"), "can't be the name of a zone", "letter or digit"),
    ],
)
def test_every_error_names_file_key_and_mend(tmp_path: Path, change: tuple[str, str], says: str, mend: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, GOOD.replace(*change))
    assert str(tmp_path / "vme.toml") in caught.value.message
    assert says in caught.value.message
    assert mend in (caught.value.hint or "")


def test_no_zone_at_all(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no zone"):
        read(tmp_path, "[ssh]\n")


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VME_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(Misconfigured, match="not a file"):
        config.find_file()
    monkeypatch.delenv("VME_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "vme").mkdir()
    (tmp_path / "vme/vme.toml").write_text(GOOD)
    assert config.find_file() == tmp_path / "vme/vme.toml"


def test_no_file_means_this_machine() -> None:
    made = config.local_config()
    assert [(node.name, node.local) for node in made.nodes] == [("localhost", True)]


def test_clustershell_groups_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "groups.conf").write_text("[Main]\ndefault: local\n[local]\nmap: echo kvm[07-08]\n")
    from ClusterShell import NodeSet, NodeUtils

    NodeSet.set_std_group_resolver(NodeUtils.GroupResolverConfig([str(tmp_path / "groups.conf")]))
    try:
        made = read(tmp_path, GOOD.replace('"kvm04,kvm05"', '"@west"'))
    finally:
        NodeSet.set_std_group_resolver(None)
    assert [node.name for node in made.zone("west").nodes] == ["kvm07", "kvm08"]


STORAGE = """
[storage]
servers = "st[1-2],kvm04"
[chassis.threebay]
machines = "st[1-2]"
bays = { "1" = "drive 1", "2" = "drive 2", "pci-0000:03:00.0-nvme-1" = "top" }
"""


def test_storage_servers_and_the_bays_of_their_chassis(tmp_path: Path) -> None:
    made = read(tmp_path, GOOD + STORAGE)
    assert [(machine.name, machine.zone) for machine in made.machines[-3:]] == [
        ("kvm05", "west"),
        ("st1", ""),
        ("st2", ""),
    ]
    assert [machine.name for machine in made.machines].count("kvm04") == 1
    chassis = made.chassis_of(made.machines[-1])
    assert chassis is not None
    assert chassis.bays["pci-0000:03:00.0-nvme-1"] == "top"
    assert made.chassis_of(made.machines[0]) is None
    assert read(tmp_path, GOOD).machines == read(tmp_path, GOOD).nodes


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('servers = "st[1-2],kvm04"', 'server = "st1"'), r"storage.server: unknown key"),
        (('"st[1-2],kvm04"', '"-oProxy"'), r"storage: .*can't be the name of a storage server"),
        (('"drive 2"', '"drive 1"'), r"chassis.threebay.bays: two places have the same bay"),
        (('"drive 2"', "2"), r"chassis.threebay.bays.2: must be a text"),
        (("machines =", "machine ="), r"chassis.threebay"),
    ],
)
def test_wrong_storage_servers_and_chassis(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        read(tmp_path, GOOD + STORAGE.replace(*change))


def test_how_guests_move_is_said_for_all_zones_or_for_one(tmp_path: Path) -> None:
    text = (
        "[migration]\nbandwidth_mib = 100\noutgoing = 3\n[zones.west.migration]\nbandwidth_mib = 50\npostcopy = true\n"
    )
    made = read(tmp_path, GOOD + text)
    east, west = made.zone("east").migration, made.zone("west").migration
    assert (east.bandwidth_mib, east.outgoing, east.postcopy) == (100, 3, False)
    assert (west.bandwidth_mib, west.outgoing, west.postcopy) == (50, 3, True)
    assert (east.mode, east.max_downtime_ms, east.auto_converge) == ("direct", 1000, "needed")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('mode = "p2p"', "mode p2p needs peer_uri"),
        ("tunnelled = true", "tunnelled works with mode p2p only"),
        (
            'mode = "p2p"\npeer_uri = "qemu+tls://{node}/system"\ntunnelled = true\nparallel = 4',
            "tunnelled and parallel exclude each other",
        ),
        ('tls = "yes"', "must be true or false"),
        ('auto_converge = "often"', "is not known"),
        ("bandwith_mib = 5", "unknown key"),
    ],
)
def test_what_can_not_be_together_when_guests_move(tmp_path: Path, lines: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        read(tmp_path, f"{GOOD}[zones.west.migration]\n{lines}\n")
