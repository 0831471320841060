"""What is decided before a guest is created, as far as no node need be asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.golden import DATA
from tests.unit.made import EAST, config, guest
from vme.actions import claims as claims_module
from vme.actions.create.clone import read_original
from vme.actions.create.options import Options, request_of
from vme.actions.create.reasons import Reasons
from vme.actions.create.site import Site, zone_for
from vme.actions.create.storage import choose_claims
from vme.actions.create.taken import readable_stores, reasons_name_is_taken, reasons_of_definition
from vme.config import Config, Defaults, Store
from vme.errors import Misused, NotFound, Silent
from vme.fleet.everywhere import Silence

BARE = (DATA / "virt-install-4.1.xml").read_text()
UUID = "8b0c8541-9c59-4c34-ade1-9977256a95bb"
REQUEST = request_of("web1", Options(), Defaults(), ())
NO_REPORT: Any = None


def claims_on(there: Config, store: Store, *, force: bool = False) -> tuple[tuple[Store, ...], list[str]]:
    """The claims of a guest on that store, and the reasons against them."""
    reasons = Reasons(["web1"])
    site = Site(REQUEST, there.zone(store.zone), store, NO_REPORT, "as asked", 0, None)
    claims = choose_claims(there, [site], reasons, force=force, timeout_s=5)
    return claims["web1"], list(reasons.refusal().reasons) if reasons else []


@pytest.mark.parametrize(
    ("node", "zone", "default", "found"),
    [("kvm04", None, None, "west"), (None, "west", "east", "west"), (None, None, "east", "east")],
)
def test_the_zone(tmp_path: Path, node: str | None, zone: str | None, default: str | None, found: str) -> None:
    there = replace(config(tmp_path), defaults=Defaults(zone=default))
    assert zone_for(there, replace(REQUEST, node=node, zone=zone)).name == found


@pytest.mark.parametrize(
    ("node", "zone", "says"),
    [
        (None, None, "more than one zone"),
        ("kvm04", "east", "node kvm04 is in zone west, not in east"),
        ("kvm09", None, "there is no node 'kvm09'"),
        (None, "north", "there is no zone 'north'"),
    ],
)
def test_no_zone_to_create_in(tmp_path: Path, node: str | None, zone: str | None, says: str) -> None:
    with pytest.raises(Misused, match=says):
        zone_for(config(tmp_path), replace(REQUEST, node=node, zone=zone))


def test_the_only_zone_need_not_be_named(tmp_path: Path) -> None:
    both = config(tmp_path)
    assert zone_for(replace(both, zones=both.zones[:1]), REQUEST).name == "east"


def test_a_name_is_taken_by_a_guest_anywhere_or_by_a_directory_on_any_store(tmp_path: Path) -> None:
    there = config(tmp_path, east_stores=("virt-store", "fast"))
    stores = [store for zone in there.zones for store in zone.stores]
    assert reasons_name_is_taken(stores, "web1", [guest("web2")]) == []
    (tmp_path / "east/fast/web1").mkdir()
    (tmp_path / "west/virt-store/web1").mkdir()
    taken = reasons_name_is_taken(stores, "web1", [guest("web1", "shut off", "kvm04"), guest("web2")])
    assert taken[0] == "a guest of that name is shut off on kvm04"
    assert [reason.partition(" is there already")[0] for reason in taken[1:]] == [
        str(tmp_path / "east/fast/web1"),
        str(tmp_path / "west/virt-store/web1"),
    ]


def test_all_who_create_a_name_meet_on_a_store_they_all_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On whichever store of whichever zone: else two of them create the same name at the same moment."""
    monkeypatch.setattr(claims_module, "reasons_not_usable", lambda *_words, **_more: [])
    there = config(tmp_path, east_stores=("virt-store", "fast"))
    stores = [store for zone in there.zones for store in zone.stores]
    claimed = []
    for store in stores:
        claims, reasons = claims_on(there, store)
        assert reasons == []
        assert store in claims
        assert len(set(claims)) == len(claims)
        claimed.append(set(claims))
    assert all(one & other for one in claimed for other in claimed)
    alone = replace(there, zones=there.zones[:1])
    first, second = (set(claims_on(alone, store)[0]) for store in alone.zones[0].stores)
    assert first & second


def test_a_store_on_which_the_name_can_t_be_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = config(tmp_path)
    east, west = (zone.stores[0] for zone in there.zones)
    monkeypatch.setattr(
        claims_module, "reasons_not_usable", lambda store, *_w, **_m: ["it hangs"] if store == west else []
    )
    claims, reasons = claims_on(there, east)
    assert claims == (east,)
    assert reasons == ["the name can't be claimed there: it hangs; --force does without"]
    assert claims_on(there, east, force=True) == ((east,), [])
    monkeypatch.setattr(claims_module, "reasons_not_usable", lambda *_w, **_m: ["x is full: 1 MiB"])
    assert claims_on(there, east) == ((east, west), [])  # a lock takes no room


@pytest.mark.parametrize("uuid", [UUID, UUID.upper(), UUID.replace("-", "")])
def test_a_uuid_that_is_another_guest_s_is_refused(uuid: str) -> None:
    """Undoing would stop and undefine whoever has it."""
    (reason,) = reasons_of_definition("web1", BARE.replace(UUID, uuid), [guest("db1", uuid=UUID), guest("db2")])
    assert reason == f"its UUID {uuid} is that of guest 'db1' on kvm01: leave --uuid away"


def test_a_name_other_than_the_claimed_one_is_refused() -> None:
    assert reasons_of_definition("web1", BARE, [guest("db1")]) == []
    (reason,) = reasons_of_definition("web2", BARE, [])
    assert reason == "what follows -- names it 'web1': leave --name away"


def test_a_store_that_does_not_answer_is_not_an_empty_one(tmp_path: Path) -> None:
    there = config(tmp_path, east_stores=("virt-store", "fast"))
    first, fast = there.zones[0].stores
    (west,) = there.zones[1].stores
    reasons = Reasons(["web1"])
    assert readable_stores(there, reasons, force=False, timeout_s=5) == (first, fast, west)
    west.management_path.rmdir()
    assert readable_stores(there, reasons, force=False, timeout_s=5) == (first, fast)
    assert not reasons  # it is said where the name can't be claimed
    fast.management_path.rmdir()
    assert readable_stores(there, reasons, force=True, timeout_s=5) == (first,)
    assert not reasons
    readable_stores(there, reasons, force=False, timeout_s=5)
    assert "does not answer, and may have a guest of that name" in reasons.refusal().reasons[0]


def test_a_guest_to_be_copied_is_not_called_missing_while_a_node_is_silent(tmp_path: Path) -> None:
    there, others = config(tmp_path), [guest("web2")]
    with pytest.raises(Silent, match=r"web1: not on any node that answered; no answer from kvm02 \(no answer\)"):
        read_original(there, "web1", others, [Silence(EAST[1], "no answer")], 5)
    with pytest.raises(NotFound, match="web1: no such guest on any node"):
        read_original(there, "web1", others, [], 5)
