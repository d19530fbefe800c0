"""Answer every request with the same bytes, in a minimal uvicorn application: `python plain_server.py FILE`.

This is the baseline of `python -m bench serve`.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import uvicorn

from newswire.web.asgi import Receive, Scope, Send


def main(body_file: str) -> None:
    body = Path(body_file).read_bytes()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    sock = socket.socket(proto=socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    print(f"http://127.0.0.1:{sock.getsockname()[1]}/", flush=True)
    uvicorn.Server(uvicorn.Config(answer, log_level="warning", access_log=False, lifespan="off")).run(sockets=[sock])


if __name__ == "__main__":
    main(sys.argv[1])
