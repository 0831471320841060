"""What is done when it is first needed: once, and again only where it failed; a guest told over the wire."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.made import NODES
from tests.unit.test_translation import Given
from vme.config import SshConfig
from vme.errors import NotFound, Silent
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.guest import guests_told
from vme.hypervisor.late import libvirt, once

TOLD = (("web1", "0d4c44cf-e92b-4455-b80f-aed5ead3acaf", 1, 1), ("web2", "29c0d8cd-f1a7-4d1d-8a15-b538af59a853", 9, 99))


def test_once_however_many_ask_at_once() -> None:
    made: list[str] = []
    gate = threading.Event()

    def make() -> str:
        gate.wait(20)
        made.append("made")
        return "made"

    result = once(make)
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(result())) for _ in range(5)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(20)
    assert (made, got) == (["made"], ["made"] * 5)


def test_what_failed_is_tried_again() -> None:
    tries: list[str] = []

    def make() -> str:
        tries.append("tried")
        if len(tries) == 1:
            raise Silent("kvm01: gone")
        return "opened"

    result = once(make)
    with pytest.raises(Silent):
        result()
    assert result() == "opened"


def told_on(look_up: Any) -> Any:
    library: Any = SimpleNamespace(lookupByUUIDString=look_up)
    return guests_told(Hypervisor(NODES["kvm01"], once(lambda: library), SshConfig()), TOLD)


def test_a_guest_is_looked_up_once_when_it_is_acted_on() -> None:
    asked: list[str] = []

    def look_up(uuid: str) -> str:
        asked.append(uuid)
        return f"domain {uuid}"

    web1, web2 = told_on(look_up)
    assert asked == []
    assert web1.domain == web1.domain == f"domain {TOLD[0][1]}"
    assert asked == [TOLD[0][1]]
    assert (web2.state, web2.reason) == ("no state", "unknown")


def test_a_guest_that_has_gone_meanwhile_is_named() -> None:
    def gone(_uuid: str) -> None:
        raise Given(libvirt.VIR_ERR_NO_DOMAIN, "Domain not found")

    with pytest.raises(NotFound, match="web1 on kvm01: there is no such guest"):
        _ = told_on(gone)[0].domain
