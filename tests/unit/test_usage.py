"""What guests use, from records as libvirt gives them."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.made import hypervisor
from vme.errors import Failed
from vme.fleet import usage
from vme.fleet.usage import Usage, past_a_stuck_one, usage_between
from vme.hypervisor.connection import Hypervisor
from vme.hypervisor.statistics import Sample, sample_in

# As libvirt 9.0 told of a running guest with one disk and one interface, of one that is shut off, and of one whose
# QEMU was stopped (virsh domstats --nowait).
RUNNING: dict[str, Any] = {
    "cpu.time": 990000000,
    "balloon.maximum": 131072,
    "balloon.rss": 55836,
    "vcpu.current": 1,
    "net.count": 1,
    "net.0.rx.bytes": 90,
    "net.0.tx.bytes": 0,
    "block.count": 1,
    "block.0.rd.bytes": 512,
    "block.0.wr.bytes": 0,
}
OFF: dict[str, Any] = {"balloon.maximum": 131072, "vcpu.current": 1, "block.count": 1}
STUCK: dict[str, Any] = {"cpu.time": 1000000000, "balloon.maximum": 131072, "block.count": 1}


def test_a_guest_that_runs() -> None:
    sample = sample_in(RUNNING, 5)
    assert sample == Sample(5, 1, 128, 54, 0.99, 512, 0, 90, 0)


def test_what_is_not_told_is_not_made_up() -> None:
    assert sample_in(OFF, 5) == Sample(5, 1, 128)
    assert sample_in(STUCK, 5) == Sample(5, None, 128, None, 1.0)
    assert sample_in({}, 5) == Sample(5)


def test_disks_and_interfaces_together() -> None:
    two = {"block.count": 3, "block.0.rd.bytes": 1, "block.1.rd.bytes": 2, "net.count": 0}
    sample = sample_in(two, 0)
    assert (sample.read_bytes, sample.written_bytes, sample.received_bytes) == (3, None, 0)


def test_rates() -> None:
    before = sample_in(RUNNING, 10)
    after = replace(before, at_s=12, cpu_s=1.99, read_bytes=512 + 4096, received_bytes=91)
    assert usage_between(after, before) == Usage(1, 128, 54, 50.0, 2048, 0, 0, 0)
    assert usage_between(before, None) == Usage(1, 128, 54)


def test_a_guest_started_anew_between_the_samples_has_no_rates() -> None:
    before = sample_in(RUNNING, 10)
    after = Sample(11, 1, 128, 54, 0.1, 0, 0, 0, 0)
    assert usage_between(after, before) == Usage(1, 128, 54, None, None, 0, None, 0)
    assert usage_between(replace(before), before).cpu_percent is None


def test_of_a_guest_that_is_off_only_what_it_was_promised() -> None:
    told = Usage(1, 128, None, 0.0, 0, 0, 0, 0)
    assert told.of(running=False) == Usage(1, 128)
    assert told.of(running=True) is told


def test_a_stuck_qemu_is_passed_by_over_a_second_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = hypervisor(), hypervisor("kvm02")
    thaw = threading.Event()
    monkeypatch.setattr(usage, "open_second", lambda _first: second)

    def question(way: Hypervisor) -> str:
        if way is first:
            thaw.wait()
        return way.node.name

    began_s = time.monotonic()
    assert past_a_stuck_one(first, 0.4, question) == (second, "kvm02")
    assert time.monotonic() - began_s >= 0.1
    thaw.set()
    assert past_a_stuck_one(first, 0.4, question) == (first, "kvm01")


def test_an_error_is_not_taken_for_a_stuck_qemu() -> None:
    def fail(_way: Hypervisor) -> str:
        raise Failed("no")

    with pytest.raises(Failed):
        past_a_stuck_one(hypervisor(), 5, fail)
