"""The way to a cluster of OpenSearch: an address and credentials come in, a client goes out, and what it raises in our words.

Three flavours: one's own cluster (a user and a password, or none), a managed domain of AWS (requests are signed for
`es`), and a Serverless search collection (signed for `aoss`), which lacks some calls: `Cluster.is_serverless`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar

import msgspec
from opensearchpy import JSONSerializer, OpenSearch, Transport, Urllib3AWSV4SignerAuth, Urllib3HttpConnection
from opensearchpy.exceptions import (
    ConnectionError as OpenSearchConnectionError,
)
from opensearchpy.exceptions import (
    ConnectionTimeout,
    ImproperlyConfigured,
    NotFoundError,
    OpenSearchDslException,
    OpenSearchException,
    SerializationError,
    TransportError,
)

from newswire.errors import EngineError, EngineUnavailableError
from newswire.settings import LOOPBACK, Signing, read_aws_keys
from newswire.urls import hostname_of

NAMED = "OpenSearch (NEWSWIRE_OPENSEARCH_URL)"
BUSY = frozenset({429, 502, 503, 504})
"""Statuses that say: not now."""
_FOREIGN = f"What answers at {NAMED} does not speak like OpenSearch: look at the address."
_NOT_FOUND = 404
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 20.0


class Cluster:
    """A cluster, as far as reaching it goes. Nothing is connected to before `client` is first used."""

    def __init__(
        self, url: str, *, user: str = "", password: str = "", signing: Signing = "", region: str = "", timeout_s: float
    ) -> None:
        self._url = url
        self._user = user
        self._password = password
        self._signing = signing
        self._region = region
        self.timeout_s = timeout_s

    @property
    def is_serverless(self) -> bool:
        """Whether it is a Serverless collection: no `_refresh`, by-query, scroll, `GET /`, shards or replicas."""
        return self._signing == "aoss"

    @cached_property
    def client(self) -> Any:
        """The client, with one pool of connections for all threads."""
        return OpenSearch(
            self._url,
            http_auth=self._authorization(),
            connection_class=Urllib3HttpConnection,
            serializer=_Serializer(),
            transport_class=_Transport,
            timeout=self.timeout_s,
            max_retries=1,
            retry_on_timeout=False,
            retry_on_status=(502,),
            http_compress=not _is_here(self._url),
            pool_maxsize=16,
        )

    def close(self) -> None:
        """Give the connections back; the next use of `client` makes new ones."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def _authorization(self) -> Any:
        if not self._signing:
            return (self._user, self._password) if self._user else None
        return Urllib3AWSV4SignerAuth(_credentials(), self._region, self._signing)

    @contextmanager
    def translate_errors(self, on_timeout: type[EngineError] = EngineUnavailableError) -> Iterator[None]:
        """Turn what the client raises into our errors; none of its texts, which may hold addresses and credentials."""
        try:
            yield
        except ConnectionTimeout as error:
            msg = f"{NAMED} did not answer in {self.timeout_s:g} s (NEWSWIRE_OPENSEARCH_TIMEOUT_SECONDS)."
            raise on_timeout(msg) from error
        except OpenSearchConnectionError as error:
            raise EngineUnavailableError(f"{NAMED} can't be reached: is it running, and the address right?") from error
        except SerializationError as error:
            raise EngineUnavailableError(_FOREIGN) from error
        except TransportError as error:
            raise EngineUnavailableError(self._sentence(error)) from error
        except (ImproperlyConfigured, OpenSearchException, OpenSearchDslException) as error:
            raise EngineUnavailableError(f"{NAMED} can't be used ({type(error).__name__}).") from error

    def _sentence(self, error: TransportError) -> str:
        status = error.status_code
        if status in {401, 403}:
            if self._signing:
                return (
                    f"{NAMED} refuses us ({status}): look at the rights of the role that signs, "
                    "NEWSWIRE_OPENSEARCH_REGION and NEWSWIRE_OPENSEARCH_SIGNING."
                )
            return f"{NAMED} refuses us ({status}): look at NEWSWIRE_OPENSEARCH_USER and the rights it has."
        if status in BUSY:
            return f"{NAMED} is full or starting ({status}): try again in a moment."
        if status == _NOT_FOUND and not is_absence(error):
            return _FOREIGN
        said = str(error.error) if re.fullmatch(r"[a-z_]{1,80}", str(error.error)) else "no more"  # a name, and no text
        return f"{NAMED} answers {status} ({said}); if an index is damaged, `newswire reindex` builds it anew."


def is_absence(error: TransportError) -> bool:
    """Say whether OpenSearch itself says that an index is not there; a 404 of anything else says nothing of indexes."""
    return isinstance(error, NotFoundError) and error.error == "index_not_found_exception"


def pauses(times: int, rng: Callable[[], float] = random.random) -> Iterator[float]:
    """Give so many pauses in seconds: each up to twice the one before, drawn anew, so that writers do not march in step.

    "Full jitter" of AWS's "Exponential Backoff And Jitter", but never under a quarter of the longest it could be.
    """
    for attempt in range(times):
        longest = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
        yield longest * (0.25 + 0.75 * rng())


def load_signer() -> None:
    """Import what signs requests, which the client would else import with its first one."""
    for name in ("botocore.auth", "botocore.awsrequest"):
        import_module(name)


def _is_here(url: str) -> bool:
    """Say whether a cluster answers on loopback, where compressing takes time (53 µs an item) and saves none."""
    return hostname_of(url) in LOOPBACK


def _credentials() -> Any:
    """Find the credentials of AWS: those of the environment at once (a Lambda has them there), else as boto3 does."""
    found: Any = read_aws_keys()
    if found is None:
        from botocore.session import Session  # noqa: PLC0415 - 30 ms that a Lambda does without

        found = Session().get_credentials()
    if found is None:
        raise EngineUnavailableError(
            f"There are no AWS credentials to sign requests to {NAMED} with: run where there is a role, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    return found


class _Transport(Transport):
    """Takes no answer for one of OpenSearch's that has not its shape; the client itself hands on whatever is JSON."""

    _SHAPES: ClassVar = {
        "_bulk": "items",
        "_msearch": "responses",
        "_search": "hits",
        "_count": "count",
        "_mget": "docs",
    }

    def perform_request(self, method: str, url: str, *args: Any, **named: Any) -> Any:
        answer = super().perform_request(method, url, *args, **named)
        if method == "HEAD":
            return answer
        key = "version" if url == "/" else self._SHAPES.get(url.rpartition("/")[2])
        if not isinstance(answer, dict) or (key is not None and key not in answer):
            raise SerializationError("another shape", None)
        return answer


class _Serializer(JSONSerializer):
    """JSON by msgspec: a bulk of 500 items is written and an answer read several times as fast as by `json`."""

    def dumps(self, data: Any) -> Any:
        if isinstance(data, str):
            return data
        try:
            return msgspec.json.encode(data).decode()
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
            raise SerializationError(type(data).__name__, error) from error

    def loads(self, s: str) -> Any:
        try:
            return msgspec.json.decode(s)
        except (msgspec.MsgspecError, ValueError) as error:
            raise SerializationError("not JSON", error) from error
