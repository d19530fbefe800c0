"""Start or stop a development node: `python -m tests.support.opensearch_node start|stop [VERSION]`.

It runs in Docker if an engine runs, and from local jars otherwise. The cache folder records what was started, so that
`stop` ends only that.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.opensearch_node.node import CACHE, VERSIONS, CannotStartError, Node

STATE = CACHE / "development.json"
COMPOSE = ["docker", "compose", "--file", str(Path(__file__).resolve().parents[3] / "compose.yaml")]
DOCKER_URL = "http://127.0.0.1:9200"


def start(version: str) -> int:
    """Start a node unless one is running; print its URL."""
    if STATE.exists():
        known_names = json.loads(STATE.read_text())
        if known_names.get("docker") or Path(f"/proc/{known_names['pid']}").exists():
            print(f"It runs already: {known_names['url']}")
            return 0
    try:
        known_names = _start_in_docker() if has_docker() else _start_here(version)
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return 1
    STATE.parent.mkdir(parents=True, exist_ok=True)
    STATE.write_text(json.dumps(known_names))
    print(f"OpenSearch answers on {known_names['url']}. Use it with:")
    print(f"  NEWSWIRE_ENGINE=opensearch NEWSWIRE_OPENSEARCH_URL={known_names['url']} newswire serve --poll")
    return 0


def stop() -> int:
    """Stop the node that `start` started."""
    if not STATE.exists():
        print("No node was started.")
        return 0
    known_names = json.loads(STATE.read_text())
    STATE.unlink()
    if known_names.get("docker"):
        subprocess.run([*COMPOSE, "stop"], check=True)
        print("Ended. Its data stays in the volume of compose.yaml.")
        return 0
    try:
        os.kill(known_names["pid"], signal.SIGTERM)
        while Path(f"/proc/{known_names['pid']}").exists():
            time.sleep(0.1)
    except ProcessLookupError:
        pass
    print("Ended. Its data stays; delete the cache folder to be rid of it.")
    return 0


def has_docker() -> bool:
    """Return whether a Docker engine is running, not only its client."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _start_in_docker() -> dict:
    completed = subprocess.run([*COMPOSE, "up", "--detach", "--wait", "opensearch"], check=False)
    if completed.returncode:
        raise CannotStartError(f"Docker could not start OpenSearch ({completed.returncode}): see what it said above.")
    return {"docker": True, "url": DOCKER_URL}


def _start_here(version: str) -> dict:
    node = Node(version, CACHE / f"data-{version}")
    node.start()
    return {"pid": node.leave(), "url": node.url}


if __name__ == "__main__":
    command, version = (*sys.argv[1:], "3.8")[:2]
    if command not in {"start", "stop"} or version not in VERSIONS:
        raise SystemExit(f"usage: python -m tests.support.opensearch_node start|stop [{'|'.join(VERSIONS)}]")
    raise SystemExit(start(version) if command == "start" else stop())
