"""Load a server with clients, each with its own connection: `python clients.py PORT SECONDS FILE [CLIENTS]`.

This is part of `python -m bench serve`. Each client sends its next request as soon as it has an answer; one that the
server refuses (503, 504) waits for a moment. The output is JSON: answers per second, the median and the p99 of the latency in
milliseconds, and the number of refusals.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles

CLIENTS = 16
REFUSED_SECONDS = 1.0


class _Tally:
    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.refused = 0


async def _client(port: int, until: float, targets: list[str], offset: int, tally: _Tally) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for target in cycle(targets[offset:] + targets[:offset]):
        started = time.perf_counter()
        if started > until:
            break
        writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        if b" 503 " in head[:15] or b" 504 " in head[:15]:
            tally.refused += 1
            await asyncio.sleep(REFUSED_SECONDS)
        elif b" 200 " in head[:15]:
            tally.milliseconds.append((time.perf_counter() - started) * 1000)
        else:
            raise RuntimeError(head)
    writer.close()


async def _all(port: int, seconds: float, targets: list[str], clients: int) -> None:
    tally = _Tally()
    until = time.perf_counter() + seconds
    step = max(1, len(targets) // clients)
    await asyncio.gather(*(_client(port, until, targets, n * step % len(targets), tally) for n in range(clients)))
    took = tally.milliseconds
    print(json.dumps([len(took) / seconds, median(took), quantiles(took, n=100)[98], tally.refused]))


if __name__ == "__main__":
    asyncio.run(
        _all(
            int(sys.argv[1]),
            float(sys.argv[2]),
            Path(sys.argv[3]).read_text().split(),
            int(sys.argv[4]) if len(sys.argv) > 4 else CLIENTS,
        )
    )
