"""Ping a guest without a pause and see how many answers are lost: `python3 ping.py ADDRESS [SECONDS] [INTERVAL]`.

Run on the management side, as root. It sends an ICMP echo request each INTERVAL (0.01 s). Its last line, when it is
told to end (SIGINT, SIGTERM, or the seconds are over), is JSON: how many were sent and lost, and the longest time
without an answer. (The machine need not have a ping of its own, and busybox's tells no gap.)
"""

import json
import select
import signal
import socket
import struct
import sys
import time

ECHO_REQUEST, ECHO_REPLY = 8, 0
# What is sent last has this long to come back.
PATIENCE_S = 1.0
IDENTIFIER = 0x766D


class Ended(Exception):
    """Somebody said that it is enough."""


def ping(address: str, seconds: float, interval_s: float) -> dict[str, object]:
    """Ping until told to end. Return what was heard."""
    sent, heard = 0, set()
    longest_gap_s = 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as wire:
        last_s = next_s = time.monotonic()
        end_s = next_s + seconds
        try:
            while time.monotonic() < end_s:
                now_s = time.monotonic()
                if now_s >= next_s:
                    wire.sendto(request(sent & 0xFFFF), (address, 0))
                    sent, next_s = sent + 1, max(next_s + interval_s, now_s)
                number = answer(wire, address, max(0.0, next_s - time.monotonic()))
                if number is not None:
                    longest_gap_s, last_s = max(longest_gap_s, time.monotonic() - last_s), time.monotonic()
                    heard.add(number)
        except Ended:
            pass
        end_s = time.monotonic() + PATIENCE_S
        while len(heard) < sent and time.monotonic() < end_s:
            number = answer(wire, address, end_s - time.monotonic())
            heard |= set() if number is None else {number}
    return {"sent": sent, "lost": sent - len(heard), "longest_gap_ms": round(longest_gap_s * 1000)}


def request(number: int) -> bytes:
    """An echo request of that number."""
    body = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, IDENTIFIER, number)
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum(body), IDENTIFIER, number)


def answer(wire: socket.socket, address: str, timeout_s: float) -> int | None:
    """The number of an answer of that address, if one comes in time."""
    if not select.select([wire], [], [], timeout_s)[0]:
        return None
    packet, sender = wire.recvfrom(2048)
    header = (packet[0] & 0xF) * 4
    kind, _, _, identifier, number = struct.unpack_from("!BBHHH", packet, header)
    ours = sender[0] == address and kind == ECHO_REPLY and identifier == IDENTIFIER
    return int(number) if ours else None


def checksum(data: bytes) -> int:
    """The internet's checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def enough(_number: int, _frame: object) -> None:
    raise Ended


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, enough)
    words = [float(word) for word in sys.argv[2:]]
    summary = ping(sys.argv[1], words[0] if words else float("inf"), words[1] if len(words) > 1 else 0.01)
    print(json.dumps(summary), flush=True)
