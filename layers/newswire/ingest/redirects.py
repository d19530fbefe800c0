"""The redirects of one fetch, with the cookies that the servers set on the way.

Some publishers set a cookie in a redirect and lead back to the same URL until it comes with the request. The cookies end
with the fetch; no other one sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast
from urllib.parse import urljoin

from newswire.errors import FetchError
from newswire.model import FetchFailed, Hop
from newswire.urls import origin_of, quotable_host

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from http.cookiejar import CookieJar

MAX_QUOTED_CHARACTERS = 100


class RedirectChain:
    """The redirects of one fetch, from the requested URL to the current one."""

    def __init__(self, url: str) -> None:
        self.url = url
        """The URL to request next, or that answered."""
        self.hops: list[Hop] = []
        self._requested_url = url
        self._jar: CookieJar | None = None
        self._seen = {(url, "")}

    def cookies(self) -> str:
        """Return the Cookie header for the current URL; "" for none (RFC 6265 section 5.4)."""
        if self._jar is None:
            return ""
        from urllib.request import Request  # noqa: PLC0415 - only a fetch with cookies needs it

        request = Request(self.url)  # noqa: S310 - nothing is opened
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie") or ""

    def keep_cookies(self, set_cookie: Sequence[str]) -> None:
        """Keep the cookies of a redirect; `set_cookie` has the values of its Set-Cookie headers."""
        if not set_cookie:
            return
        from email.message import Message  # noqa: PLC0415 - only a fetch with cookies needs these
        from http.cookiejar import CookieJar, DefaultCookiePolicy  # noqa: PLC0415
        from urllib.request import Request  # noqa: PLC0415

        if self._jar is None:  # a cookie without a Domain belongs to its host alone (RFC 6265 section 5.3)
            self._jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))
        headers = Message()
        for value in set_cookie:
            headers["Set-Cookie"] = value
        self._jar.extract_cookies(cast("HTTPResponse", _Answer(headers)), Request(self.url))  # noqa: S310

    def follow(self, status: int, location: str, max_redirects: int) -> None:
        """Add a redirect; raise `FetchError` (`invalid_url`, `redirect_loop`, `too_many_redirects`).

        The same URL with other cookies is not a loop.
        """
        try:
            target = urljoin(self.url, location)
        except ValueError:
            host, quoted = quotable_host(self.url), location[:MAX_QUOTED_CHARACTERS]
            msg = f"{host} redirects to something that is not a URL: {quoted!r}."
            raise FetchError("invalid_url", msg) from None
        self.hops.append(Hop(status, target))
        self.url = target
        step = (target, self.cookies())
        if step in self._seen:
            raise FetchError("redirect_loop", f"The redirects lead back to {quotable_host(target)} in a loop.")
        if len(self.hops) > max_redirects:
            msg = f"There are more than {max_redirects} redirects (NEWSWIRE_FETCH_MAX_REDIRECTS)."
            raise FetchError("too_many_redirects", msg)
        self._seen.add(step)

    def has_left(self, origin: str) -> bool:
        """Return whether a URL of the chain has another origin."""
        return any(origin_of(url) != origin for url in (self._requested_url, *(hop.target for hop in self.hops)))

    def invalid_url_sentence(self, error: Exception) -> str:
        """Return the sentence for a request that cannot be sent; an error's text may quote a header, which may be a secret."""
        kind = type(error).__name__
        if self.hops:
            return f"{quotable_host(self._requested_url)} redirects to a URL that cannot be requested ({kind})."
        return f"The URL, a header or the user agent cannot be sent ({kind}): correct the feed."

    def failure(self, code: str, sentence: str) -> FetchFailed:
        """Return a failure of the fetch without a status, with the redirects so far."""
        return FetchFailed(self._requested_url, code, sentence, hops=tuple(self.hops))


class _Answer:
    """What a cookie jar needs of a response."""

    def __init__(self, headers: object) -> None:
        self._headers = headers

    def info(self) -> object:
        return self._headers


def read_location(values: Sequence[str]) -> str:
    """Return the target in the Location headers of a redirect, as bytes read by http.client.

    Servers write UTF-8 into it, and some write the header twice; the first value counts.
    """
    location = values[0].strip() if values else ""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location
