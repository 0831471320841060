"""What list_guests, node_list and info_guest print, from answers made up; golden."""

import argparse
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.golden import DATA, agrees
from tests.unit.made import EAST, NODES, disk, guest, hypervisor
from vme.actions.inspect import Inspection
from vme.commands import guest_table, node_list, node_table
from vme.commands.info_guest import _flat, as_data, as_lines
from vme.commands.listing import Table, add_listing, columns_help, columns_of, in_order, order_of, write_listing
from vme.errors import Misused
from vme.fleet.everywhere import Answer, Replies, Silence
from vme.fleet.report import NodeReport
from vme.fleet.twins import Twins, find_twins
from vme.fleet.usage import Usage
from vme.hypervisor.details import Details, ImageSize
from vme.hypervisor.domain_xml import describe
from vme.hypervisor.facts import NodeFacts
from vme.hypervisor.guest import GuestSize, Labels
from vme.report import FORMATS, write_data, write_rows

NO_TWINS = Twins({}, ())
RUNNING = (DATA / "running-libvirt-9.0.xml").read_text()
BASE = "/srv/vme/virt-store/.images/debian.qcow2"
DETAILS = Details(
    autostart=False,
    persistent=True,
    has_managed_save=False,
    max_memory_mib=128,
    used_memory_mib=96,
    vcpus=1,
    cpu_time_s=12.3456,
    image_sizes={"vda": ImageSize(8 * 1024**3, 300 * 1024**2)},
    addresses={"52:54:00:73:6d:5d": ("192.0.2.17/24", "2001:db8::17/64")},
    snapshots=("before-upgrade",),
)


def inspection(**details: Any) -> Inspection:
    one = guest("cap1", reason="booted", uuid="46fed7f0-ac8d-4455-a657-4d4ac7aeea34")
    saved = "/srv/vme/east/virt-store/cap1/cap1.xml"
    return Inspection(one, describe(RUNNING), replace(DETAILS, **details), {"vda": (BASE,)}, saved)


def odd() -> Inspection:
    """Everything that can be missing, and names that would steer a terminal."""
    flags = {"persistent": False, "has_managed_save": True, "autostart": True}
    plain = inspection(**flags, image_sizes={}, snapshots=(), addresses={})
    cdrom = disk(None, target="sda", bus="sata", device="cdrom", format="raw", cache=None)
    evil = disk("/srv/\x1b[2J", target="vdb", backing=())
    nothing: dict[str, Any] = {"cpu": None, "graphics": (), "interfaces": ()}
    description = replace(plain.description, disks=(cdrom, evil), title="\u202etitle", **nothing)
    one = guest("\x1bx", "shut off", uuid="u")
    return replace(plain, guest=one, description=description, chains={}, saved_xml=None)


@pytest.mark.parametrize(("name", "made"), [("info-guest", inspection), ("info-odd-guest", odd)])
def test_info_for_a_person(name: str, made: Callable[[], Inspection]) -> None:
    text = "\n".join(as_lines(made())) + "\n"
    assert text.replace("\n", "").isprintable()
    agrees(f"{name}.text", text)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_info_for_a_program(form: str) -> None:
    out = io.StringIO()
    write_data([as_data(inspection())], form, out)
    agrees(f"info-guest.{form}", out.getvalue())


def test_info_as_pairs() -> None:
    pairs = dict(_flat(as_data(inspection())))
    assert pairs["disks.0.backing_chain.0"] == BASE
    assert pairs["interfaces.0.addresses.1"] == "2001:db8::17/64"
    assert pairs["memory_mib"] == 128
    assert all(not isinstance(value, dict | list) for value in pairs.values())


def test_an_address_is_found_however_the_mac_is_written() -> None:
    shouted = RUNNING.replace("52:54:00:73:6d:5d", "52:54:00:73:6D:5D")
    assert as_data(replace(inspection(), description=describe(shouted)))["interfaces"][0]["addresses"]


def replies() -> Replies[NodeReport]:
    guests = (guest("web1"), guest("web2", "shut off"))
    sizes = {one.uuid: GuestSize(2, 1024) for one in guests}
    facts = NodeFacts(8, 32000, "9.0.0", "7.2.22")
    up = NodeReport(hypervisor("kvm01"), facts, guests, 512, sizes, 0.5)
    slow = NodeReport(hypervisor("kvm02"), facts, (), 512)
    return Replies((Answer(EAST[1], slow, False), Answer(EAST[0], up, True)), (Silence(EAST[2], "no answer"),))


@pytest.mark.parametrize("form", FORMATS)
def test_nodes_in_the_order_asked_with_the_silent_ones(form: str) -> None:
    out = io.StringIO()
    columns = [node_table.TABLE.column(key) for key in node_table.TABLE.text]
    write_rows(node_list.rows_of((*EAST, NODES["kvm04"]), replies()), columns, form, out)
    agrees(f"node-list.{form}", out.getvalue())


def test_every_row_has_every_column() -> None:
    assert all(set(row) == set(node_table.TABLE.keys) for row in node_list.rows_of(EAST, replies()))
    assert set(guest_table.row_of(guest(), NO_TWINS)) == set(guest_table.TABLE.keys)
    full = guest_table.row_of(replace(guest(), labels=Labels(("a",))), NO_TWINS, Usage(vcpus=1))
    assert set(full) == set(guest_table.TABLE.keys)
    assert (full["tags"], full["vcpus"]) == (["a"], 1)


@pytest.mark.parametrize("table", [guest_table.TABLE, node_table.TABLE])
def test_every_column_says_what_it_means_and_the_defaults_are_columns(table: Table) -> None:
    assert all(column.meaning for column in table.columns)
    assert {*table.text, *table.wide, *table.data} <= set(table.keys)
    assert len(set(table.keys)) == len(table.keys)
    told = columns_help(table)
    assert all(f"{column.key} " in told for column in table.columns)


def test_guests() -> None:
    out = io.StringIO()
    guests = (guest(), guest("\x1b[2Jevil", "shut off", "kvm04", uuid="u"))
    columns = [guest_table.TABLE.column(key) for key in guest_table.TABLE.text]
    write_rows([guest_table.row_of(one, NO_TWINS) for one in guests], columns, "text", out)
    agrees("list-guests.text", out.getvalue())


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_listing(parser)
    return parser.parse_args(words)


def keys(*words: str) -> list[str]:
    return [column.key for column in columns_of(arguments(*words), guest_table.TABLE)]


def test_columns_are_chosen_in_the_order_given() -> None:
    assert keys() == ["name", "state", "node", "zone"]
    assert keys("-o", "json") == ["name", "state", "node", "zone", "uuid", "twin"]
    assert keys("--columns", "uuid,name,uuid") == ["uuid", "name"]
    assert keys("--columns", "cpu_percent,default") == ["cpu_percent", "name", "state", "node", "zone"]
    assert keys("--columns", "all") == list(guest_table.TABLE.keys)
    with pytest.raises(Misused, match="there is no column 'nme'"):
        keys("--columns", "nme")


def test_the_order_has_what_is_not_known_last() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "a", "cpu_percent": None},
        {"name": "b", "cpu_percent": 1.5},
        {"name": "c", "cpu_percent": 70.0},
        {"name": "d", "cpu_percent": 1.5},
    ]

    def ordered(by: str) -> str:
        return "".join(row["name"] for row in in_order(rows, order_of(arguments(f"--sort={by}"), guest_table.TABLE)))

    assert ordered("cpu_percent") == "bdca"
    assert ordered("-cpu_percent") == "cbda"
    assert ordered("-cpu_percent,-name") == "cdba"
    with pytest.raises(Misused, match="there is no column"):
        ordered("size")


def test_names_only(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [guest_table.row_of(one, NO_TWINS) for one in (guest(), guest("a\tb"))]
    write_listing(arguments("-o", "name"), rows, [], name=guest_table.NAME)
    assert capsys.readouterr().out == "web1\n'a\\tb'\n"


def test_guests_that_are_there_twice() -> None:
    same = [guest("web1"), guest("web1", "paused", "kvm02")]
    other_name = [guest("db1", uuid="u1"), guest("db2", node="kvm02", uuid="u1")]
    other_guest = [guest("app", uuid="u2"), guest("app", "shut off", "kvm03", uuid="u3")]
    lone = guest("lone")
    twins = find_twins([*same, *other_name, *other_guest, lone])
    assert [twins.mark(one) for one in same] == ["both", "both"]
    assert [twins.mark(one) for one in other_name] == ["uuid", "uuid"]
    assert [twins.mark(one) for one in other_guest] == ["name", "name"]
    assert twins.mark(lone) is None
    assert twins.sentences == (
        "one UUID, so one guest (being migrated, or never let both run): web1 running on kvm01, web1 paused on kvm02",
        "one UUID, so one guest (being migrated, or never let both run): db1 running on kvm01, db2 running on kvm02",
        "one name, and different guests: app running on kvm01, app shut off on kvm03",
    )
