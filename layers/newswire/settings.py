"""The settings: the environment comes in, one frozen `Settings` goes out; nothing else reads the environment.

Each setting is one field below: its name in the environment is `NEWSWIRE_` and the field's name in capitals. The
table in docs/settings.md is tested against this file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from newswire import __version__
from newswire.errors import SettingsError
from newswire.urls import is_server_url

PREFIX = "NEWSWIRE_"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names that mean this machine and nobody else."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set from outside; the defaults are right for one machine."""

    data: str = ".newswire"
    feeds: str = "functions/ingest/feeds.toml"
    engine: str = "tantivy"
    user_agent: str = f"newswire/{__version__} (feed poller)"
    poll_minimum_seconds: int = 300
    poll_maximum_seconds: int = 21_600
    poll_concurrency: int = 16
    stale_grace_seconds: int = 900
    fetch_timeout_seconds: int = 60
    fetch_max_bytes: int = 20_000_000
    fetch_max_decoded_bytes: int = 50_000_000
    fetch_max_entries: int = 10_000
    fetch_max_redirects: int = 8
    fetch_ports: str = "80,443"
    fetch_allow_private: bool = False
    lease_seconds: int = 300
    lock_wait_seconds: int = 120
    index_threads: int = 1
    index_heap_mb: int = 64
    table: str = ""
    bucket: str = ""
    queue_url: str = ""
    public_url: str = ""
    recency_weight: float = 0.3
    recency_steps: str = "1,7,30,365"
    opensearch_url: str = ""
    opensearch_prefix: str = "newswire"
    opensearch_user: str = ""
    opensearch_password: str = ""
    opensearch_signing: str = ""
    opensearch_region: str = ""
    opensearch_timeout_seconds: int = 10
    opensearch_shards: int = 1
    opensearch_replicas: int = 0

    @property
    def data_folder(self) -> Path:
        """The folder in which everything lives on one machine."""
        return Path(self.data)

    @property
    def names_feeds_file(self) -> bool:
        """Whether a list of feeds was named: it must then be there, while the one that ships may be missing."""
        return self.feeds != Settings().feeds

    @property
    def ports(self) -> frozenset[int]:
        """The ports that fetches may connect to; empty means any."""
        return frozenset(int(port) for port in self.fetch_ports.split(",") if port.strip())

    @property
    def recency_days(self) -> tuple[int, ...]:
        """The ages in days at which what newer items gain by relevance falls by one step."""
        return tuple(int(days) for days in self.recency_steps.split(","))


class AwsKeys(Struct, frozen=True):
    """Credentials of AWS as the environment of a Lambda has them; botocore signs with whatever has these three."""

    access_key: str
    secret_key: str
    token: str | None


def read_aws_keys(environ: Mapping[str, str] | None = None) -> AwsKeys | None:
    """Read the credentials of the environment; None where it has none. botocore's own reader takes 11 ms to import."""
    given = os.environ if environ is None else environ
    access, secret = given.get("AWS_ACCESS_KEY_ID"), given.get("AWS_SECRET_ACCESS_KEY")
    return AwsKeys(access, secret, given.get("AWS_SESSION_TOKEN")) if access and secret else None


def read_aws_region(environ: Mapping[str, str] | None = None) -> str | None:
    """Read the region: botocore itself knows only AWS_DEFAULT_REGION, other tools of AWS only AWS_REGION."""
    given = os.environ if environ is None else environ
    return given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or None


_RANGES: Mapping[str, tuple[float, float]] = {
    "poll_minimum_seconds": (10, 86_400),
    "poll_maximum_seconds": (10, 86_400),
    "poll_concurrency": (1, 256),
    "stale_grace_seconds": (0, 86_400),
    "fetch_timeout_seconds": (1, 600),
    "fetch_max_bytes": (1_000, 1_000_000_000),
    "fetch_max_decoded_bytes": (1_000, 1_000_000_000),
    "fetch_max_entries": (1, 1_000_000),
    "fetch_max_redirects": (0, 20),
    "lease_seconds": (30, 3_600),
    "lock_wait_seconds": (0, 3_600),
    "index_threads": (1, 8),
    "index_heap_mb": (15, 4_000),
    "recency_weight": (0, 10),
    "opensearch_timeout_seconds": (1, 300),
    "opensearch_shards": (1, 1_024),
    "opensearch_replicas": (0, 20),
}
ENGINES = ("tantivy", "opensearch")
SIGNINGS = ("", "es", "aoss")


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment (or from `environ`).

    Raises `SettingsError` that names the variable: for a value that can't be read, one out of its range, two that
    contradict each other, and a `NEWSWIRE_` variable that does not exist (a misspelt one would be ignored silently).
    Variables that begin with `NEWSWIRE_TEST_` belong to the tests.
    """
    given = os.environ if environ is None else environ
    values = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in given.items()
        if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_")
    }
    for name in values:
        if name not in Settings.__struct_fields__:
            msg = f"{PREFIX}{name.upper()} is no setting of newswire; docs/settings.md lists them all."
            raise SettingsError(msg)
    settings = Settings(opensearch_region=read_aws_region(given) or "")
    for name, value in values.items():
        try:
            one = msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            kind = type(getattr(settings, name)).__name__
            msg = f"{PREFIX}{name.upper()} is {value[:100]!r}, which is not of the type {kind}: set it anew."
            raise SettingsError(msg) from error
        settings = msgspec.structs.replace(settings, **{name: getattr(one, name)})
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            msg = f"{PREFIX}{name.upper()} is {value}, and must be from {low} to {high}."
            raise SettingsError(msg)
    if settings.poll_minimum_seconds > settings.poll_maximum_seconds:
        msg = (
            f"{PREFIX}POLL_MINIMUM_SECONDS ({settings.poll_minimum_seconds}) is above "
            f"{PREFIX}POLL_MAXIMUM_SECONDS ({settings.poll_maximum_seconds}): raise the maximum or lower the minimum."
        )
        raise SettingsError(msg)
    if settings.lease_seconds < 2 * settings.fetch_timeout_seconds:
        msg = (
            f"{PREFIX}LEASE_SECONDS ({settings.lease_seconds}) is less than twice "
            f"{PREFIX}FETCH_TIMEOUT_SECONDS ({settings.fetch_timeout_seconds}): a lease must outlast a fetch."
        )
        raise SettingsError(msg)
    _check_engine(settings)
    try:
        ports = settings.ports
    except ValueError as error:
        msg = f"{PREFIX}FETCH_PORTS is {settings.fetch_ports[:100]!r}; write ports with commas between, as in 80,443."
        raise SettingsError(msg) from error
    _check_reading(settings)
    if any(not 0 < port < 65_536 for port in ports):  # noqa: PLR2004 - the range of TCP ports
        msg = f"{PREFIX}FETCH_PORTS is {settings.fetch_ports[:100]!r}; a port is from 1 to 65535."
        raise SettingsError(msg)


def _check_signing(settings: Settings) -> None:
    signing = settings.opensearch_signing
    if signing not in SIGNINGS:
        msg = (
            f"{PREFIX}OPENSEARCH_SIGNING is {signing[:100]!r}; it can be es (a managed domain of AWS), aoss (a Serverless "
            "collection), or not set."
        )
        raise SettingsError(msg)
    if signing and not settings.opensearch_region:
        msg = f"{PREFIX}OPENSEARCH_REGION is not set: requests are signed for a region, as eu-central-1 (or set AWS_REGION)."
        raise SettingsError(msg)
    if signing and settings.opensearch_user:
        msg = f"{PREFIX}OPENSEARCH_SIGNING and {PREFIX}OPENSEARCH_USER are both set: a request has one of the two."
        raise SettingsError(msg)
    host = settings.opensearch_url.rpartition("//")[2].rstrip("/").partition(":")[0]
    if host.endswith(".aoss.amazonaws.com") and signing != "aoss":
        msg = f"{PREFIX}OPENSEARCH_URL is of a Serverless collection: set {PREFIX}OPENSEARCH_SIGNING=aoss."
        raise SettingsError(msg)


def _check_engine(settings: Settings) -> None:
    if settings.engine not in ENGINES:
        msg = f"{PREFIX}ENGINE is {settings.engine[:100]!r}; it can be: {', '.join(ENGINES)}."
        raise SettingsError(msg)
    url = settings.opensearch_url
    if settings.engine == "opensearch" and not is_server_url(url):
        shown = "not set" if not url else "not of that form"  # it may hold a password, so it is not quoted
        msg = (
            f"{PREFIX}OPENSEARCH_URL is {shown}: write the address of the cluster, as in https://search.example:9200, "
            f"and who we are in {PREFIX}OPENSEARCH_USER and {PREFIX}OPENSEARCH_PASSWORD."
        )
        raise SettingsError(msg)
    _check_signing(settings)
    if (
        not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", settings.opensearch_prefix)
        or "-items-g" in settings.opensearch_prefix
    ):
        msg = (
            f"{PREFIX}OPENSEARCH_PREFIX is {settings.opensearch_prefix[:100]!r}; what index names begin with is a letter, "
            "then up to 40 lower-case letters, digits and hyphens."
        )
        raise SettingsError(msg)


def _check_reading(settings: Settings) -> None:
    try:
        days = settings.recency_days
    except ValueError:
        days = ()
    if not days or days != tuple(sorted(set(days))) or not 0 < days[0] <= days[-1] <= 36_500:  # noqa: PLR2004 - a century
        msg = (
            f"{PREFIX}RECENCY_STEPS is {settings.recency_steps[:100]!r}; write rising ages in days with commas between, "
            "as in 1,7,30,365."
        )
        raise SettingsError(msg)
    url = settings.public_url
    if url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
        msg = f"{PREFIX}PUBLIC_URL is {url[:100]!r}; write what people reach this under, as in https://news.example/."
        raise SettingsError(msg)
