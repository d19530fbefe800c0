"""The settings: read the environment into one frozen `Settings`. No other module reads the environment.

The variable of a field is `NEWSWIRE_` and the field's name in capitals. A test compares docs/settings.md with this file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from newswire import __version__
from newswire.errors import SettingsError
from newswire.urls import hostname_of, is_server_url

PREFIX = "NEWSWIRE_"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Host names of this machine that no other machine can reach."""
MAX_PORT = 65_535
MAX_RECENCY_DAYS = 36_500
"""A century."""

EngineName = Literal["tantivy", "opensearch"]
Signing = Literal["es", "aoss", ""]
"""The AWS service that requests are signed for: a managed domain, a Serverless collection, or none."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings. The defaults suit one machine."""

    data: str = ".newswire"
    feeds: str = "functions/ingest/feeds.toml"
    engine: EngineName = "tantivy"
    user_agent: str = f"newswire/{__version__} (feed poller)"
    poll_minimum_seconds: Annotated[int, Meta(ge=10, le=86_400)] = 300
    poll_maximum_seconds: Annotated[int, Meta(ge=10, le=86_400)] = 21_600
    poll_concurrency: Annotated[int, Meta(ge=1, le=256)] = 16
    retention_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    stale_grace_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 900
    fetch_timeout_seconds: Annotated[int, Meta(ge=1, le=600)] = 60
    fetch_max_bytes: Annotated[int, Meta(ge=1_000, le=1_000_000_000)] = 20_000_000
    fetch_max_decoded_bytes: Annotated[int, Meta(ge=1_000, le=1_000_000_000)] = 50_000_000
    fetch_max_entries: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    fetch_max_redirects: Annotated[int, Meta(ge=0, le=20)] = 8
    read_timeout_seconds: Annotated[int, Meta(ge=1, le=600)] = 20
    read_max_memory_bytes: Annotated[int, Meta(ge=300_000_000, le=100_000_000_000)] = 600_000_000
    fetch_ports: str = "80,443"
    fetch_allow_private: bool = False
    lease_seconds: Annotated[int, Meta(ge=30, le=3_600)] = 300
    lock_wait_seconds: Annotated[int, Meta(ge=0, le=3_600)] = 120
    index_threads: Annotated[int, Meta(ge=1, le=8)] = 1
    index_heap_mb: Annotated[int, Meta(ge=15, le=4_000)] = 64
    table: str = ""
    bucket: str = ""
    queue_url: str = ""
    public_url: str = ""
    recency_weight: Annotated[float, Meta(ge=0, le=10)] = 0.3
    recency_steps: str = "1,7,30,365"
    opensearch_url: str = ""
    opensearch_prefix: str = "newswire"
    opensearch_user: str = ""
    opensearch_password: str = ""
    opensearch_signing: Signing = ""
    opensearch_region: str = ""
    answer_timeout_seconds: Annotated[int, Meta(ge=1, le=300)] = 20
    allowed_hosts: str = ""
    opensearch_timeout_seconds: Annotated[int, Meta(ge=1, le=300)] = 10
    opensearch_shards: Annotated[int, Meta(ge=1, le=1_024)] = 1
    opensearch_replicas: Annotated[int, Meta(ge=0, le=20)] = 0

    @property
    def data_folder(self) -> Path:
        """The folder of all data on one machine."""
        return Path(self.data)

    @property
    def names_feeds_file(self) -> bool:
        """True if the feeds file is not the default one. It must then exist; the default one may be missing."""
        return self.feeds != Settings().feeds

    @property
    def ports(self) -> frozenset[int]:
        """The TCP ports that fetches may connect to; empty for any."""
        return frozenset(int(port) for port in self.fetch_ports.split(",") if port.strip())

    @property
    def hosts(self) -> frozenset[str]:
        """The host names under which the API is reached, besides that of the address it listens on; in lower case."""
        names = {name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip()}
        return frozenset(names | ({hostname_of(self.public_url)} if self.public_url else set()))

    @property
    def recency_days(self) -> tuple[int, ...]:
        """The ages in days at which the gain of new items by relevance falls by one step."""
        return tuple(int(days) for days in self.recency_steps.split(","))


class AwsKeys(Struct, frozen=True):
    """AWS credentials from the environment, as a Lambda has them. botocore signs with any object of these fields."""

    access_key: str
    secret_key: str
    token: str | None


def read_aws_keys(environ: Mapping[str, str] | None = None) -> AwsKeys | None:
    """Return the AWS credentials of the environment, or None. botocore's own reader takes 11 ms to import."""
    environ = os.environ if environ is None else environ
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    return AwsKeys(access, secret, environ.get("AWS_SESSION_TOKEN")) if access and secret else None


def read_aws_region(environ: Mapping[str, str] | None = None) -> str | None:
    """Return the AWS region. botocore reads only AWS_DEFAULT_REGION, other AWS tools only AWS_REGION."""
    environ = os.environ if environ is None else environ
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def set_variables(variables: Mapping[str, str]) -> None:
    """Set variables in the environment of this process, which the processes that it starts inherit."""
    os.environ.update(variables)


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the environment, or of `environ`.

    Raises `SettingsError`, which names the variable, for an invalid value and for two that contradict each other. An
    unknown `NEWSWIRE_` variable raises it too, so that a misspelt one is not ignored. Variables with the prefix
    `NEWSWIRE_TEST_` belong to the tests.
    """
    environ = os.environ if environ is None else environ
    texts = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_")
    }
    for name in texts:
        if name not in Settings.__struct_fields__:
            from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

            near = get_close_matches(name, Settings.__struct_fields__, 1)
            guess = f" Did you mean {_variable(near[0])}?" if near else ""
            msg = f"{_variable(name)} is not a setting.{guess} docs/settings.md lists all settings."
            raise SettingsError(msg)
    values: dict[str, object] = {"opensearch_region": read_aws_region(environ) or ""}
    for name, text in texts.items():
        try:
            values[name] = getattr(msgspec.convert({name: text}, Settings, strict=False), name)
        except msgspec.ValidationError as error:
            raise _invalid(name, text, _rule(name)) from error
    settings = msgspec.structs.replace(Settings(), **values)
    _check_times(settings)
    _check_lists(settings)
    _check_texts(settings)
    _check_opensearch(settings)
    return settings


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _invalid(name: str, value: object, rule: str) -> SettingsError:
    """Return the error for a value that breaks its rule. URLs are not quoted, since they may hold a password."""
    shown = "an invalid URL" if name.endswith("_url") else repr(value[:100]) if isinstance(value, str) else str(value)
    return SettingsError(f"{_variable(name)} must be {rule}, got {shown}.")


def _rule(name: str) -> str:
    """Return what a value of this setting must be, in words, from its type."""
    hint = get_type_hints(Settings, include_extras=True)[name]
    if hint is bool:
        return "true or false"
    if get_origin(hint) is Literal:
        return f"one of {', '.join(choice or 'empty' for choice in get_args(hint))}"
    kind, bounds = get_args(hint)
    return f"{'an integer' if kind is int else 'a number'} from {bounds.ge} to {bounds.le}"


def _check_times(settings: Settings) -> None:
    minimum, maximum = settings.poll_minimum_seconds, settings.poll_maximum_seconds
    if minimum > maximum:
        raise _invalid("poll_minimum_seconds", minimum, f"at most {PREFIX}POLL_MAXIMUM_SECONDS ({maximum})")
    timeout = settings.fetch_timeout_seconds
    if settings.lease_seconds < 2 * timeout:  # a lease must outlast a fetch
        rule = f"at least twice {PREFIX}FETCH_TIMEOUT_SECONDS ({timeout})"
        raise _invalid("lease_seconds", settings.lease_seconds, rule)


def _check_lists(settings: Settings) -> None:
    try:
        are_ports = all(0 < port <= MAX_PORT for port in settings.ports)
    except ValueError:
        are_ports = False
    if not are_ports:
        rule = f"a comma-separated list of ports from 1 to {MAX_PORT}, such as 80,443"
        raise _invalid("fetch_ports", settings.fetch_ports, rule)
    try:
        days = settings.recency_days
    except ValueError:
        days = ()
    if not days or days != tuple(sorted(set(days))) or not 0 < days[0] <= days[-1] <= MAX_RECENCY_DAYS:
        rule = f"a comma-separated list of increasing days from 1 to {MAX_RECENCY_DAYS}, such as 1,7,30,365"
        raise _invalid("recency_steps", settings.recency_steps, rule)


def _check_texts(settings: Settings) -> None:
    """Check what a regular expression decides; a `Meta` of the field would compile it in every cold start."""
    if not settings.data.strip():
        raise _invalid("data", settings.data, "the name of a folder")
    url = settings.public_url
    if url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
        raise _invalid("public_url", url, "the http(s) URL that people open, such as https://news.example/")
    agent = settings.user_agent
    if not (agent.isascii() and agent.isprintable() and agent.strip()):
        raise _invalid("user_agent", agent, "printable ASCII without line breaks, the value of a header")
    for name in filter(None, settings.allowed_hosts.split(",")):
        if not re.fullmatch(r"\s*[A-Za-z0-9._-]+\s*|\s*[0-9A-Fa-f:]+\s*", name):
            raise _invalid("allowed_hosts", name, "host names or IP addresses with commas between, without ports")
    prefix = settings.opensearch_prefix
    if prefix != "newswire" and not re.fullmatch(r"(?!.*-items-g)[a-z][a-z0-9-]{0,40}", prefix):
        rule = "a lower-case letter, then up to 40 lower-case letters, digits and hyphens, without '-items-g'"
        raise _invalid("opensearch_prefix", prefix, rule)


def _check_opensearch(settings: Settings) -> None:
    url, signing = settings.opensearch_url, settings.opensearch_signing
    if settings.engine == "opensearch" and not is_server_url(url):
        shown = "an invalid URL" if url else "no value"  # the URL may hold a password
        msg = (
            f"{PREFIX}OPENSEARCH_URL must be the cluster's http(s) URL without path and credentials, such as "
            f"https://search.example:9200, got {shown}. "
            f"Credentials go into {PREFIX}OPENSEARCH_USER and {PREFIX}OPENSEARCH_PASSWORD."
        )
        raise SettingsError(msg)
    if signing and not settings.opensearch_region:
        msg = f"{PREFIX}OPENSEARCH_REGION must be an AWS region, such as eu-central-1, got no value; AWS_REGION also sets it."
        raise SettingsError(msg)
    if signing and settings.opensearch_user:
        msg = f"{PREFIX}OPENSEARCH_SIGNING and {PREFIX}OPENSEARCH_USER exclude each other; unset one of them."
        raise SettingsError(msg)
    host = url.rpartition("//")[2].rstrip("/").partition(":")[0]
    if host.endswith(".aoss.amazonaws.com") and signing != "aoss":
        msg = f"{PREFIX}OPENSEARCH_URL is a Serverless collection; set {PREFIX}OPENSEARCH_SIGNING=aoss."
        raise SettingsError(msg)
