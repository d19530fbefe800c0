"""Load a server with sixteen clients, each with its own connection: `python clients.py PORT SECONDS FILE`.

This is part of `python -m bench serve`. Each client sends its next request as soon as it has an answer. The output is
JSON: requests per second, and the median and the p99 of the latency in milliseconds.
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


async def _client(port: int, until: float, targets: list[str], offset: int, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for target in cycle(targets[offset:] + targets[:offset]):
        started = time.perf_counter()
        if started > until:
            break
        writer.write(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head[:15]:
            raise RuntimeError(head)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        taken.append((time.perf_counter() - started) * 1000)
    writer.close()


async def _all(port: int, seconds: float, targets: list[str]) -> None:
    claimed: list[float] = []
    until = time.perf_counter() + seconds
    step = max(1, len(targets) // CLIENTS)
    await asyncio.gather(*(_client(port, until, targets, n * step % len(targets), claimed) for n in range(CLIENTS)))
    print(json.dumps([len(claimed) / seconds, median(claimed), quantiles(claimed, n=100)[98]]))


if __name__ == "__main__":
    asyncio.run(_all(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]).read_text().split()))
