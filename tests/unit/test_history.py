"""A guest's history on a virt-store: numbers that only grow, a bound, and what survives half a write."""

import json
from pathlib import Path, PurePosixPath

import pytest

from vme.__main__ import run
from vme.config import Store
from vme.store import history

HERE = {"node": "kvm01", "uuid": "46fed7f0-ac8d-4455-a657-4d4ac7aeea34"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("virt-store", "east", PurePosixPath("/srv/vme/virt-store"), tmp_path)


def add(store: Store, xml: str, tool: str = "edit_guest", reason: str | None = None) -> None:
    history.add_version(store, "web1", xml, tool=tool, reason=reason, **HERE)


def test_a_guest_without_history(store: Store) -> None:
    assert history.versions(store, "web1") == ()
    assert history.latest_xml(store, "web1") is None


def test_versions_are_numbered_and_say_who_when_and_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")
    add(store, "<a/>", "create_guest")
    add(store, "<b/>", "edit_guest", "ticket 7")
    first, second = history.versions(store, "web1")
    assert (first.number, first.tool, first.reason, first.user) == (1, "create_guest", None, "anna")
    assert (second.number, second.tool, second.reason, second.node) == (2, "edit_guest", "ticket 7", "kvm01")
    assert second.time.endswith("Z")
    assert history.latest_xml(store, "web1") == "<b/>"
    assert history.xml_file(store, "web1", 1).read_text() == "<a/>"
    # Secrets may be inside: for the owner only.
    assert history.xml_file(store, "web1", 1).stat().st_mode & 0o077 == 0
    assert json.loads(history.xml_file(store, "web1", 2).with_suffix(".json").read_text())["reason"] == "ticket 7"


def test_what_is_found_is_a_version_only_if_it_is_news(store: Store) -> None:
    history.add_found(store, "web1", "<a/>", **HERE)
    history.add_found(store, "web1", "<a/>", **HERE)
    add(store, "<b/>")
    history.add_found(store, "web1", "<b/>", **HERE)
    history.add_found(store, "web1", "<c/>", **HERE)
    assert [(v.number, v.tool, v.user is None) for v in history.versions(store, "web1")] == [
        (1, "found", True),
        (2, "edit_guest", False),
        (3, "found", True),
    ]


def test_the_oldest_go_and_numbers_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT", 3)
    for number in range(1, 8):
        add(store, f"<a n='{number}'/>")
    assert [version.number for version in history.versions(store, "web1")] == [5, 6, 7]
    assert len(list((store.management_path / ".vme/history/web1").iterdir())) == 6


def test_a_number_that_another_tool_took_at_the_same_moment_is_left_to_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "<a/>")
    monkeypatch.setattr(history, "_xml_files", lambda _store, _guest: [])
    add(store, "<b/>")
    monkeypatch.undo()
    assert history.xml_file(store, "web1", 1).read_text() == "<a/>"
    assert history.xml_file(store, "web1", 2).read_text() == "<b/>"


@pytest.mark.parametrize("remains", [None, "", "{", "[]", '{"tool": "edit_guest"}'])
def test_a_version_whose_record_is_lost_still_counts(store: Store, remains: str | None) -> None:
    add(store, "<a/>")
    record = history.xml_file(store, "web1", 1).with_suffix(".json")
    record.unlink()
    if remains is not None:
        record.write_text(remains)
    add(store, "<b/>")
    lost, kept = history.versions(store, "web1")
    assert (lost.number, lost.user, lost.node) == (1, None, "unknown")
    assert kept.number == 2


def test_a_store_that_is_not_there_is_not_made(store: Store) -> None:
    absent = Store("virt-store", "east", store.node_path, store.management_path / "absent")
    with pytest.raises(FileNotFoundError):
        history.add_version(absent, "web1", "<a/>", tool="edit_guest", reason=None, **HERE)


def test_the_history_stays_on_the_store_where_it_began(store: Store, tmp_path: Path) -> None:
    second = Store("fast", "east", PurePosixPath("/srv/fast"), tmp_path / "fast")
    (second.management_path / "web1").mkdir(parents=True)
    assert history.history_store((store, second), "web1") == second
    assert history.history_store((store, second), "web2") == store
    add(store, "<a/>")
    assert history.history_store((store, second), "web1") == store


def test_a_diff_is_not_printed_as_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VME_CONFIG", str(tmp_path / "vme.toml"))
    (tmp_path / "vme.toml").write_text(f"""[audit]\nfile = "{tmp_path}/audit.log"
[zones.east]\nnodes = "kvm01"\nstore = "/srv/vme"\nmanagement_store = "{tmp_path}"\n""")
    assert run("history_guest", ["web1", "--diff", "-o", "csv"]) == 2
    assert capsys.readouterr().err == "history_guest: a diff is no table\n  hint: -o json or yaml\n"
