"""Building the application as `sam build` does, with tools of their own in the user's cache, and running what was built.

The functions run in a Python 3.13 process through awslambdaric, which is what Lambda itself starts, against a Runtime API
that the tests provide. On the path there are the layer, the task root, and a folder that stands for the runtime's own.
"""

import http.server
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import uuid
from functools import cache
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "newswire" / "bundle"
START_S = 30


class CannotBuildError(Exception):
    """What is needed to build is missing here, with what it is as a sentence."""


@cache
def sam() -> str:
    """Give the path of the SAM CLI, installed from the lock into a virtual environment of its own."""
    lock = HERE / "sam.lock"
    venv = CACHE / f"sam-{_digest(lock)}"
    if not (venv / "whole").exists():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [
            str(venv / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        subprocess.run([*pip, "--require-hashes", "--requirement", str(lock)], check=True)
        (venv / "whole").touch()
    return str(venv / "bin" / "sam")


@cache
def python_3_13() -> str:
    """Find a Python 3.13, which is what runs the functions; `CannotBuildError` where there is none."""
    here = sorted((Path.home() / ".pyenv" / "versions").glob("3.13.*/bin/python3.13"))
    for command in [
        os.environ.get("PYTHON_3_13", ""),
        *map(str, here),
        shutil.which("python3.13") or "",
        sys.executable,
    ]:
        if command:
            asked = [command, "-c", "import sys; print(*sys.version_info[:2])"]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.stdout.strip() == "3 13":
                return command
    raise CannotBuildError("There is no Python 3.13, which runs the functions: install it, or set PYTHON_3_13.")


@cache
def runtime_folder() -> Path:
    """Give a folder with what the Lambda runtime has of its own: the interface client and boto3."""
    lock = HERE / "runtime.lock"
    folder = CACHE / f"runtime-{_digest(lock)}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        pip = [
            python_3_13(),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ]
        subprocess.run([*pip, "--target", str(folder), "--requirement", str(lock)], check=True)
        (folder / "whole").touch()
    return folder


def _digest(lock: Path) -> str:
    return sha256(lock.read_bytes()).hexdigest()[:12]


def build(folder: Path, source: Path = ROOT) -> Path:
    """Build the application for this machine's architecture into a folder; gives the folder."""
    machine = os.uname().machine
    architecture = "arm64" if machine in {"arm64", "aarch64"} else "x86_64"
    environ = {**os.environ, "SAM_CLI_TELEMETRY": "0", "LAYER_ARCHITECTURE": architecture, "PYTHON_3_13": python_3_13()}
    command = [sam(), "build", "--build-dir", str(folder), "--cache-dir", str(folder.with_name("cache"))]
    command += ["--parameter-overrides", f"Architecture={architecture}"]
    done = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBuildError(f"sam build ended with {done.returncode}: {done.stderr[-2000:]}")
    return folder


class BuiltFunction:
    """A built function that runs, and is called as Lambda calls it."""

    def __init__(self, built: Path, name: str, environ: dict[str, str]) -> None:
        self._events: queue.Queue[tuple[str, float, bytes]] = queue.Queue()
        self._answers: queue.Queue[tuple[str, dict]] = queue.Queue()
        function = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                id_, deadline, body = function._events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", id_)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(round(deadline * 1000)))
                self.send_header(
                    "Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:eu-central-1:1:function:{name}"
                )
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                function._answers.put((self.path.rpartition("/")[2], json.loads(body or b"null")))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        task = built / name
        self.log = built.with_name(f"{name}-{uuid.uuid4().hex[:6]}.log")
        path = [str(task), str(built / "NewswireLayer" / "python"), str(runtime_folder())]
        self._environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": ":".join(path),
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
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

    def call(self, event: dict, seconds: float = 120) -> dict:
        """Call it with an event; gives what it returns. `RuntimeError` with what it raised instead."""
        self._events.put((str(uuid.uuid4()), time.time() + seconds, json.dumps(event).encode()))
        kind, answer = self._answers.get(timeout=max(seconds, START_S) + 10)
        if kind != "response":
            raise RuntimeError(f"{answer.get('errorType')}: {answer.get('errorMessage')}")
        return answer

    def init_error(self) -> str:
        """Wait for the error of a function that can't be loaded, and give it."""
        kind, answer = self._answers.get(timeout=START_S)
        return f"{kind} {answer.get('errorType')}: {answer.get('errorMessage')}"

    def peak_mib(self) -> float:
        """Give the most memory that it has had."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._server.shutdown()
        self._server.server_close()
