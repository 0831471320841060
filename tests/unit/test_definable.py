"""What a definition newly names, whose name and UUID it has; on libvirt's own XML."""

from pathlib import Path

import pytest

from vme.actions.definable import domain_problems, news_in
from vme.errors import Refused
from vme.hypervisor.domain_xml import canonical_uuid, nvram_of, parse

XML = (Path(__file__).parent / "data/defined-libvirt-9.0.xml").read_text()
UUID = "46fed7f0-ac8d-4455-a657-4d4ac7aeea34"


def test_without_an_earlier_one_all_is_new() -> None:
    news = news_in(XML, None)
    assert [disk.source for disk in news.disks] == ["/srv/vme/virt-store/cap1/cap1-vda"]
    assert news.macs == {"52:54:00:73:6d:5d"}
    assert news.bridges == {"br0"}


def test_only_what_is_new_is_news() -> None:
    assert not news_in(XML.replace(">131072<", ">262144<"), XML)
    assert [disk.source for disk in news_in(XML.replace("cap1-vda", "other"), XML).disks] == [
        "/srv/vme/virt-store/cap1/other"
    ]
    assert news_in(XML.replace("52:54:00:73:6d:5d", "52:54:00:73:6D:5D"), XML).macs == set()
    assert news_in(XML.replace("bridge='br0'", "bridge='br7'"), XML).bridges == {"br7"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "this is not XML"),
        ("<domain", "this is not XML"),
        ("<network/>", "not of a <domain>"),
        (XML.replace("<name>cap1<", "<name>cap2<"), "the name in it is cap2, not cap1"),
        (XML.replace("<name>cap1<", "<name>\u202ecap1<"), "'\\\\u202ecap1'"),
        (XML.replace(UUID, UUID[:-1] + "5"), "a guest keeps its UUID"),
        (XML.replace(f"<uuid>{UUID}</uuid>", ""), "the UUID in it is missing"),
    ],
)
def test_what_is_not_this_guest(text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        domain_problems(text, name="cap1", uuid=UUID, subject="cap1 on kvm01")


@pytest.mark.parametrize("uuid", [UUID, UUID.upper(), UUID.replace("-", ""), f" {UUID}\n"])
def test_a_uuid_in_any_form_libvirt_reads(uuid: str) -> None:
    assert canonical_uuid(uuid) == UUID
    domain_problems(XML.replace(UUID, uuid), name="cap1", uuid=UUID, subject="cap1 on kvm01")


def test_where_uefi_keeps_its_variables() -> None:
    def nvram(os: str) -> str | None:
        return nvram_of(parse(f"<domain><name>web1</name>{os}</domain>"))

    assert nvram_of(parse(XML)) is None
    # libvirt 9.0 says no more than this; 9.2 and later name the file.
    assert nvram("<os firmware='efi'/>") == "/var/lib/libvirt/qemu/nvram/web1_VARS.fd"
    assert nvram("<os firmware='efi'><nvram template='/t'>/var/lib/x.fd</nvram></os>") == "/var/lib/x.fd"
    assert nvram("<os><nvram type='file'><source file='/srv/x.fd'/></nvram></os>") == "/srv/x.fd"
