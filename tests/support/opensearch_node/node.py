"""Starting and ending a node: a version and a folder come in, the address of a node that answers goes out."""

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

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "newswire" / "opensearch"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
START_S = 120
TRIES = 4
HOW = "install Maven and a JDK (21 or later for OpenSearch 3, 17 for 2.19), or set NEWSWIRE_TEST_OPENSEARCH_URL"


class Version(NamedTuple):
    """A version of OpenSearch, and what its Java has to be and to be told."""

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
    """A node can't be started here, with what is missing as a sentence."""


class Node:
    """A node that runs, of one version, with its data in a folder of its own."""

    def __init__(self, version: str, folder: Path | None = None) -> None:
        self.version = VERSIONS[version]
        self.folder = folder or Path(tempfile.mkdtemp(prefix="newswire-opensearch-"))
        self.port = 0
        self._cluster = f"newswire-{uuid.uuid4().hex[:12]}"
        self._java = _java(self.version)
        self._jars = _jars(self.version)
        self._process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; `CannotStartError` with the end of its log if it does not.

        Between the choice of a port and its use another process may take it, so one that ends at once is started anew.
        A node that was stopped starts again where it was.
        """
        for _try in range(TRIES):
            self.port = self.port or _free_port()
            if self._starts():
                return
            said = (self.folder / "log").read_text(errors="replace")[-2000:]
            self.stop()
            self.port = 0
        raise CannotStartError(f"OpenSearch {self.version.name} did not answer. Its log ends: {said}")

    def _starts(self) -> bool:
        """Start a process and wait until it answers, or ends, or takes too long."""
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
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            if self.answers() and self._has_its_shards():
                return True
            time.sleep(0.3)
        return False

    def answers(self) -> bool:
        """Say whether it answers, and no other that has the port."""
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return json.load(answer)["cluster_name"] == self._cluster
        except (OSError, ValueError, KeyError, urllib.error.URLError):
            return False

    def _has_its_shards(self) -> bool:
        """Say whether what the node had when it was stopped can be searched again."""
        try:
            urllib.request.urlopen(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=30s", timeout=40).close()
        except (OSError, urllib.error.URLError):
            return False
        return True

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it by its pid, and wait until it is gone."""
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
        """Let it run on after this process, and give its pid."""
        pid, self._process.returncode = self._process.pid, 0  # so that nobody warns of a process that still runs
        return pid

    def remove(self) -> None:
        """Delete its data."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    """Give a free port that the runner can use: it counts up from a base under 9299, and 9300 and up are for transport."""
    for port in range(9201, 9290):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise CannotStartError("No port from 9201 to 9289 is free: end what listens there.")


def _java(version: Version) -> str:
    """Find a Java of the right age, among those that are installed."""
    homes = [os.environ.get("JAVA_HOME", ""), *map(str, sorted(Path("/usr/lib/jvm").glob("*"), reverse=True))]
    for command in [*(f"{home}/bin/java" for home in homes if home), shutil.which("java") or ""]:
        if command and Path(command).is_file():
            said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
            major = said.partition('"')[2].partition(".")[0].partition('"')[0]
            if major.isdigit() and version.java_from <= int(major) <= version.java_to:
                return command
    raise CannotStartError(
        f"OpenSearch {version.name} needs a Java from {version.java_from} to {version.java_to}: {HOW}."
    )


def _jars(version: Version) -> Path:
    """Fetch the jars with Maven, unless they are in the cache already."""
    folder = CACHE / version.name
    if (folder / "whole").exists():
        return folder / "libs"
    maven = shutil.which("mvn")
    if maven is None:
        raise CannotStartError(f"There is no Maven to fetch OpenSearch {version.name} with: {HOW}.")
    with tempfile.TemporaryDirectory() as made:
        shutil.copy(HERE / f"pom-{version.name}.xml", f"{made}/pom.xml")
        command = [maven, "-q", "-B", "-f", f"{made}/pom.xml", COPY, "-DincludeScope=runtime"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={folder / 'libs'}"], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise CannotStartError(f"Maven could not fetch OpenSearch {version.name}: {done.stdout[-500:]}")
    (folder / "whole").touch()
    return folder / "libs"
