"""Start and stop an OpenSearch node of a given version, with its data in a given folder."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import NamedTuple

from tests.support.present import present

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "newswire" / "opensearch"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
RESERVATIONS = Path(tempfile.gettempdir()) / "newswire-opensearch-ports"
START_S = 120
END_S = 30
TRIES = 4
HOW = "install Maven and a JDK (21 or later for OpenSearch 3, 17 for 2.19), or set NEWSWIRE_TEST_OPENSEARCH_URL"


class Version(NamedTuple):
    """A version of OpenSearch, with the Java versions and flags that it needs."""

    name: str
    java_from: int
    java_to: int
    flags: tuple[str, ...]


VERSIONS = {
    "3.8": Version(
        "3.8",
        21,
        99,
        (
            "--add-modules=jdk.incubator.vector",
            "--add-opens=java.base/java.nio=ALL-UNNAMED",
            "--enable-native-access=ALL-UNNAMED",
        ),
    ),
    "2.19": Version("2.19", 11, 21, ()),
}


class CannotStartError(Exception):
    """A node cannot start here; the message says what is missing."""


class Node:
    """A node of one version, with its data in its own folder."""

    def __init__(self, version: str, folder: Path | None = None) -> None:
        self.version = VERSIONS[version]
        self.folder = folder or Path(tempfile.mkdtemp(prefix="newswire-opensearch-"))
        self.port = 0
        self._cluster = f"newswire-{uuid.uuid4().hex[:12]}"
        self._java = _java(self.version)
        self._jars = _jars(self.version)
        self._process: subprocess.Popen | None = None
        self._reservation: int | None = None
        """The descriptor of a locked file, which reserves the port."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the node and wait until it answers; raise `CannotStartError` with the end of its log if it does not.

        A foreign process may take the chosen port, so a node that ends at once is started again. A stopped node
        restarts with its data, on the same port.
        """
        for _try in range(TRIES):
            if self._reservation is None:
                self.port, self._reservation = _reserve_port()
            if self._starts():
                return
            log = (self.folder / "log").read_text(errors="replace")[-2000:]
            self.stop()
            self._free_port()
        raise CannotStartError(f"OpenSearch {self.version.name} did not answer. Its log ends: {log}")

    def _starts(self) -> bool:
        """Start a process; return whether it answers before it ends or times out."""
        config = self.folder / "node_1" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "opensearch.yml").write_text(
            "network.host: 127.0.0.1\ncluster.routing.allocation.disk.threshold_enabled: false\n"
        )
        arguments = ["-basePath", str(self.folder), "-numOfNode", "1", "-baseHttpPort", str(self.port - 1)]
        arguments += ["-clusterName", self._cluster, "-disableESLogger"]
        runner = "org.codelibs.opensearch.runner.OpenSearchRunner"
        command = [self._java, "-Xms1g", "-Xmx1g", *self.version.flags, "-cp", f"{self._jars}/*", runner, *arguments]
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[present(self._reservation)],  # the node keeps its port reserved while it runs
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            if self.answers() and self._has_its_shards():
                return True
            time.sleep(0.3)
        return False

    def answers(self) -> bool:
        """Return whether this node answers, and not another process on its port."""
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return json.load(answer)["cluster_name"] == self._cluster
        except (OSError, ValueError, KeyError, urllib.error.URLError):
            return False

    def _has_its_shards(self) -> bool:
        """Return whether the data from before a stop is searchable again."""
        try:
            urllib.request.urlopen(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=30s", timeout=40).close()
        except (OSError, urllib.error.URLError):
            return False
        return True

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process by its id, and wait until it is gone."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def leave(self) -> int:
        """Leave the node running after this process; return its process id."""
        process = present(self._process)
        process.returncode = 0  # avoids a warning about the running process
        self._free_port()  # the process keeps it
        return process.pid

    def _free_port(self) -> None:
        if self._reservation is not None:
            os.close(self._reservation)
            self._reservation = None

    def remove(self) -> None:
        """Delete the data of the node, and give its port back."""
        self._free_port()
        shutil.rmtree(self.folder, ignore_errors=True)


def end_node(pid: int, folder: Path) -> None:
    """End a node that another process left running, and delete its data."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + END_S
        while time.monotonic() < until:
            with contextlib.suppress(ChildProcessError):  # a zombie, if it is a child of this process
                os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _reserve_port() -> tuple[int, int]:
    """Return a free port, and the descriptor of its locked file: no other node of any run gets it while that is open.

    The runner counts up from a base below 9299, and transport uses 9300 and up. Without the lock, a node that was
    started beside another one could take the port as soon as that one stops.
    """
    RESERVATIONS.mkdir(exist_ok=True)
    for port in range(9201, 9290):
        reservation = os.open(RESERVATIONS / str(port), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(reservation, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", port))
        except OSError:
            os.close(reservation)
        else:
            return port, reservation
    raise CannotStartError("No port from 9201 to 9289 is free: end what listens there.")


def _java(version: Version) -> str:
    """Return an installed Java of a supported version."""
    homes = [os.environ.get("JAVA_HOME", ""), *map(str, sorted(Path("/usr/lib/jvm").glob("*"), reverse=True))]
    for command in [*(f"{home}/bin/java" for home in homes if home), shutil.which("java") or ""]:
        if command and Path(command).is_file():
            output = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
            major = output.partition('"')[2].partition(".")[0].partition('"')[0]
            if major.isdigit() and version.java_from <= int(major) <= version.java_to:
                return command
    raise CannotStartError(
        f"OpenSearch {version.name} needs a Java from {version.java_from} to {version.java_to}: {HOW}."
    )


def _jars(version: Version) -> Path:
    """Download the jars with Maven unless they are cached; return their folder."""
    folder = CACHE / version.name
    if (folder / "whole").exists():
        return folder / "libs"
    maven = shutil.which("mvn")
    if maven is None:
        raise CannotStartError(f"There is no Maven to fetch OpenSearch {version.name} with: {HOW}.")
    with tempfile.TemporaryDirectory() as built:
        shutil.copy(HERE / f"pom-{version.name}.xml", f"{built}/pom.xml")
        command = [maven, "-q", "-B", "-f", f"{built}/pom.xml", COPY, "-DincludeScope=runtime"]
        completed = subprocess.run(
            [*command, f"-DoutputDirectory={folder / 'libs'}"], capture_output=True, text=True, check=False
        )
    if completed.returncode:
        raise CannotStartError(f"Maven could not fetch OpenSearch {version.name}: {completed.stdout[-500:]}")
    (folder / "whole").touch()
    return folder / "libs"
