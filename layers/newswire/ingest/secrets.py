"""Read the values of feed headers that name a secret: `env:NAME`, `ssm:/path` or `secretsmanager:name`.

A scheme may come before it, as in `Bearer env:NAME`. The list of feeds and its exports then hold no key. A value is read
when a feed is fetched, and kept for five minutes.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from newswire.errors import DataError, FetchError
from newswire.extras import needs_extra

KEPT_SECONDS = 300.0
"""Time for which a value of AWS is kept: a changed key is used after five minutes."""
_REFERENCE = re.compile(r"((?:[A-Za-z]{1,20} )?)(env|ssm|secretsmanager):(.+)", re.DOTALL)
_NAMES = {
    "env": re.compile(r"[A-Za-z_][A-Za-z0-9_]*"),
    "ssm": re.compile(r"/?[\w./-]{1,1011}"),
    "secretsmanager": re.compile(r"[\w/+=.@:-]{1,512}"),
}


def is_reference(value: str) -> bool:
    """Return whether a header value names a secret instead of being one."""
    return _REFERENCE.fullmatch(value) is not None


def reference_problem(value: str) -> str | None:
    """Return why a header value names no possible secret, as a clause; None if it may, or names none."""
    match = _REFERENCE.fullmatch(value)
    if match is None or _NAMES[match[2]].fullmatch(match[3]):
        return None
    return f"must name a secret as {match[2]}:<name>, got an impossible name"


class SecretReader:
    """Reads secrets. Safe to use from several threads; `environ` and `make_client` are those of the process."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        make_client: Callable[[str], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ = os.environ if environ is None else environ  # noqa: TID251 - the header names the variable
        self._make_client = make_client
        self._clock = clock
        self._guard = threading.Lock()
        self._kept: dict[str, tuple[float, str]] = {}

    def resolve(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers with the values of their secrets; raise `FetchError` (`secret`) for one that is missing."""
        return {name: self._value_of(name, value) for name, value in headers.items()}

    def _value_of(self, header: str, value: str) -> str:
        match = _REFERENCE.fullmatch(value)
        if match is None:
            return value
        scheme, kind, name = match.groups()
        if kind == "env":
            if not self._environ.get(name):
                raise FetchError("secret", f"The header {header} needs the environment variable {name}: set it.")
            return f"{scheme}{self._environ[name].strip()}"
        with self._guard:
            read_at, secret = self._kept.get(value, (-math.inf, ""))
            if self._clock() - read_at >= KEPT_SECONDS:
                secret = self._read(header, kind, name).strip()
                self._kept[value] = (self._clock(), secret)
            return f"{scheme}{secret}"

    def _read(self, header: str, kind: str, name: str) -> str:
        try:
            with needs_extra("aws", f"a header with {kind}:"):
                from newswire.storage.aws import make_client, translate_aws_errors  # noqa: PLC0415 - botocore

            with translate_aws_errors(f"The secret {kind}:{name}"):
                client = (self._make_client or make_client)(kind)
                if kind == "ssm":
                    return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
                return str(client.get_secret_value(SecretId=name)["SecretString"])
        except (DataError, KeyError) as error:
            reason = str(error) if isinstance(error, DataError) else f"The secret {kind}:{name} holds no text."
            raise FetchError("secret", f"The header {header} cannot be sent. {reason}") from error
