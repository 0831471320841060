"""libvirt's wire protocol: its own client's calls, a daemon's answers, and answers that are lies."""

import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from select import POLLIN, poll
from struct import Struct

import pytest

from vme.hypervisor.wire.bulk import Told, states_of_all
from vme.hypervisor.wire.channel import Channel, hear_out, reached
from vme.hypervisor.wire.protocol import CallFailed, is_whole
from vme.hypervisor.wire.xdr import Reader, Unusual, packed, packed_string

# Taken down between virsh 9.0.0 and a daemon of four guests; by the number of the procedure.
SEEN = json.loads((Path(__file__).parent / "data/wire-libvirt-9.0.json").read_text())
AUTH_LIST, OPEN, ALL_STATS = "66", "1", "344"
ORDER = (AUTH_LIST, OPEN, ALL_STATS)
HEADER = Struct(">7I")
FIELDS = ("length", "program", "version", "procedure", "type", "serial", "status")
GUESTS = (
    ("web1", "0d4c44cf-e92b-4455-b80f-aed5ead3acaf", 1, 1),
    ("web3", "2f451ae2-522f-432b-970c-a09bda595109", 5, 0),
    ("gäst", "b07e13cb-d39b-4a6e-8e7d-90d250bb4019", 5, 0),
    ("web2", "29c0d8cd-f1a7-4d1d-8a15-b538af59a853", 3, 1),
)


def changed(message: bytes, **fields: int) -> bytes:
    """The message with other words in its header."""
    words = dict(zip(FIELDS, HEADER.unpack_from(message), strict=True))
    return HEADER.pack(*(words | fields).values()) + message[HEADER.size :]


def with_body(message: bytes, body: bytes) -> bytes:
    """The message with another body, and a length that says so."""
    return changed(message[: HEADER.size], length=HEADER.size + len(body)) + body


def seen(kind: str, procedure: str) -> bytes:
    """A message that was taken down, with the serial that is ours."""
    return changed(bytes.fromhex(SEEN[kind][procedure]), serial=ORDER.index(procedure) + 1)


ANSWERS = {procedure: seen("answered", procedure) for procedure in ORDER}


def told(**instead: bytes) -> tuple[Told, ...]:
    """What the conversation makes of the daemon's answers, some of them others: `told(p344=...)`."""
    talk = states_of_all()
    assert next(talk) == seen("said", AUTH_LIST)
    for procedure in ORDER:
        answer = instead.get(f"p{procedure}", ANSWERS[procedure])
        try:
            if not is_whole(answer):
                raise Unusual("more is waited for, and nothing comes")
            talk.send(answer)
        except StopIteration as end:
            guests: tuple[Told, ...] = end.value
            return guests
    raise AssertionError("it goes on asking")


def record(*values: bytes, name: bytes = b"web1") -> bytes:
    """The answer that tells of one guest with these typed parameters."""
    guest = packed_string(name) + bytes(16) + packed(7) + packed(len(values)) + b"".join(values)
    return with_body(ANSWERS[ALL_STATS], packed(1) + guest)


def value(name: bytes, kind: int, content: bytes) -> bytes:
    return packed_string(name) + packed(kind) + content


RUNNING = value(b"state.state", 1, packed(1))


def test_what_is_asked_is_what_libvirts_own_client_asks() -> None:
    talk = states_of_all()
    said = [next(talk), talk.send(ANSWERS[AUTH_LIST]), talk.send(ANSWERS[OPEN])]
    assert said == [seen("said", procedure) for procedure in ORDER]


def test_what_a_daemon_told() -> None:
    assert told() == GUESTS


def test_a_node_without_guests() -> None:
    assert told(p344=with_body(ANSWERS[ALL_STATS], packed(0))) == ()


def test_values_of_other_kinds_are_passed_over() -> None:
    """A later libvirt may tell more of a guest's state."""
    others = (
        value(b"a", 2, packed(1)),
        value(b"b", 3, bytes(8)),
        value(b"c", 4, bytes(8)),
        value(b"d", 5, bytes(8)),
        value(b"e", 6, packed(1)),
        value(b"f", 7, packed_string(b"text")),
        value(b"state.state", 7, packed_string(b"no number")),
    )
    assert told(p344=record(RUNNING, *others)) == (("web1", "00000000-0000-0000-0000-000000000000", 1, 0),)


@pytest.mark.parametrize("procedure", ORDER)
@pytest.mark.parametrize(
    "fields",
    [
        {"program": 0x20008087},
        {"version": 2},
        {"procedure": 2},
        {"type": 0},
        {"type": 2},
        {"type": 5},
        {"serial": 0},
        {"serial": 9},
        {"status": 1},
        {"status": 2},
        {"length": 0},
        {"length": 27},
        {"length": 33554437},
        {"length": 0xFFFFFFFF},
    ],
)
def test_a_header_that_is_not_the_replys(procedure: str, fields: dict[str, int]) -> None:
    with pytest.raises(Unusual):
        told(**{f"p{procedure}": changed(ANSWERS[procedure], **fields)})


@pytest.mark.parametrize(
    ("why", "code", "text"),
    [
        ("not open", 1, "internal error: hypervisor connection not open"),
        ("auth required", 39, "authentication required"),
    ],
)
def test_an_error_of_the_daemons(why: str, code: int, text: str) -> None:
    with pytest.raises(CallFailed) as caught:
        told(p344=bytes.fromhex(SEEN["errors"][why]))
    assert (caught.value.code, caught.value.message) == (code, text)


@pytest.mark.parametrize("kinds", [[], [1], [2], [0, 1], [2, 0]])
def test_a_socket_that_asks_who_we_are(kinds: list[int]) -> None:
    body = packed(len(kinds)) + b"".join(packed(kind) for kind in kinds)
    with pytest.raises(Unusual):
        told(p66=with_body(ANSWERS[AUTH_LIST], body))


@pytest.mark.parametrize(
    "answer",
    [
        with_body(ANSWERS[ALL_STATS], packed(16385)),
        with_body(ANSWERS[ALL_STATS], packed(0xFFFFFFFF)),
        with_body(ANSWERS[ALL_STATS], packed(0) + bytes(4)),
        with_body(ANSWERS[ALL_STATS], packed(1) + packed(0xFFFFFFFF)),
        with_body(ANSWERS[ALL_STATS], packed(1) + packed_string(b"web1") + bytes(16) + packed(7) + packed(4097)),
        record(),
        record(value(b"state.reason", 1, packed(1))),
        record(value(b"state.state", 8, packed(1))),
        record(value(b"state.state", 0, packed(1))),
        record(RUNNING, name=b"\xff\xfe"),
        record(RUNNING, name=b"web1\0web2"),
        record(RUNNING).replace(b"state.state\0", b"state.state\1"),
        ANSWERS[ALL_STATS] + bytes(4),
        ANSWERS[ALL_STATS] + ANSWERS[ALL_STATS],
    ],
)
def test_a_listing_that_is_not_one(answer: bytes) -> None:
    with pytest.raises(Unusual):
        told(p344=answer)


@pytest.mark.parametrize("procedure", ORDER)
def test_no_answer_cut_short_is_taken_for_a_whole_one(procedure: str) -> None:
    """Neither where the connection ends, nor where its length says that this was all."""
    whole = ANSWERS[procedure]
    for length in range(len(whole)):
        with pytest.raises(Unusual):
            told(**{f"p{procedure}": whole[:length]})
        if length >= HEADER.size:
            with pytest.raises(Unusual):
                told(**{f"p{procedure}": with_body(whole, whole[HEADER.size : length])})


def test_noise_never_ends_but_as_guests_or_as_unusual() -> None:
    chance = random.Random(7)
    whole = ANSWERS[ALL_STATS]
    for _ in range(1000):
        noisy = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            noisy[chance.randrange(len(noisy))] = chance.randrange(256)
        try:
            assert len(told(p344=bytes(noisy))) == len(GUESTS)
        except Unusual:
            continue


def test_numbers_below_zero() -> None:
    assert Reader(b"\xff\xff\xff\xff").signed() == -1
    assert Reader(b"\xff\xff\xff\xff").unsigned() == 0xFFFFFFFF


@contextmanager
def daemon(path: Path, behave: Callable[[socket.socket], None]) -> Iterator[Path]:
    """A socket on which one client is served so."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as client:
                behave(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join(20)
        assert not thread.is_alive()


def heard(path: Path) -> tuple[Told, ...]:
    """The guests that a channel brings; polls as fleet.by_wire does."""
    channel = Channel(reached(path), states_of_all())
    ready = poll()
    ready.register(channel, POLLIN)
    while ready.poll(20_000):
        guests = channel.hear()
        if guests is not None:
            channel.close()
            return guests
    raise AssertionError("silent")


def test_a_channel_hears_what_comes_in_pieces(tmp_path: Path) -> None:
    def in_pieces(client: socket.socket) -> None:
        for procedure in ORDER:
            client.recv(4096)
            for place in range(0, len(ANSWERS[procedure]), 5):
                client.sendall(ANSWERS[procedure][place : place + 5])

    with daemon(tmp_path / "socket", in_pieces) as path:
        assert heard(path) == GUESTS


def test_a_conversation_is_heard_out(tmp_path: Path) -> None:
    def plainly(client: socket.socket) -> None:
        for procedure in ORDER:
            client.recv(4096)
            client.sendall(ANSWERS[procedure])

    with daemon(tmp_path / "socket", plainly) as path:
        assert hear_out(reached(path), states_of_all()) == GUESTS


@pytest.mark.parametrize("answers", [b"", ANSWERS[AUTH_LIST][:20], ANSWERS[AUTH_LIST], b"SSH-2.0-OpenSSH_9.2\r\n" * 2])
def test_a_channel_that_ends_early_is_unusual_and_closed(tmp_path: Path, answers: bytes) -> None:
    def end_early(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(answers)

    with daemon(tmp_path / "socket", end_early) as path, pytest.raises(Unusual):
        heard(path)


def test_a_socket_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(Unusual):
        reached(tmp_path / "none")
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "left"))
    with pytest.raises(Unusual):
        reached(tmp_path / "left")
    with pytest.raises(Unusual):
        reached(tmp_path / ("long" * 50))
