"""What does polling remember? A feed as it was and what came of fetching it come in, its new state goes out. Pure.

`poll.py` carries out what is decided here.
"""

from __future__ import annotations

import re
from hashlib import sha256

import msgspec
from msgspec import Struct

from newswire.clock import DAY, HOUR, SECOND, Instant
from newswire.ingest.parse import parse
from newswire.ingest.parse.sniff import sniff
from newswire.ingest.schedule import (
    DAY_S,
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
    Record,
    Refusal,
    Validators,
)
from newswire.storage.feeds import FeedRow, configuration_of
from newswire.urls import origin_of, scheme_of

LINES_KEPT = 20
FULL_EVERY = DAY
"""So often the whole document is asked for, whatever its validators say."""
MOVE_SIGHTINGS = 3
MOVE_AFTER = 48 * HOUR
FAILURES_TO_RETURN = 5
"""After so many failures an adopted address is given up for the configured one."""
_PERMANENT = {301, 308}
_GONE = 410
TOO_MANY = 429
UNAVAILABLE = 503

_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
_FIRST_ENTRY = re.compile(rb"<(?:[\w.-]+:)?(?:item|entry)[\s>]", re.IGNORECASE)
_VOLATILE = re.compile(
    rb"<((?:[\w.-]+:)?(?:lastbuilddate|pubdate|updated|modified|date))(?:\s[^>]*)?>.*?</\1\s*>",
    re.IGNORECASE | re.DOTALL,
)


_VOLATILE_TAIL = re.compile(rb"<lastBuildDate>[^<]*</lastBuildDate>")  # stands behind the entries in some feeds


class Decision(Struct, frozen=True):
    """What is to be remembered, and how long the host is to be left alone."""

    poll: PollState
    hold_host_until: Instant = 0
    is_unavailable: bool = False
    """The feed answered 503: after three of them the host is left alone."""


def starting_state(row: FeedRow) -> PollState:
    """Give what is remembered of a feed, without what was learnt under another configuration of it."""
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
    """Say what to ask for: conditionally, but once in 24 hours, and after a document that was no feed, unconditionally."""
    due_whole = now - poll.full_at >= FULL_EVERY
    was_no_feed = poll.head > 0 and row.fold.refused_seq == poll.head
    return FetchRequest(
        url=poll.adopted_url or row.feed.url,
        user_agent=row.feed.user_agent or user_agent,
        headers=row.feed.headers,
        validators=None if due_whole or was_no_feed else poll.validators,
        secret_origin=origin_of(row.feed.url),
    )


def body_hash(body: bytes) -> str:
    """Hash a body without its known volatile parts: comments, and the feed's own dates before its first entry."""
    if body.lstrip()[:1] == b"<":
        if b"<!--" in body:
            body = _COMMENT.sub(b"", body)
        first = _FIRST_ENTRY.search(body)
        end = first.start() if first else len(body)
        head = _VOLATILE.sub(b"", body[:end])
        digest = sha256(head)
        digest.update(_VOLATILE_TAIL.sub(b"", body[end:]))
        return digest.hexdigest()[:32]
    return sha256(body).hexdigest()[:32]


def decide(row: FeedRow, poll: PollState, outcome: Outcome, now: Instant, limits: Limits, seq: int | None) -> Decision:
    """Decide what to remember of a fetch.

    `poll` is what `starting_state` gave; `seq` is the number of the record that was archived for the outcome, if its
    document was new.
    """
    was_no_feed = row.fold.refused_code is not None and row.fold.refused_seq == poll.head
    poll = msgspec.structs.replace(
        poll, last_checked=now, fetches=(_line(outcome, now, seq), *poll.fetches)[:LINES_KEPT]
    )
    if seq is not None:
        poll = msgspec.structs.replace(poll, head=seq, head_at=max(now, poll.head_at))
    floor = retry_after_s(outcome.headers, now)
    match outcome:
        case Fetched():
            poll = _took_over(poll, outcome, now)
            refused = _refusal_of(row, outcome, now, was_no_feed=was_no_feed, is_new=seq is not None)
            if refused is not None:
                poll = msgspec.structs.replace(poll, validators=None)
                return Decision(_failed(row, poll, refused.code, refused.sentence, now, limits, floor))
            return Decision(_succeeded(row, poll, outcome, now, limits, floor))
        case NotModified():
            return Decision(_succeeded(row, poll, outcome, now, limits, floor))
        case FetchFailed():
            failed = _failed(row, poll, outcome.code, outcome.sentence, now, limits, floor)
            if outcome.status == _GONE:
                gone = "The publisher says that this feed is gone for good (410): give its new address, or remove it."
                failed = msgspec.structs.replace(failed, paused=gone)
            hold = 0
            if outcome.status == TOO_MANY:
                hold = now + (floor or interval_after_error(limits, failed.errors)) * SECOND
            return Decision(failed, hold, outcome.status == UNAVAILABLE)


def _refusal_of(row: FeedRow, outcome: Fetched, now: Instant, *, was_no_feed: bool, is_new: bool) -> Refusal | None:
    """Say why a document is no feed, as far as polling can tell.

    Its first bytes tell mostly, and indexing tells the rest later on. Where the document before was none, a new one is read
    whole here: else a page that differs each time and only looks like a feed would never count as an error.
    """
    sniffed = sniff(outcome.body, outcome.content_type)
    if isinstance(sniffed, Refusal) or not was_no_feed:
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
    read = parse(record)
    return read if isinstance(read, Refusal) else None


def _took_over(poll: PollState, outcome: Fetched, now: Instant) -> PollState:
    """Remember the document's hash and its validators; a transfer that was cut short leaves none."""
    etag, modified = outcome.headers.get("etag"), outcome.headers.get("last-modified")
    validators = None
    if (etag or modified) and not outcome.truncated:
        validators = Validators(outcome.final_url, etag, modified)
    return msgspec.structs.replace(poll, body_hash=body_hash(outcome.body), validators=validators, full_at=now)


def _succeeded(
    row: FeedRow, poll: PollState, outcome: Fetched | NotModified, now: Instant, limits: Limits, floor_s: int
) -> PollState:
    interval = interval_after_success(limits, row.fold, outcome.headers, poll.interval_s)
    move, adopted = _moved(row, poll, outcome, now)
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


def _failed(
    row: FeedRow, poll: PollState, code: str, sentence: str, now: Instant, limits: Limits, floor_s: int
) -> PollState:
    errors = poll.errors + 1
    adopted = poll.adopted_url if errors % FAILURES_TO_RETURN else None
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
        next_check=min(at, now + DAY_S * SECOND),
        adopted_url=adopted,
        validators=poll.validators if adopted == poll.adopted_url else None,
    )


def leading_permanent(url: str, hops: tuple[Hop, ...]) -> str | None:
    """Give where the leading permanent redirects of a chain lead (301, 308), or None; never from https to http."""
    target = None
    secure = url.lower().startswith("https:")
    for hop in hops:
        if hop.status not in _PERMANENT or scheme_of(hop.target) not in ({"https"} if secure else {"http", "https"}):
            break
        target = hop.target
        secure = secure or hop.target.lower().startswith("https:")
    return target


def _moved(
    row: FeedRow, poll: PollState, outcome: Fetched | NotModified, now: Instant
) -> tuple[Move | None, str | None]:
    """Adopt a permanent redirect after three sightings over 48 hours that share an item with the feed."""
    target = leading_permanent(outcome.url, outcome.hops)
    if target is None:
        return None, poll.adopted_url
    move = poll.move
    if move is None or move.target != target:
        return Move(target, now, 1), poll.adopted_url
    move = Move(target, move.since, move.sightings + 1)
    shares = row.fold.shared_url == outcome.final_url
    if move.sightings >= MOVE_SIGHTINGS and now - move.since >= MOVE_AFTER and shares:
        return None, target
    return move, poll.adopted_url


def _line(outcome: Outcome, now: Instant, seq: int | None) -> FetchLine:
    status: int | None
    match outcome:
        case Fetched():
            status, size, error = outcome.status, outcome.wire_bytes, None
        case NotModified():
            status, size, error = 304, 0, None
        case FetchFailed():
            status, size, error = outcome.status, 0, outcome.code
    return FetchLine(at=now, status=status, bytes=size, took_ms=outcome.took_ms, error=error, seq=seq)
