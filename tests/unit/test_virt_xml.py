"""Settings in virt-install's words, by the real virt-xml."""

from pathlib import Path

import pytest

from vme.diff import plain_xml, unified
from vme.errors import Misused, Refused
from vme.hypervisor.virt_xml import option_for, with_setting

XML = (Path(__file__).parent / "data/defined-libvirt-9.0.xml").read_text()


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ("memory=4G", ("--edit", "--memory=4096")),
        ("memory=4GiB", ("--edit", "--memory=4096")),
        ("memory=512M", ("--edit", "--memory=512")),
        ("memory=512", ("--edit", "--memory=512")),
        ("memory=memory=512,maxmemory=1024", ("--edit", "--memory=memory=512,maxmemory=1024")),
        ("vcpus=4,sockets=2", ("--edit", "--vcpus=4,sockets=2")),
        ("disk/vda=cache=none", ("--edit=target=vda", "--disk=cache=none")),
        ("network/52:54:00:73:6d:5d=bridge=br1", ("--edit=mac=52:54:00:73:6d:5d", "--network=bridge=br1")),
    ],
)
def test_the_options_of_a_setting(setting: str, options: tuple[str, str]) -> None:
    assert option_for(setting) == options


@pytest.mark.parametrize(
    "setting", ["", "memory", "memory=", "=4", "disk=cache=none", "disk/=cache=none", "memory/1=2", "-x=1", "connect=x"]
)
def test_what_is_no_setting(setting: str) -> None:
    with pytest.raises(Misused, match="is not a setting"):
        option_for(setting)


def test_one_thing_changes_and_nothing_else() -> None:
    after = with_setting(XML, "vcpus=4", subject="cap1")
    changed = [line for line in unified(plain_xml(XML), plain_xml(after), ("a", "b")) if line[0] in "+-"]
    assert changed[2:] == ['-  <vcpu placement="static">1</vcpu>', '+  <vcpu placement="static">4</vcpu>']


def test_its_own_words_where_it_refuses() -> None:
    with pytest.raises(Refused, match="No matching objects found for --edit target=vdz"):
        with_setting(XML, "disk/vdz=cache=none", subject="cap1")
