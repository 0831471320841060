"""Which images of a guest others need, with real overlays; and the plan that a person is shown."""

from pathlib import Path

import pytest

from tests.unit.made import EAST, config, disk, guest, store
from vme.actions import delete as module
from vme.actions.delete import Plan, _left_alone, carry_out, check, reasons_needed_by_others
from vme.config import Store
from vme.errors import Refused, Silent
from vme.fleet.definitions import Definition
from vme.fleet.everywhere import Answer, Replies, Silence
from vme.process import run
from vme.store.files import write_whole
from vme.store.layout import saved_xml_file

MINE = "/srv/vme/virt-store/web1"


def definition(*disks: str, name: str = "web2") -> Definition:
    return Definition(name, f"uuid-of-{name}", EAST[1], f"<domain><devices>{''.join(disks)}</devices></domain>")


def file_disk(path: str, backing: str = "") -> str:
    return f"<disk type='file'><source file='{path}'/>{backing}<target dev='vda'/></disk>"


def reasons(here: Store, *others: Definition) -> list[str]:
    return reasons_needed_by_others(here, "web1", others, (here,))


@pytest.mark.parametrize(
    "path", [f"{MINE}0/web10-vda", "/srv/vme/virt-store/web2/web2-vda", "/elsewhere/web1/web1-vda"]
)
def test_what_lies_elsewhere_is_not_needed(tmp_path: Path, path: str) -> None:
    assert reasons(store(tmp_path), definition(file_disk(path))) == []


def test_a_disk_shared_with_another_guest(tmp_path: Path) -> None:
    (reason,) = reasons(store(tmp_path), definition(file_disk(f"{MINE}/web1-vdb"), file_disk(f"{MINE}/web1-vdb")))
    assert reason == f"{MINE}/web1-vdb is in use by guest 'web2' on kvm02"


def test_a_base_that_libvirt_tells_of(tmp_path: Path) -> None:
    backing = f"<backingStore type='file'><source file='{MINE}/web1-vda'/></backingStore>"
    (reason,) = reasons(store(tmp_path), definition(file_disk("/srv/vme/virt-store/web2/web2-vda", backing)))
    assert "web1-vda is in use by guest 'web2'" in reason


def test_a_base_that_only_the_header_of_an_image_tells_of(tmp_path: Path) -> None:
    here = store(tmp_path)
    (here.management_path / "web2").mkdir()
    top = here.management_path / "web2/web2-vda"
    argv = ("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "../web1/web1-vda", "-F", "qcow2", top, "1M")
    assert run(argv, timeout_s=20).status == 0
    (reason,) = reasons(here, definition(file_disk("/srv/vme/virt-store/web2/web2-vda")))
    assert reason.startswith(f"{MINE}/web1-vda is in use by guest 'web2'")


def test_empty_drives_and_block_devices_need_nothing(tmp_path: Path) -> None:
    drive = "<disk type='file' device='cdrom'><target dev='sda'/></disk>"
    assert reasons(store(tmp_path), definition(drive, "<disk type='block'><source dev='/dev/x'/></disk>")) == []


def test_all_who_need_it_are_named(tmp_path: Path) -> None:
    found = reasons(
        store(tmp_path),
        definition(file_disk(f"{MINE}/web1-vda"), name="b"),
        definition(file_disk(f"{MINE}/web1-vda"), name="a"),
    )
    assert len(found) == 2


def test_images_outside_the_guest_s_directory_are_left_alone(tmp_path: Path) -> None:
    mine = definition(file_disk(f"{MINE}/web1-vda"), file_disk("/iso/debian.iso"), name="web1")
    assert _left_alone(mine, store(tmp_path)) == ("/iso/debian.iso",)
    assert _left_alone(mine, None) == (f"{MINE}/web1-vda", "/iso/debian.iso")


def test_the_plan_says_what_goes(tmp_path: Path) -> None:
    here = store(tmp_path)
    assert Plan(config(tmp_path), guest(), here, (here,), False, ("/iso/x",)).lines() == [
        "delete guest web1 on kvm01 (is running)",
        "  pull its plug",
        "  remove its definition, with snapshots' metadata, managed save and NVRAM",
        f"  move to the trash: {here.management_path}/web1",
        "  left alone: /iso/x",
    ]
    purge = Plan(config(tmp_path), guest(state="shut off"), here, (here,), True, ()).lines()
    assert purge[-1] == f"  remove for good: {here.management_path}/web1"
    assert "pull its plug" not in " ".join(purge)
    assert len(Plan(config(tmp_path), guest(state="shut off"), None, (here,), True, ()).lines()) == 2


def test_a_made_disk_is_as_the_parser_makes_them() -> None:
    assert disk("/x").source == "/x"


def test_an_undefined_guest_that_could_be_defined_again_needs_its_base(tmp_path: Path) -> None:
    here = store(tmp_path)
    for name in ("web1", "web2", "web3"):
        (here.management_path / name).mkdir()
    xml = definition(file_disk("/elsewhere/web2-vda"), file_disk(f"{MINE}/web1-vda")).xml
    for name in ("web1", "web2"):
        write_whole(saved_xml_file(here, name), xml, mode=0o600)
    (reason,) = reasons(here)
    assert reason.startswith(f"{MINE}/web1-vda is needed by guest web2, which is defined on no node that answered")
    assert reasons(here, definition(name="web2")) == []  # as it is defined, it needs nothing


@pytest.mark.parametrize("force", [False, True])
def test_a_guest_of_a_silent_node_is_not_said_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, force: bool
) -> None:
    silent: Replies[tuple[Definition, ...]] = Replies((Answer(EAST[1], (), True),), (Silence(EAST[0], "no answer"),))
    monkeypatch.setattr(module, "ask_definitions", lambda *_: silent)
    monkeypatch.setattr(module, "reasons_not_usable", lambda *_, **_more: [])
    with pytest.raises(Silent, match=r"web1 on kvm01: no answer from kvm01 \(no answer\)"):
        check(config(tmp_path), guest(state="shut off"), purge=False, force=force, timeout_s=5)


def test_who_needs_it_is_looked_for_again_before_anything_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A linked copy may be made while a person is asked."""
    here = store(tmp_path)
    one = guest(state="shut off")
    needing = definition(file_disk(f"{MINE}/web1-vda"))
    monkeypatch.setattr(module, "ask_definitions", lambda *_: Replies((Answer(EAST[1], (needing,), True),), ()))
    monkeypatch.setattr(module, "still_there", lambda *_: one)
    monkeypatch.setattr(module, "undefine_while_off", lambda *_, **_more: pytest.fail("it was undefined"))
    with pytest.raises(Refused, match="web1-vda is in use by guest 'web2' on kvm02"):
        carry_out(Plan(config(tmp_path), one, here, (here,), False, ()))
    assert not (here.management_path / ".vme/journal/web1").exists()
