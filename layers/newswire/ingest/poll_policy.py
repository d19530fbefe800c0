"""Compute a feed's next poll state from its previous state and a fetch outcome. Pure; `poll.py` carries the decision out."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

import msgspec
from msgspec import Struct

from newswire.clock import DAY, HOUR, SECOND, Instant
from newswire.ingest.item import EXTRACTION
from newswire.ingest.parse.sniff import sniff
from newswire.ingest.reading.record import INTERNAL, TOO_COSTLY, read_record
from newswire.ingest.schedule import (
    Limits,
    interval_after_error,
    interval_after_success,
    next_check,
    retry_after_s,
)
from newswire.model import (
    Fetched,
    FetchFailed,
    FetchLine,
    FetchRequest,
    Hop,
    Move,
    NotModified,
    Outcome,
    PollState,
    Reading,
    Record,
    Refusal,
    Validators,
)
from newswire.storage.feeds import FeedRow, configuration_of
from newswire.urls import origin_of, scheme_of

MAX_FETCH_LINES = 20
"""Number of recent fetches that the state of a feed keeps, the newest first."""
FULL_FETCH_INTERVAL = DAY
"""Time after which a request is unconditional: some servers answer 304 although the document has changed."""
MIN_MOVE_SIGHTINGS = 3
MIN_MOVE_AGE = 48 * HOUR
"""A permanent redirect is adopted after both, so that a short-lived mistake of a publisher is not."""
FAILURES_BEFORE_RETURN = 5
"""Consecutive failures after which an adopted URL is dropped for the configured one."""
BODY_HASH_DIGITS = 32
_PERMANENT_REDIRECTS = {301, 308}
GONE = 410
TOO_MANY_REQUESTS = 429
SERVICE_UNAVAILABLE = 503

_FIRST_ENTRY = re.compile(rb"<(?:[\w.-]+:)?(?:item|entry)[\s>]", re.IGNORECASE)
_VOLATILE = re.compile(
    rb"<((?:[\w.-]{1,40}:)?(?:lastbuilddate|pubdate|updated|modified|date))(?:\s[^<>]*)?>", re.IGNORECASE
)
MAX_DATE_BYTES = 1_000
"""Maximum bytes of a date element that the hash of a body leaves out."""
_VOLATILE_TAIL = re.compile(rb"<lastBuildDate>[^<]*</lastBuildDate>")  # comes after the entries in some feeds


class Decision(Struct, frozen=True):
    """The next poll state of a feed, and the consequences for its host."""

    poll: PollState
    hold_host_until: Instant = 0
    """The instant until which no feed of the host is fetched; 0 for no hold."""
    is_unavailable: bool = False
    """The feed answered 503; after three of them `poll.py` holds the host."""


def starting_state(row: FeedRow) -> PollState:
    """Return the poll state of a feed; an edit of its configuration resets what was learnt under the old one."""
    configured = configuration_of(row.feed)
    if row.poll.configured == configured:
        return row.poll
    return msgspec.structs.replace(
        row.poll,
        configured=configured,
        validators=None,
        body_hash="",
        adopted_url=None,
        move=None,
        paused=None,
        errors=0,
    )


def request_for(row: FeedRow, poll: PollState, now: Instant, user_agent: str) -> FetchRequest:
    """Build the request of a feed: unconditional once in 24 hours and after a refused document, else conditional."""
    is_full = now - poll.full_at >= FULL_FETCH_INTERVAL
    was_refused = poll.head > 0 and row.fold.refused_seq == poll.head
    return FetchRequest(
        url=poll.adopted_url or row.feed.url,
        user_agent=row.feed.user_agent or user_agent,
        headers=row.feed.headers,
        validators=None if is_full or was_refused else poll.validators,
        secret_origin=origin_of(row.feed.url),
    )


def body_hash(body: bytes) -> str:
    """Return the hash of a body without its volatile parts.

    These are comments, the feed's own dates before its first entry, and `lastBuildDate` after the entries.
    """
    if body.lstrip()[:1] == b"<":
        body = _without_comments(body)
        first = _FIRST_ENTRY.search(body)
        end = first.start() if first else len(body)
        digest = sha256(_without_dates(body[:end]))
        digest.update(_VOLATILE_TAIL.sub(b"", body[end:]))
        return digest.hexdigest()[:BODY_HASH_DIGITS]
    return sha256(body).hexdigest()[:BODY_HASH_DIGITS]


def _without_comments(body: bytes) -> bytes:
    """Return a body without its comments; a comment without an end stays."""
    parts = []
    at = 0
    while (start := body.find(b"<!--", at)) >= 0 and (end := body.find(b"-->", start + 4)) >= 0:
        parts.append(body[at:start])
        at = end + 3
    return b"".join((*parts, body[at:])) if parts else body


def _without_dates(head: bytes) -> bytes:
    """Return the head of a document without its date elements; a long element stays."""
    parts = []
    at = 0
    lower = head.lower()
    for tag in _VOLATILE.finditer(head):
        if tag.start() < at:
            continue
        name = tag[1].lower()
        close = lower.find(b"</" + name, tag.end(), tag.end() + MAX_DATE_BYTES)
        end = lower.find(b">", close, close + MAX_DATE_BYTES) if close >= 0 else -1
        if end >= 0 and not lower[close + 2 + len(name) : end].strip():
            parts.append(head[at : tag.start()])
            at = end + 1
    return b"".join((*parts, head[at:])) if parts else head


def is_new_document(row: FeedRow, poll: PollState, body: bytes) -> bool:
    """Return whether a fetched body must be archived: it differs from the last one, or may be readable by now.

    The last document was refused because of newswire, and by an earlier version of its extraction.
    """
    fold = row.fold
    was_ours = fold.refused_code in {INTERNAL, TOO_COSTLY} and fold.refused_seq == poll.head
    return (was_ours and fold.refused_by < EXTRACTION) or body_hash(body) != poll.body_hash


def decide(
    row: FeedRow,
    poll: PollState,
    outcome: Outcome,
    now: Instant,
    limits: Limits,
    seq: int | None,
    read: Callable[[Record], Reading] = read_record,
) -> Decision:
    """Decide the next poll state after a fetch.

    `poll` is the result of `starting_state`. `seq` is the number of the record that was archived for the outcome; None if
    its document was not new. `read` reads a document after a refused one.
    """
    was_refused = row.fold.refused_code is not None and row.fold.refused_seq == poll.head
    poll = msgspec.structs.replace(
        poll, last_checked=now, fetches=(_fetch_line(outcome, now, seq), *poll.fetches)[:MAX_FETCH_LINES]
    )
    if seq is not None:
        poll = msgspec.structs.replace(poll, head=seq, head_at=max(now, poll.head_at))
    floor = retry_after_s(outcome.headers, now)
    match outcome:
        case Fetched():
            poll = _keep_validators(poll, outcome, now)
            refusal = _refusal_of(row, outcome, now, read, was_refused=was_refused, is_new=seq is not None)
            if refusal is not None:
                poll = msgspec.structs.replace(poll, validators=None)
                return Decision(_after_failure(row, poll, refusal.code, refusal.sentence, now, limits, floor))
            return Decision(_after_success(row, poll, outcome, now, limits, floor))
        case NotModified():
            return Decision(_after_success(row, poll, outcome, now, limits, floor))
        case FetchFailed():
            failed = _after_failure(row, poll, outcome.code, outcome.sentence, now, limits, floor)
            if outcome.status == GONE:
                sentence = (
                    "The publisher answers that this feed is gone permanently (410): set its new URL, or remove it."
                )
                failed = msgspec.structs.replace(failed, paused=sentence)
            hold = 0
            if outcome.status == TOO_MANY_REQUESTS:
                hold = now + (floor or interval_after_error(limits, failed.errors)) * SECOND
            return Decision(failed, hold, outcome.status == SERVICE_UNAVAILABLE)


def _refusal_of(
    row: FeedRow,
    outcome: Fetched,
    now: Instant,
    read: Callable[[Record], Reading],
    *,
    was_refused: bool,
    is_new: bool,
) -> Refusal | None:
    """Return why a document is not a feed, as far as polling can tell; None if it may be one.

    Mostly the first bytes decide, and indexing detects the other refusals later. After a refused document, a new one is
    parsed here. Otherwise a page that only looks like a feed, and changes each time, would never count as a failure.
    """
    sniffed = sniff(outcome.body, outcome.content_type)
    if isinstance(sniffed, Refusal) or not was_refused:
        return sniffed if isinstance(sniffed, Refusal) else None
    if not is_new:
        return Refusal(row.fold.refused_code or "", row.fold.refused or "")
    record = Record(
        feed=row.feed.id,
        seq=0,
        kind="document",
        fetched_at=now,
        confirmed_at=None,
        url=outcome.url,
        final_url=outcome.final_url,
        status=outcome.status,
        headers=outcome.headers,
        content_type=outcome.content_type,
        feed_kind=row.feed.kind,
        listing=row.feed.listing,
        lang=row.feed.lang,
        truncated=outcome.truncated,
        body=outcome.body,
    )
    return read(record).refusal


def _keep_validators(poll: PollState, outcome: Fetched, now: Instant) -> PollState:
    """Return the state with the hash and the validators of a document; a truncated transfer has no validators."""
    etag, modified = outcome.headers.get("etag"), outcome.headers.get("last-modified")
    validators = None
    if (etag or modified) and not outcome.truncated:
        validators = Validators(outcome.final_url, etag, modified)
    return msgspec.structs.replace(poll, body_hash=body_hash(outcome.body), validators=validators, full_at=now)


def _after_success(
    row: FeedRow, poll: PollState, outcome: Fetched | NotModified, now: Instant, limits: Limits, floor_s: int
) -> PollState:
    interval = interval_after_success(limits, row.fold, outcome.headers, poll.interval_s)
    move, adopted = _track_move(row, poll, outcome, now)
    return msgspec.structs.replace(
        poll,
        last_success=now,
        failing_since=None,
        errors=0,
        error_code=None,
        error=None,
        paused=None,
        interval_s=interval,
        next_check=next_check(row.feed.id, now, interval, row.fold.hints, floor_s),
        move=move,
        adopted_url=adopted,
    )


def _after_failure(
    row: FeedRow, poll: PollState, code: str, sentence: str, now: Instant, limits: Limits, floor_s: int
) -> PollState:
    """Return the state after a failure: the backoff ignores `skipHours` and `skipDays`, and is at most 24 hours."""
    errors = poll.errors + 1
    adopted = poll.adopted_url if errors % FAILURES_BEFORE_RETURN else None
    interval = interval_after_error(limits, errors)
    at = next_check(
        row.feed.id, now, interval, msgspec.structs.replace(row.fold.hints, skip_hours=(), skip_days=()), floor_s
    )
    return msgspec.structs.replace(
        poll,
        failing_since=poll.failing_since if poll.failing_since is not None else now,
        errors=errors,
        error_code=code,
        error=sentence,
        next_check=min(at, now + DAY),
        adopted_url=adopted,
        validators=poll.validators if adopted == poll.adopted_url else None,
    )


def leading_permanent(url: str, hops: tuple[Hop, ...]) -> str | None:
    """Return the target of the permanent redirects (301, 308) that begin a chain, or None; never from https to http."""
    target = None
    is_secure = url.lower().startswith("https:")
    for hop in hops:
        schemes = {"https"} if is_secure else {"http", "https"}
        if hop.status not in _PERMANENT_REDIRECTS or scheme_of(hop.target) not in schemes:
            break
        target = hop.target
        is_secure = is_secure or hop.target.lower().startswith("https:")
    return target


def _track_move(
    row: FeedRow, poll: PollState, outcome: Fetched | NotModified, now: Instant
) -> tuple[Move | None, str | None]:
    """Return the pending move and the adopted URL after a success.

    A permanent redirect is adopted after three consecutive sightings over at least 48 hours. The last document from its
    target must share an item with the feed.
    """
    target = leading_permanent(outcome.url, outcome.hops)
    if target is None:
        return None, poll.adopted_url
    move = poll.move
    if move is None or move.target != target:
        return Move(target, now, 1), poll.adopted_url
    move = Move(target, move.since, move.sightings + 1)
    shares = row.fold.shared_url == outcome.final_url
    if move.sightings >= MIN_MOVE_SIGHTINGS and now - move.since >= MIN_MOVE_AGE and shares:
        return None, target
    return move, poll.adopted_url


def _fetch_line(outcome: Outcome, now: Instant, seq: int | None) -> FetchLine:
    status: int | None
    match outcome:
        case Fetched():
            status, size, error = outcome.status, outcome.wire_bytes, None
        case NotModified():
            status, size, error = 304, 0, None
        case FetchFailed():
            status, size, error = outcome.status, 0, outcome.code
    return FetchLine(at=now, status=status, bytes=size, took_ms=outcome.took_ms, error=error, seq=seq)
