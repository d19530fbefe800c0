"""`python -m tests.opensearch_node start|stop [VERSION]`: a node for development, by its pid in the cache folder."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.opensearch_node.node import CACHE, VERSIONS, CannotStartError, Node

STATE = CACHE / "development.json"


def start(version: str) -> int:
    """Start a node, unless one runs, and say where."""
    if STATE.exists():
        known = json.loads(STATE.read_text())
        if Path(f"/proc/{known['pid']}").exists():
            print(f"It runs already: {known['url']}")
            return 0
    try:
        node = Node(version, CACHE / f"data-{version}")
        node.start()
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return 1
    STATE.write_text(json.dumps({"pid": node.leave(), "url": node.url}))
    print(f"OpenSearch {version} answers on {node.url}. Use it with:")
    print(f"  NEWSWIRE_ENGINE=opensearch NEWSWIRE_OPENSEARCH_URL={node.url} newswire serve --poll")
    return 0


def stop() -> int:
    """End the node that `start` started."""
    if not STATE.exists():
        print("No node was started.")
        return 0
    pid = json.loads(STATE.read_text())["pid"]
    STATE.unlink()
    try:
        os.kill(pid, signal.SIGTERM)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.1)
    except ProcessLookupError:
        pass
    print("Ended. Its data stays; delete the cache folder to be rid of it.")
    return 0


if __name__ == "__main__":
    command, version = (*sys.argv[1:], "3.8")[:2]
    if command not in {"start", "stop"} or version not in VERSIONS:
        raise SystemExit(f"usage: python -m tests.opensearch_node start|stop [{'|'.join(VERSIONS)}]")
    raise SystemExit(start(version) if command == "start" else stop())
