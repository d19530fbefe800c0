"""Build the application with `sam build` and run the built functions.

The tools are installed in the user's cache. The functions run in a Python 3.13 process through awslambdaric, as on Lambda.
The tests provide the Runtime API. The path holds the layer, the task root and a folder for the runtime's own packages.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from tests.support.loopback import Asked, Loopback, Reply

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "newswire" / "bundle"
START_S = 30
ARCHITECTURE = "arm64" if os.uname().machine in {"arm64", "aarch64"} else "x86_64"
LAYER = "NewswireLayerArm64" if ARCHITECTURE == "arm64" else "NewswireLayerX86"
"""The layer for the processor of this machine; the application is built with both."""


class CannotBuildError(Exception):
    """A build requirement is missing; the message names it."""


@cache
def tool(name: str) -> str:
    """Return the path of `sam` or `checkov`, installed from its lock into its own virtual environment."""

    def fill(venv: Path, lock: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        _install(str(venv / "bin" / "python"), lock)

    return str(_installed(name, fill) / "bin" / name)


@cache
def python_3_13() -> str:
    """Return the path of a Python 3.13, which runs the functions. Raise `CannotBuildError` without one."""
    here = sorted((Path.home() / ".pyenv" / "versions").glob("3.13.*/bin/python3.13"))
    for command in [
        os.environ.get("PYTHON_3_13", ""),
        *map(str, here),
        shutil.which("python3.13") or "",
        sys.executable,
    ]:
        if command:
            version_command = [command, "-c", "import sys; print(*sys.version_info[:2])"]
            completed = subprocess.run(version_command, capture_output=True, text=True, check=False)
            if completed.stdout.strip() == "3 13":
                return command
    raise CannotBuildError("There is no Python 3.13, which runs the functions: install it, or set PYTHON_3_13.")


@cache
def runtime_folder() -> Path:
    """Return a folder with the packages of the Lambda runtime: the interface client and boto3."""
    return _installed("runtime", lambda folder, lock: _install(python_3_13(), lock, "--target", str(folder)))


def _installed(name: str, fill: Callable[[Path, Path], None]) -> Path:
    """Return a cache folder that is filled from a lock once, and completely."""
    lock = HERE / f"{name}.lock"
    folder = CACHE / f"{name}-{sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        fill(folder, lock)
        (folder / "whole").touch()
    return folder


def _install(python: str, lock: Path, *where: str) -> None:
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([*pip, *where, "--requirement", str(lock)], check=True)


def build(folder: Path, source: Path = ROOT) -> Path:
    """Build the application for this machine's architecture into `folder` and return it."""
    environ = {**os.environ, "SAM_CLI_TELEMETRY": "0", "PYTHON_3_13": python_3_13()}
    command = [tool("sam"), "build", "--build-dir", str(folder), "--cache-dir", str(folder.with_name("cache"))]
    command += ["--parameter-overrides", f"Architecture={ARCHITECTURE}"]
    completed = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise CannotBuildError(f"sam build ended with {completed.returncode}: {completed.stderr[-2000:]}")
    return folder


class BuiltFunction:
    """A running built function, called as Lambda calls it."""

    def __init__(self, built: Path, name: str, environ: dict[str, str], *before: Path) -> None:
        self._events: queue.Queue[tuple[str, float, bytes]] = queue.Queue()
        self._answers: queue.Queue[tuple[str, dict]] = queue.Queue()
        self._arn = f"arn:aws:lambda:eu-central-1:1:function:{name}"
        self._server = Loopback(self._runtime_api)
        task = built / name
        self.log = built.with_name(f"{name}-{uuid.uuid4().hex[:6]}.log")
        path = map(str, [*before, task, built / LAYER / "python", runtime_folder()])
        self._environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": ":".join(path),
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "PYTHONDONTWRITEBYTECODE": "1",  # /opt and /var/task are read-only on Lambda
            **environ,
        }
        self._out = self.log.open("wb")
        command = [python_3_13(), "-s", "-m", "awslambdaric", "app.handler"]
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command, cwd=task, env=self._environ, stdout=self._out, stderr=subprocess.STDOUT
        )

    def _runtime_api(self, asked: Asked) -> Reply:
        """Answer as Lambda's Runtime API (2018-06-01): send the next event or accept a result."""
        if asked.method == "POST":
            self._answers.put((asked.target.rpartition("/")[2], json.loads(asked.body or b"null")))
            return Reply(202)
        id_, deadline, body = self._events.get()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": id_,
            "Lambda-Runtime-Deadline-Ms": str(round(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._arn,
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        }
        return Reply(200, body, headers=headers)

    def call(self, event: dict, seconds: float = 120) -> dict:
        """Call the function with an event and return its result. Raise `RuntimeError` with the function's error."""
        self._events.put((str(uuid.uuid4()), time.time() + seconds, json.dumps(event).encode()))
        kind, answer = self._answers.get(timeout=max(seconds, START_S) + 10)
        if kind != "response":
            raise RuntimeError(f"{answer.get('errorType')}: {answer.get('errorMessage')}")
        return answer

    def init_error(self) -> str:
        """Wait for the function's init error and return it."""
        kind, answer = self._answers.get(timeout=START_S)
        return f"{kind} {answer.get('errorType')}: {answer.get('errorMessage')}"

    def peak_mib(self) -> float:
        """Return the function's peak memory in MiB."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._server.close()
