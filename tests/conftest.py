"""Provide the shared fixtures: a manual clock, a newswire in its own folder, a server with configurable answers."""

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from hypothesis import settings as hypothesis_settings

from newswire.app import App
from newswire.settings import Settings
from tests.support.feed_server import FeedServer
from tests.support.nodes import nodes_of_the_run
from tests.support.serverless import KEY, REGION, SECRET, TOKEN

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
NOON = 1_763_985_600_000
"""2025-11-24T12:00:00Z, the start time of most tests."""


# Without a deadline, no test depends on the load of the machine. Without derandomize, each run tries other examples;
# it is named because Hypothesis turns it on by itself in CI. 500 examples take 80 s of CPU in all, 50 take 11 s.
for profile, max_examples in (("dev", 50), ("ci", 500)):
    hypothesis_settings.register_profile(
        profile, max_examples=max_examples, derandomize=False, deadline=None, print_blob=True
    )
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "dev")


LONGEST = {"test_opensearch_year.py", "test_timeline.py", "test_simulated_day.py", "test_failing_stages.py"}
"""Files with tests that take five minutes and more."""


ONE_WORKER = {"test_opensearch_year.py", "test_opensearch_outage.py", "test_wheel.py"}
"""Files whose tests share what takes long to make, so that one worker runs them all."""


class HandClock:
    """A clock that stands still until it is set."""

    def __init__(self, at: int = NOON) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def go(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0) -> int:
        self.at += round((seconds + 60 * minutes + 3600 * hours + 86400 * days) * 1000)
        return self.at


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name.startswith("NEWSWIRE_") and not name.startswith("NEWSWIRE_TEST_"):
            del os.environ[name]
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
    os.environ |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": REGION}
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, whose children ignore Ctrl-C too
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None, None, None]:
    """Let the workers of this run share OpenSearch nodes; a worker itself finds them by its environment."""
    if not hasattr(session.config, "workerinput"):
        stack = ExitStack()
        stack.enter_context(nodes_of_the_run())
        session.config.add_cleanup(stack.close)
    return (yield)


@pytest.hookimpl(trylast=True)  # after the plugin that marks them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no worker ends with one while the others are idle.

    Tests that run the same lines thousands of times are left out of the coverage, which doubles their time.
    """
    items.sort(key=lambda item: item.path.name not in LONGEST)
    for item in items:
        if item.get_closest_marker("hypothesis") is not None or item.nodeid.startswith("tests/corpus/"):
            item.add_marker("no_cover")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object | None:
    """Return the scheduler of `make test-long`: pytest-xdist 3.8 does not see its own groups under pytest 9.2."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByTestOrFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file.rpartition("/")[2] in ONE_WORKER else nodeid

    return ByTestOrFile(config, log)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data=str(tmp_path / "data"),
        feeds=str(tmp_path / "feeds.toml"),
        fetch_allow_private=True,
        fetch_ports="",
        fetch_timeout_seconds=5,
        lock_wait_seconds=20,
    )


@pytest.fixture
def app(settings: Settings, clock: HandClock) -> Iterator[App]:
    built = App(settings, clock=clock)
    yield built
    built.close()


@pytest.fixture
def another(settings: Settings, clock: HandClock) -> Iterator[object]:
    """Yield a factory of newswires on the same folder, as other processes would open it."""
    opened: list[App] = []

    def make(**changes: object) -> App:
        opened.append(App(msgspec.structs.replace(settings, **changes), clock=clock))
        return opened[-1]

    yield make
    for part in opened:
        part.close()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    built = FeedServer()
    yield built
    built.close()


def absent(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{what}; in CI this is not skipped")
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data next to the checkout."""
    if not SHARED.is_dir():
        absent("the real feeds and items are not beside this checkout (../shared/data)")
    return SHARED


@pytest.fixture(scope="session")
def opensearch_nodes():
    """Return the OpenSearch nodes of the run; each starts when first requested and ends with the run."""
    from tests.support.nodes import Nodes

    return Nodes()


@pytest.fixture(scope="module")  # its event loop would conflict with that of other tests
def chromium():
    """Yield a real browser."""
    from tests.support import browser

    path = browser.executable()
    if path is None:
        absent(browser.HOW)
    with browser.chromium(path) as opened:
        yield opened


@pytest.fixture(scope="session")
def aws():
    """Yield a server that stands in for AWS; it starts when first requested."""
    from tests.support.aws import Aws

    built = Aws()
    yield built
    built.close()
