"""Talk to a guest without a pause and see whether it ever loses its memory: `python3 talk.py ADDRESS [SECONDS]`.

Run on the management side. It sends a numbered line over one TCP connection every 50 ms and expects it back with the
guest's own counter, one higher each time. Its last line, when it is told to end (SIGINT, SIGTERM, or the seconds are
over), is JSON: what was heard, the longest silence, and whether counter and boot stayed unbroken.
"""

import json
import signal
import socket
import sys
import time

PORT = 7
PAUSE_S = 0.05
# TCP tries again and again; a guest that is silent longer than this has not survived.
PATIENCE_S = 60


class Ended(Exception):
    """Somebody said that it is enough."""


def talk(address: str, seconds: float) -> dict[str, object]:
    """Talk until told to end. Return what was heard."""
    heard, longest_silence_s, boots = 0, 0.0, set()
    first = last = 0
    unbroken = True
    end = time.monotonic() + seconds
    try:
        with socket.create_connection((address, PORT), timeout=PATIENCE_S) as connection:
            lines = connection.makefile("r")
            while time.monotonic() < end:
                begin = time.monotonic()
                connection.sendall(f"line {heard}\n".encode())
                count, boot, said = lines.readline().rstrip("\n").split(" ", 2)
                longest_silence_s = max(longest_silence_s, time.monotonic() - begin)
                unbroken &= said == f"line {heard}" and (heard == 0 or int(count) == last + 1)
                boots.add(boot)
                last = int(count)
                first = first or last
                heard += 1
                if heard % 20 == 0:
                    print(f"the guest's counter is at {last}", flush=True)
                time.sleep(PAUSE_S)
    except Ended:
        pass
    except (OSError, ValueError) as problem:
        return {"heard": heard, "unbroken": False, "problem": str(problem)}
    return {
        "heard": heard,
        "first": first,
        "last": last,
        "longest_silence_ms": round(longest_silence_s * 1000),
        "unbroken": unbroken and heard > 0 and len(boots) == 1,
    }


def enough(_number: int, _frame: object) -> None:
    raise Ended


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, enough)
    summary = talk(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else float("inf"))
    print(json.dumps(summary), flush=True)
    sys.exit(0 if summary["unbroken"] else 1)
