"""The keeper of lines to nodes' daemons: it asks the one question for whoever comes, and nothing else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.test_wire import ALL_STATS, ANSWERS, GUESTS
from vme.hypervisor.wire.bulk import STATES_AGAIN, Told, states_again, states_call
from vme.hypervisor.wire.channel import hear_out, reached
from vme.hypervisor.wire.keeper import KeptLine, Watch
from vme.hypervisor.wire.protocol import serial_of, taken, with_serial
from vme.hypervisor.wire.xdr import Unusual

ANSWER = ANSWERS[ALL_STATS]


@contextmanager
def kept(path: Path, idle_s: float = 20) -> Iterator[socket.socket]:
    """A keeper at work on one line; the daemon's end of it. It must end when that does, if not before."""
    ours, daemons = socket.socketpair()
    daemons.settimeout(20)
    watch = Watch()
    KeptLine(watch, ours, path)
    thread = threading.Thread(target=watch.until_idle, args=(idle_s,))
    thread.start()
    try:
        yield daemons
    finally:
        daemons.close()
        thread.join(20)
        assert not thread.is_alive()
        assert not path.exists()


def questions(daemon: socket.socket, count: int) -> list[int]:
    """The serial numbers of the next questions, each of which must be the one that may be asked."""
    received, serials = bytearray(), list[int]()
    while len(serials) < count:
        received += daemon.recv(4096)
        while message := taken(received):
            assert message == states_call(serial_of(message))
            serials.append(serial_of(message))
    return serials


def asked(path: Path) -> tuple[list[tuple[Told, ...]], threading.Thread]:
    """One who asks, and what he hears, once his thread has ended."""
    heard: list[tuple[Told, ...]] = []
    thread = threading.Thread(target=lambda: heard.append(hear_out(reached(path), states_again())))
    thread.start()
    return heard, thread


def test_two_ask_at_once_and_each_gets_his_own_answer(tmp_path: Path) -> None:
    with kept(tmp_path / "kept") as daemon:
        first, one = asked(tmp_path / "kept")
        (its_serial,) = questions(daemon, 1)
        second, other = asked(tmp_path / "kept")
        (other_serial,) = questions(daemon, 1)
        assert its_serial != other_serial
        # The daemon answers calls side by side: the last may come first. In pieces, and two in one.
        both = with_serial(ANSWER, other_serial) + with_serial(ANSWER, its_serial)
        daemon.sendall(both[:9])
        daemon.sendall(both[9:])
        one.join(20)
        other.join(20)
    assert first == second == [GUESTS]


def test_a_long_answer_for_who_reads_slowly(tmp_path: Path) -> None:
    text = bytes(1 << 20)
    with kept(tmp_path / "kept") as daemon, socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(tmp_path / "kept"))
        slow.sendall(states_call(STATES_AGAIN))
        (serial,) = questions(daemon, 1)
        header = with_serial(ANSWER, serial)[4:28]
        whole = (28 + len(text)).to_bytes(4, "big") + header + text
        daemon.sendall(whole)
        got = b""
        while len(got) < len(whole):
            got += slow.recv(70_000)
        assert got[28:] == text
        assert serial_of(got) == STATES_AGAIN


@pytest.mark.parametrize("said", [states_call(4), b"GET / HTTP/1.1\r\n\r\n", states_call(STATES_AGAIN) * 2, b""])
def test_who_asks_anything_else_is_shown_the_door(tmp_path: Path, said: bytes) -> None:
    with kept(tmp_path / "kept") as daemon, socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(20)
        stranger.connect(str(tmp_path / "kept"))
        stranger.sendall(said)
        if not said:
            stranger.shutdown(socket.SHUT_WR)
        assert stranger.recv(4096) == b""
        heard, thread = asked(tmp_path / "kept")
        (serial,) = questions(daemon, 1)
        daemon.sendall(with_serial(ANSWER, serial))
        thread.join(20)
    assert heard == [GUESTS]


def test_who_has_gone_meanwhile_holds_nobody_up(tmp_path: Path) -> None:
    with kept(tmp_path / "kept") as daemon:
        with socket.socket(socket.AF_UNIX) as gone:
            gone.connect(str(tmp_path / "kept"))
            gone.sendall(states_call(STATES_AGAIN))
            (forgotten,) = questions(daemon, 1)
        heard, thread = asked(tmp_path / "kept")
        (serial,) = questions(daemon, 1)
        daemon.sendall(with_serial(ANSWER, forgotten) + with_serial(ANSWER, serial))
        thread.join(20)
    assert heard == [GUESTS]


@pytest.mark.parametrize("word", [b"", bytes(40)])
def test_where_the_daemon_ends_or_is_none_so_do_all_who_wait(tmp_path: Path, word: bytes) -> None:
    with kept(tmp_path / "kept") as daemon, socket.socket(socket.AF_UNIX) as waiting:
        waiting.settimeout(20)
        waiting.connect(str(tmp_path / "kept"))
        waiting.sendall(states_call(STATES_AGAIN))
        questions(daemon, 1)
        daemon.sendall(word)
        if not word:
            daemon.close()
        assert waiting.recv(4096) == b""


def test_it_ends_when_nobody_asks(tmp_path: Path) -> None:
    with kept(tmp_path / "kept", idle_s=0.1) as daemon:
        assert daemon.recv(4096) == b""


def test_what_came_in_its_place_stays(tmp_path: Path) -> None:
    ours, daemons = socket.socketpair()
    path, watch = tmp_path / "kept", Watch()
    line = KeptLine(watch, ours, path)
    path.unlink()
    path.write_text("another keeper's")
    line.end()
    assert path.exists()
    assert daemons.recv(4096) == b""
    daemons.close()
    with pytest.raises(Unusual):
        taken(bytearray(b"\xff" * 8))
