"""URLs: canonical links, redaction, hosts and origins; the only module that takes URLs apart, but for `ingest/fetch.py`.

Pure. No function raises: an unreadable URL gives an empty string, False or a problem in words.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

# Version 1: parameters that name the way a reader came, not the article. 46,282 of 251,270 real links have one.
# Parameters such as p, id and article are never trackers: at some publishers they identify the article.
_TRACKERS = frozenset(
    [
        "fbclid",
        "gclid",
        "gclsrc",
        "dclid",
        "msclkid",
        "twclid",
        "yclid",
        "igshid",
        "mc_cid",
        "mc_eid",
        "mkt_tok",
        "_hsenc",
        "_hsmi",
        "wt_mc",
        "wtrid",
        "s_cid",
        "cmpid",
        "cmp",
        "ncid",
        "icid",
        "ocid",
        "campaign_id",
        "ns_campaign",
        "ns_mchannel",
        "ns_source",
        "ns_linkname",
        "ns_fee",
        "srcref",
        "traffic_source",
        "xtor",
        "at_medium",
        "at_campaign",
        "at_custom1",
        "at_custom2",
        "at_custom3",
        "at_custom4",
        "at_format",
        "at_link_id",
        "at_link_origin",
        "at_link_type",
        "at_ptr_name",
        "at_bbc_team",
        "at_campaign_type",
        "ftag",
        "rss",
        "selectedlocale",
        "spm",
        "smid",
        "partner",
        "sref",
        "ref_src",
        "ref_url",
        "ito",
        "guccounter",
        "guce_referrer",
        "guce_referrer_sig",
        "feedtype",
        "feedname",
        "soc_src",
        "soc_trk",
    ]
)


_TRACKER_PREFIXES = ("utm_", "pk_", "mtm_", "piwik_", "hsa_")


_TRACKER_VALUES = {
    "src": {"rss"},
    "source": {"rss", "feed"},
    "from": {"rss"},
    "ref": {"rss", "feed"},
    "feature": {"rss"},
}

DEFAULT_PORTS = {"http": 80, "https": 443}
"""The port of each scheme of the web (RFC 9110, section 4.2)."""
_FRAGMENT_TRACKER = re.compile(r"(?:ftag|xtor|utm_[a-z]+|ref|rss)=|rss\Z", re.IGNORECASE)
_INVISIBLE = (
    "\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\xa0"
)
"""Characters around a link that a reader does not see."""
_LINE_BREAKS = re.compile(r"[\t\r\n]+ *|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_BACKSLASH = "\\"
_QUERY = re.compile("([?#])")
_NOT_IN_LINK = re.compile(r"[\s\"<>`{}]")
_QUOTES = re.compile(r"[\"<>“”„«»]")
_COLON_LOST = re.compile(r"(https?)//", re.IGNORECASE)
_HOST_AND_PATH = re.compile(r"(?:[\w-]+\.)+([a-z]{2,})(?::\d+)?/", re.IGNORECASE)
_EXTENSIONS = frozenset(["php", "asp", "aspx", "cgi", "cfm", "do", "htm", "html", "jsp", "pl", "py", "shtml", "xhtml"])
"""Endings of a file that may stand before the path of a relative address, as in `index.php/story`."""
_RELATIVE = re.compile(r"\w\w[/?#]|[/?#=](?:\w\w|\d)|\w\.\w\w")
"""A part of a relative address that no placeholder has, such as `N/A`, `-/-` or `TBD.`."""
_PATH = re.compile(r"[/?#.]")
"""What a relative address in a text has at least one of; without, it is a word, though RFC 3986 would take it for one."""
_BAD_HOST = re.compile(r"[\s\"<>\\^`{|}%]")
_SLASHES = re.compile(r"(https?):[/\\]*", re.IGNORECASE)
# Most links need no change but the scheme. Splitting a URL costs ten times as much as this match.
_QUOTABLE_SCHEME = re.compile(r"(?:https?|ftp|file|feed):/{0,2}", re.IGNORECASE)
_WORDS_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    [
        "auth",
        "authorization",
        "credential",
        "credentials",
        "jwt",
        "key",
        "keys",
        "pass",
        "passphrase",
        "passwd",
        "password",
        "pin",
        "pwd",
        "secret",
        "secrets",
        "session",
        "sessionid",
        "sid",
        "sig",
        "signature",
        "token",
        "tokens",
    ]
)
_SECRET_ENDS = ("apikey", "accesskey", "authkey", "privatekey", "secretkey", "password", "secret", "token")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_FEED_SCHEME = re.compile(r"feed:(?://)?(?=https?://)|feed:(?://)?", re.IGNORECASE)
_HOST = re.compile(
    r"(?://)?(?:(?:[\w-]+\.)+[\w-]{2,}(?::\d+)?|(?:\d+\.){3}\d+(?::\d+)?|localhost(?::\d+)?|\[[\da-f:.]+\](?::\d+)?)(?:[/?#]|\Z)",
    re.IGNORECASE,
)
"""A host with perhaps a port: a name with a dot, an IP address, or `localhost`."""
_PLAIN_LINK = re.compile(r"https?://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]+/[A-Za-z0-9/._~%!$&'()*+,;=:@-]*")
_QUOTED_CHARACTERS = 100


def _split(url: str) -> SplitResult | None:
    """Split a URL; return None where the standard library cannot (a bad port, an unclosed bracket)."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_tracker(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    name = name.lower()
    return (
        name in _TRACKERS
        or name.startswith(_TRACKER_PREFIXES)
        or (name in _TRACKER_VALUES and value.lower() in _TRACKER_VALUES[name])
    )


# --- links of items ---------------------------------------------------------------------------------------------------


def canonical_link(link: str) -> str:
    """Return the form of a link that identifies an item; return anything but an http(s) URL unchanged.

    RFC 3986 section 6.2: https for http, lower-case host, no default port. Trackers are dropped, other parameters keep
    their order. The fragment stays unless it is a tracker: 29 guids of the real feeds need theirs.
    """
    link = link.strip()
    if link[:4].lower() != "http":
        return link
    if _PLAIN_LINK.fullmatch(link):
        return f"https{link[link.index(':') :]}"
    parts = _split(link)
    if parts is None or parts.scheme.lower() not in DEFAULT_PORTS or not parts.hostname:
        return link
    return urlunsplit(_canonical(parts))


def _canonical(parts: SplitResult) -> tuple[str, str, str, str, str]:
    authority = _authority(parts, (parts.hostname or "").rstrip("."), {None, *DEFAULT_PORTS.values()})
    query = parts.query
    if query:
        query = "&".join(part for part in query.split("&") if part and not _is_tracker(part))
    fragment = parts.fragment
    if fragment:
        fragment = "&".join(part for part in fragment.split("&") if not _FRAGMENT_TRACKER.match(part))
    return "https", authority, parts.path or "/", query, fragment


def _authority(parts: SplitResult, host: str, dropped_ports: Container[int | None]) -> str:
    """Return the authority of a URL with another form of its host, and without a port that is a default."""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in dropped_ports else f":{parts.port}"
    user = parts.netloc.rpartition("@")[0]
    return f"{user}@{host}{port}" if user else f"{host}{port}"


def tidy_link(link: str) -> str:
    """Return a link as browsers read it (WHATWG URL, section 4.4): without line breaks, with both slashes after the scheme.

    Invisible characters around it are dropped; inside it they are percent-encoded.
    """
    if _PLAIN_LINK.fullmatch(link):
        return link
    link = _LINE_BREAKS.sub("", link.strip().strip(_INVISIBLE + " \t\r\n"))
    if scheme := _SLASHES.match(link):
        address, mark, rest = _QUERY.sub(r"\n\1", link[scheme.end() :], count=1).partition("\n")
        link = f"{scheme[1]}://{address.replace(_BACKSLASH, '/')}{rest if mark else ''}"
    if link.isprintable():
        return link
    return "".join(letter if letter.isprintable() else quote(letter, errors="replace") for letter in link)


def safe_link(link: str) -> str:
    """Return a link that may be stored: http or https with a host, spaces encoded. Return "" for `javascript:` and others."""
    if link[:4].lower() != "http":
        return ""
    if _PLAIN_LINK.fullmatch(link):
        return link
    parts = _split(link)
    if parts is None or parts.scheme.lower() not in DEFAULT_PORTS or not parts.hostname or not link.isprintable():
        return ""
    if _BAD_HOST.search(parts.hostname):
        return ""
    return _NOT_IN_LINK.sub(lambda match: quote(match.group(), safe=""), link)


def resolve(link: str, base: str) -> str:
    """Return a tidy relative link as an absolute one (RFC 3986 section 5); an absolute one is only tidied.

    What is quoted, or words, and not an address, gives "".
    """
    link = tidy_link(link)
    if not link or _SCHEME.match(link):
        return link
    if link.startswith("www."):
        return f"https://{link}"
    is_words = " " in link and not _PATH.search(link)
    if is_words or _QUOTES.search(link) or "://" in _QUERY.split(link, maxsplit=1)[0]:
        return ""
    try:
        return urljoin(base, link.replace(" ", "%20"))
    except ValueError:
        return link


def resolve_text(text: str, base: str) -> str:
    """Return the link that a text gives, as `resolve` does; a text may also be a word, such as "none", which gives ""."""
    link = tidy_link(text)
    if broken := _COLON_LOST.match(link):
        return f"{broken[1]}://{link[broken.end() :]}"
    if (host := _HOST_AND_PATH.match(link)) and host[1].lower() not in _EXTENSIONS:
        return f"https://{link}"
    is_path = link[:1] in {"/", "?", "#", "."} or (_RELATIVE.search(link) is not None and " " not in link)
    return resolve(link, base) if is_path or _SCHEME.match(link) else ""


def http_link(link: str) -> str:
    """Return the link if a page may lead there (http or https), else ""."""
    return link if scheme_of(link) in DEFAULT_PORTS else ""


# --- parts of a URL ---------------------------------------------------------------------------------------------------


def scheme_of(url: str) -> str:
    """Return the scheme in lower case."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def hostname_of(url: str) -> str:
    """Return the host name or IP address in lower case, without port and user info."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_ip_address(host: str) -> bool:
    """Return whether a host is written as an address and not as a name (RFC 3986 section 3.2.2)."""
    return ":" in host or re.fullmatch(r"[\d.]+", host, re.ASCII) is not None


def path_of(url: str) -> str:
    """Return the path."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def user_info_of(url: str) -> str:
    """Return the user info as written, `user:password`, still percent-encoded."""
    try:
        return urlsplit(url).netloc.rpartition("@")[0]
    except ValueError:
        return ""


def site_name(link: str) -> str:
    """Return the host name as a reader knows it, without `www.`."""
    return hostname_of(link).removeprefix("www.")


@lru_cache(maxsize=4096)
def host_of(url: str) -> str:
    """Return `host:port` in lower case: newswire opens one connection at a time to it."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


@lru_cache(maxsize=4096)
def origin_of(url: str) -> str:
    """Return `scheme://host:port` with the default port written out (RFC 6454, section 4)."""
    parts = _split(url)
    if parts is None:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{parts.port or DEFAULT_PORTS.get(parts.scheme, 0)}"


@lru_cache(maxsize=4096)
def redacted(url: str) -> str:
    """Return the URL without user info, fragment and query values: they may be secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    query = "&".join(f"{name.partition('=')[0]}=…" if "=" in name else name for name in parts.query.split("&") if name)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def quotable(url: str) -> str:
    """Return the start of a URL for a message, also of an unreadable one, without what may be a secret."""
    start, _, end = url.rpartition("@")  # a password may have a ? or # in it
    end = re.split(r"[?#]", end, maxsplit=1)[0]
    scheme = _QUOTABLE_SCHEME.match(start)
    plain = f"{scheme.group() if scheme else ''}…@{end}" if start else end
    plain = re.sub(r"(//[^/:]*):(?!\d+(?:/|$))[^/]*", r"\1:…", plain)  # a port that is none may be a password
    return f"{plain}{'?…' if '?' in url else ''}"[:_QUOTED_CHARACTERS]


def quotable_host(url: str) -> str:
    """Return the host of a URL for a message, or "the server" if it has none."""
    return hostname_of(url)[:_QUOTED_CHARACTERS] or "the server"


def without_credentials(url: str) -> str:
    """Return a URL without user info, and without parameters and fragments whose names are those of keys and passwords.

    Of a URL that cannot be read only the part before its query is returned, also without user info.
    """
    parts = _split(url)
    if parts is None:
        return re.sub(r"//[^/]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0])
    pairs = re.split("[&;]", parts.query)
    kept = [pair for pair in pairs if not _is_secret(pair)]
    query = parts.query if kept == pairs else "&".join(kept)
    fragment = "" if any(map(_is_secret, re.split("[&;?]", parts.fragment))) else parts.fragment
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment=fragment))


def _is_secret(pair: str) -> bool:
    """Return whether a parameter `name=value` is named like a key, a password, a token or a session."""
    name = unquote(pair.partition("=")[0])
    words = [word.lower() for word in _WORDS_OF_NAME.findall(name)]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)


# --- rules ------------------------------------------------------------------------------------------------------------


def feed_key(url: str) -> str:
    """Return the form of a URL by which feeds are compared: lower-case host, no default port, no fragment (RFC 3986 6.2)."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        return url
    authority = _authority(parts, parts.hostname, {None, DEFAULT_PORTS.get(parts.scheme)})
    return urlunsplit((parts.scheme, authority, parts.path or "/", parts.query, ""))


def without_feed_scheme(address: str) -> str:
    """Return an address with the scheme http or https in place of `feed:`; others are unchanged."""
    plain = _FEED_SCHEME.sub("", address, count=1)
    return f"http://{plain}" if plain != address and not _SCHEME.match(plain) else plain


def web_url(address: str) -> str:
    """Return the URL of what people and readers write for one: with `feed:`, or a host without a scheme."""
    plain = without_feed_scheme(address)
    return f"http://{plain.removeprefix('//')}" if _HOST.match(plain) else plain


def feed_url_problem(url: str) -> str | None:
    """Return why a feed cannot have this URL, as a clause; None if it can."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        reason = " (its port must be a number)" if "ort" in str(error) else ""
        return f"{quotable(url)!r} is not a URL{reason}"
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return f"{quotable(url)!r} is not an http or https URL"
    if any(character.isspace() or not character.isprintable() for character in parts.netloc):
        return f"{quotable(url)!r} is not a URL (its host has spaces or control characters)"
    return None


def is_server_url(url: str) -> bool:
    """Return whether this is a bare server URL: http or https, a host, a port perhaps, no path, query or user info."""
    parts = _split(url)
    if parts is None or not parts.hostname or parts.port == 0:
        return False
    return re.fullmatch(r"https?://[^\s/?#@]+/?", url) is not None


def is_api_url(url: str) -> bool:
    """Return whether this can be the base URL of a deployed API: http or https, a host, no query, no fragment."""
    parts = _split(url)
    return bool(parts and parts.scheme in DEFAULT_PORTS and parts.hostname and not parts.query and not parts.fragment)
