"""Optional dependencies: a missing one is named with its extra."""

import sys

import pytest

from newswire.cli.main import main
from newswire.engines.opening import open_engine
from newswire.errors import SettingsError
from newswire.settings import Settings
from newswire.storage.archive.opening import open_archive
from newswire.storage.feeds.opening import open_feeds

CLUSTER = Settings(engine="opensearch", opensearch_url="http://127.0.0.1:9200")


@pytest.fixture
def without(monkeypatch):
    """Return a function that makes packages look as if they were not installed."""

    def hide(*packages: str) -> None:
        for name in list(sys.modules):
            hidden = name.partition(".")[0] in packages
            if hidden or name.startswith(
                ("newswire.storage.aws", "newswire.storage.feeds.d", "newswire.storage.archive.s")
            ):
                monkeypatch.delitem(sys.modules, name)
            if name.startswith(
                ("newswire.storage.queue", "newswire.engines.opensearch", "newswire.cli.dlq", "newswire.web.s")
            ):
                monkeypatch.delitem(sys.modules, name, raising=False)
        for package in packages:
            monkeypatch.setitem(sys.modules, package, None)

    return hide


@pytest.mark.parametrize(
    ("package", "extra", "open_part"),
    [
        ("opensearchpy", "opensearch", lambda: open_engine(CLUSTER)),
        ("botocore", "aws", lambda: open_feeds(Settings(table="t"))),
        ("botocore", "aws", lambda: open_archive(Settings(bucket="b"))),
    ],
)
def test_missing_package_is_named_with_its_extra(without, package: str, extra: str, open_part) -> None:
    without(package)
    with pytest.raises(SettingsError, match=rf"{package}.*install newswire\[{extra}\]"):
        open_part()


@pytest.mark.parametrize("command", [["dlq"], ["serve", "--remote", "https://api.example/live"]])
def test_commands_for_aws_name_the_extra(without, monkeypatch, tmp_path, capsys, command: list[str]) -> None:
    monkeypatch.setenv("NEWSWIRE_DATA", str(tmp_path))
    monkeypatch.setenv("NEWSWIRE_QUEUE_URL", "https://sqs.example/q")
    without("botocore")
    assert main(command) == 1
    assert "install newswire[aws]" in capsys.readouterr().err
