"""A line between ssh and a node that is as long as one wants: `ProxyCommand relay.py HOST PORT RTT_MS COUNT_FILE`.

What goes either way arrives half the round-trip time later, in order, as on a long line without a limit of its rate.
COUNT_FILE holds how often the client has spoken after the node had: the round trips so far.
"""

import os
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path


class Direction:
    """One way: what was read, and when it is to arrive."""

    def __init__(self, source: int, target: int, delay_s: float) -> None:
        self.source = source
        self.target = target
        self.delay_s = delay_s
        self.open = True
        self.under_way: deque[tuple[float, bytes]] = deque()

    def take(self) -> bool:
        """Read what is there; false if that is the end."""
        data = os.read(self.source, 65536)
        self.open = bool(data)
        if data:
            self.under_way.append((time.monotonic() + self.delay_s, data))
        return self.open

    def deliver(self) -> None:
        """Write what has arrived by now."""
        while self.under_way and self.under_way[0][0] <= time.monotonic():
            data = self.under_way.popleft()[1]
            while data:
                data = data[os.write(self.target, data) :]


def main(host: str, port: str, rtt_ms: str, count_file: str) -> None:
    line = socket.create_connection((host, int(port)))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    delay_s = float(rtt_ms) / 2000
    out, back = Direction(0, line.fileno(), delay_s), Direction(line.fileno(), 1, delay_s)
    trips = Trips(Path(count_file))
    while out.open and back.open:
        waiting = [way.under_way[0][0] for way in (out, back) if way.under_way]
        patience_s = max(0.0, min(waiting) - time.monotonic()) if waiting else None
        ready = select.select([out.source, back.source], [], [], patience_s)[0]
        # What the node says is taken first: what the client says then may be its answer to it.
        if back.source in ready and back.take():
            trips.node_speaks()
        if out.source in ready and out.take():
            trips.client_speaks()
        out.deliver()
        back.deliver()


class Trips:
    """The count of round trips, in a file that a test reads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.count = 0
        self.node_was_last = True

    def node_speaks(self) -> None:
        self.node_was_last = True

    def client_speaks(self) -> None:
        if self.node_was_last:
            self.node_was_last = False
            self.count += 1
            self.file.write_text(f"{self.count}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
