"""The client of an OpenSearch cluster: connect, authenticate, check answers, and translate errors.

There are three kinds of clusters: a self-managed one (Basic authentication or none), a managed domain of AWS (requests
signed for `es`), and a Serverless search collection (signed for `aoss`). The last lacks some calls; see
`Cluster.is_serverless`.
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

CLUSTER_NAME = "OpenSearch (NEWSWIRE_OPENSEARCH_URL)"
BUSY_STATUSES = frozenset({429, 502, 503, 504})
"""HTTP statuses of a cluster that is overloaded or starting: a later retry is right."""
_NOT_OPENSEARCH = "The server at NEWSWIRE_OPENSEARCH_URL is not OpenSearch; check the URL."
_NOT_FOUND = 404
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 20.0


class Cluster:
    """The connection to a cluster. It connects on the first use of `client`. `timeout_s` limits each request."""

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
        """True for a Serverless collection, which is without `_refresh`, by-query, scroll, `GET /`, shards and replicas."""
        return self._signing == "aoss"

    @cached_property
    def client(self) -> Any:
        """The client, with one connection pool for all threads."""
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
            http_compress=not _is_on_loopback(self._url),
            pool_maxsize=16,
        )

    def close(self) -> None:
        """Close the connections; the next use of `client` opens new ones."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def _authorization(self) -> Any:
        if not self._signing:
            return (self._user, self._password) if self._user else None
        return Urllib3AWSV4SignerAuth(_find_credentials(), self._region, self._signing)

    @contextmanager
    def translate_errors(self, on_timeout: type[EngineError] = EngineUnavailableError) -> Iterator[None]:
        """Turn errors of the client into `EngineError`s, without their texts, which may hold URLs and credentials."""
        try:
            yield
        except ConnectionTimeout as error:
            msg = f"{CLUSTER_NAME} did not answer in {self.timeout_s:g} s (NEWSWIRE_OPENSEARCH_TIMEOUT_SECONDS)."
            raise on_timeout(msg) from error
        except OpenSearchConnectionError as error:
            raise EngineUnavailableError(
                f"{CLUSTER_NAME} is unreachable. Check that it runs, and check the URL."
            ) from error
        except SerializationError as error:
            raise EngineUnavailableError(_NOT_OPENSEARCH) from error
        except TransportError as error:
            raise EngineUnavailableError(self._describe(error)) from error
        except (ImproperlyConfigured, OpenSearchException, OpenSearchDslException) as error:
            raise EngineUnavailableError(
                f"{CLUSTER_NAME} is unusable ({type(error).__name__}). Check the settings."
            ) from error

    def _describe(self, error: TransportError) -> str:
        status = error.status_code
        if status in {401, 403}:
            if self._signing:
                return (
                    f"{CLUSTER_NAME} denies access ({status}). Check the permissions of the signing role, "
                    "NEWSWIRE_OPENSEARCH_REGION and NEWSWIRE_OPENSEARCH_SIGNING."
                )
            return f"{CLUSTER_NAME} denies access ({status}). Check NEWSWIRE_OPENSEARCH_USER and its permissions."
        if status in BUSY_STATUSES:
            return f"{CLUSTER_NAME} is full or starting ({status}). Try again later."
        if status == _NOT_FOUND and not is_absence(error):
            return _NOT_OPENSEARCH
        is_name = re.fullmatch(r"[a-z_]{1,80}", str(error.error))  # any other text may hold a URL or credentials
        reason = f" ({error.error})" if is_name else ""
        return f"{CLUSTER_NAME} answers {status}{reason}. If an index is damaged, run `newswire reindex` to rebuild it."


def is_absence(error: TransportError) -> bool:
    """Return whether OpenSearch itself reports a missing index; any other 404 comes from another server."""
    return isinstance(error, NotFoundError) and error.error == "index_not_found_exception"


def pauses(times: int, rng: Callable[[], float] = random.random) -> Iterator[float]:
    """Yield `times` pauses in seconds: exponential backoff with jitter, so that writers do not retry in step.

    The upper bound doubles up to `_MAX_PAUSE_SECONDS`. As in "Full jitter" of AWS's "Exponential Backoff And Jitter",
    each pause is random below its bound, but at least a quarter of it.
    """
    for attempt in range(times):
        bound = min(_FIRST_PAUSE_SECONDS * 2**attempt, _MAX_PAUSE_SECONDS)
        yield bound * (0.25 + 0.75 * rng())


def load_signer() -> None:
    """Import the signer now; otherwise the client imports it with its first request."""
    for name in ("botocore.auth", "botocore.awsrequest"):
        import_module(name)


def _is_on_loopback(url: str) -> bool:
    """Return whether a cluster is on loopback, where compression takes time (53 µs per item) and saves none."""
    return hostname_of(url) in LOOPBACK


def _find_credentials() -> Any:
    """Return AWS credentials: those of the environment, which a Lambda has, else those that boto3 would find."""
    credentials: Any = read_aws_keys()
    if credentials is None:
        from botocore.session import Session  # noqa: PLC0415 - takes 30 ms, and a Lambda does not need it

        credentials = Session().get_credentials()
    if credentials is None:
        raise EngineUnavailableError(
            f"There are no AWS credentials to sign requests to {CLUSTER_NAME}. Run with a role, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    return credentials


class _Transport(Transport):
    """Refuses answers without the shape of OpenSearch's; the client itself accepts any JSON."""

    _SHAPES: ClassVar = {
        "_bulk": "items",
        "_msearch": "responses",
        "_search": "hits",
        "_count": "count",
        "_mget": "docs",
    }

    def perform_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        answer = super().perform_request(method, url, *args, **kwargs)
        if method == "HEAD":
            return answer
        key = "version" if url == "/" else self._SHAPES.get(url.rpartition("/")[2])
        if not isinstance(answer, dict) or (key is not None and key not in answer):
            raise SerializationError("another shape", None)
        return answer


class _Serializer(JSONSerializer):
    """JSON by msgspec, several times as fast as `json` for a bulk of 500 items and for answers."""

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
