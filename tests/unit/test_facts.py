"""Versions as libvirt packs them."""

import pytest

from vme.hypervisor.facts import _version


@pytest.mark.parametrize(
    ("number", "text"), [(9000000, "9.0.0"), (7002022, "7.2.22"), (11003000, "11.3.0"), (10000123, "10.0.123")]
)
def test_version(number: int, text: str) -> None:
    assert _version(number) == text
