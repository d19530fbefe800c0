"""The poll policy: the request for a feed, and its next state for each outcome."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from newswire.clock import DAY, HOUR, MINUTE, SECOND
from newswire.ingest.poll_policy import (
    FAILURES_BEFORE_RETURN,
    MAX_FETCH_LINES,
    Decision,
    body_hash,
    decide,
    leading_permanent,
    request_for,
    starting_state,
)
from newswire.ingest.schedule import Limits
from newswire.model import Feed, Fetched, FetchLine, FoldState, Hop, Move, Outcome, PollState, Validators
from newswire.storage.feeds import configuration_of
from tests.factories import FEED_URL, feed_row, fetch_failed, fetched, not_modified

NOW = 1_763_985_600_000
LIMITS = Limits(300, 21_600)
FEED = Feed(id="news", url=FEED_URL)
MOVED = "https://new.example/feed"
VALIDATORS = Validators(FEED_URL, '"v1"', None)
RSS = b"<rss><channel><title>News</title><item><title>One</title></item></channel></rss>"
KNOWN = PollState(
    configured=configuration_of(FEED),
    head=4,
    head_at=NOW - HOUR,
    body_hash="h",
    validators=VALIDATORS,
    full_at=NOW - HOUR,
    last_success=NOW - HOUR,
    interval_s=900,
)


def decided(
    outcome: Outcome, poll: PollState = KNOWN, fold: FoldState | None = None, *, seq: int | None = None, now: int = NOW
) -> Decision:
    return decide(feed_row(FEED, poll, fold), poll, outcome, now, LIMITS, seq)


# --- the state before a fetch ---


def test_state_of_the_same_configuration_is_kept() -> None:
    assert starting_state(feed_row(FEED, KNOWN)) == KNOWN


@pytest.mark.parametrize("edit", [{"url": MOVED}, {"headers": {"X-Key": "k"}}, {"user_agent": "me"}, {"lang": "fr"}])
def test_edited_feed_forgets_what_the_old_one_taught(edit: dict[str, object]) -> None:
    learnt = replace(KNOWN, adopted_url=MOVED, move=Move(MOVED, NOW, 2), paused="Gone.", errors=7, error_code="dns")
    edited = replace(FEED, **edit)
    state = starting_state(feed_row(edited, learnt))
    assert (state.validators, state.body_hash, state.adopted_url, state.move) == (None, "", None, None)
    assert (state.paused, state.errors, state.configured) == (None, 0, configuration_of(edited))
    assert (state.head, state.head_at, state.last_success) == (4, KNOWN.head_at, KNOWN.last_success)


# --- the request ---


def test_request_is_conditional_for_a_day_after_a_full_one() -> None:
    for since, validators in ((0, VALIDATORS), (DAY - 1, VALIDATORS), (DAY, None), (9 * DAY, None)):
        poll = replace(KNOWN, full_at=NOW - since)
        assert request_for(feed_row(FEED, poll), poll, NOW, "newswire").validators == validators


def test_request_after_a_refused_document_is_unconditional() -> None:
    for refused_seq, validators in ((KNOWN.head, None), (KNOWN.head - 1, VALIDATORS)):
        row = feed_row(FEED, KNOWN, FoldState(refused_seq=refused_seq, refused_code="html_page"))
        assert request_for(row, KNOWN, NOW, "newswire").validators == validators


def test_request_to_an_adopted_url_keeps_the_secret_origin() -> None:
    feed = replace(FEED, headers={"X-Key": "k"}, user_agent="me")
    poll = replace(KNOWN, adopted_url=MOVED)
    request = request_for(feed_row(feed, poll), poll, NOW, "newswire")
    assert (request.url, request.user_agent, request.headers) == (MOVED, "me", {"X-Key": "k"})
    assert request.secret_origin == "https://news.example:443"
    assert request_for(feed_row(FEED), PollState(), NOW, "newswire").user_agent == "newswire"


# --- the hash of a body ---

DATED = b"<rss><channel>%s<item><pubDate>Mon</pubDate>%s</item>%s</channel></rss>"


@given(st.sampled_from(["lastBuildDate", "pubDate", "updated", "dc:date", "a:modified"]), st.binary(max_size=20))
def test_channel_dates_do_not_change_the_hash(name: str, date: bytes) -> None:
    written = b"<%b x='1'>%b</%b>" % (name.encode(), date.replace(b"<", b""), name.encode())
    assert body_hash(DATED % (written, b"", b"")) == body_hash(DATED % (b"", b"", b""))


@given(st.binary(max_size=20))
def test_comments_and_a_last_build_date_do_not_change_the_hash(text: bytes) -> None:
    clean = text.replace(b"-", b"").replace(b"<", b"")
    comment, tail = b"<!-- %b -->" % clean, b"<lastBuildDate>%b</lastBuildDate>" % clean
    assert body_hash(DATED % (comment, comment, tail)) == body_hash(DATED % (b"", b"", b""))


def test_item_dates_and_other_text_change_the_hash() -> None:
    bodies = [
        DATED % (b"", b"", b""),
        DATED % (b"<title>x</title>", b"", b""),
        DATED % (b"", b"<pubDate>Tue</pubDate>", b""),
        DATED % (b"", b"", b"<pubDate>Tue</pubDate>"),
        b"<rss><channel></channel></rss>",
        b'{"lastBuildDate": "Mon"}',
        b'{"lastBuildDate": "Tue"}',
        b"",
    ]
    assert len({body_hash(body) for body in bodies}) == len(bodies)


@given(st.binary())
def test_hash_of_any_body_is_32_hex_digits(body: bytes) -> None:
    assert len(bytes.fromhex(body_hash(body))) == 16


# --- permanent redirects ---


@pytest.mark.parametrize(
    ("url", "hops", "target"),
    [
        ("http://a.example/", (), None),
        ("http://a.example/", (Hop(301, "https://a.example/"),), "https://a.example/"),
        ("http://a.example/", (Hop(308, "http://b.example/"), Hop(301, MOVED)), MOVED),
        ("http://a.example/", (Hop(301, MOVED), Hop(302, "https://c.example/")), MOVED),
        ("http://a.example/", (Hop(302, MOVED), Hop(301, "https://c.example/")), None),
        ("https://a.example/", (Hop(301, "http://a.example/"),), None),
        ("HTTPS://a.example/", (Hop(301, "http://a.example/"),), None),
        ("http://a.example/", (Hop(301, MOVED), Hop(301, "http://c.example/")), MOVED),
        ("http://a.example/", (Hop(301, "ftp://a.example/"),), None),
    ],
)
def test_leading_permanent_redirects_lead_to_the_target(url: str, hops: tuple[Hop, ...], target: str | None) -> None:
    assert leading_permanent(url, hops) == target


@given(
    st.sampled_from(["http", "https"]),
    st.lists(st.builds(Hop, st.sampled_from([301, 302, 303, 307, 308]), st.sampled_from([MOVED, "http://b.example/"]))),
)
def test_permanent_target_is_never_less_secure(scheme: str, hops: list[Hop]) -> None:
    target = leading_permanent(f"{scheme}://a.example/", tuple(hops))
    if target is not None:
        assert any(hop.target == target and hop.status in {301, 308} for hop in hops)
        assert hops[0].status in {301, 308}
        assert scheme == "http" or target.startswith("https:")


# --- the state after a fetch ---


def test_new_document_is_remembered() -> None:
    failing = replace(KNOWN, errors=3, failing_since=NOW - DAY, error_code="dns", error="x", paused="x")
    headers = {"etag": '"v2"', "last-modified": "Mon"}
    decision = decided(fetched(RSS, headers=headers, wire_bytes=70), failing, seq=5)
    poll = decision.poll
    assert (poll.head, poll.head_at, poll.full_at, poll.body_hash) == (5, NOW, NOW, body_hash(RSS))
    assert poll.validators == Validators(FEED_URL, '"v2"', "Mon")
    assert (poll.last_checked, poll.last_success, poll.failing_since) == (NOW, NOW, None)
    assert (poll.errors, poll.error_code, poll.error, poll.paused) == (0, None, None, None)
    assert poll.fetches == (FetchLine(at=NOW, status=200, bytes=70, took_ms=40, seq=5),)
    assert (decision.hold_host_until, decision.is_unavailable) == (0, False)


def test_head_time_never_decreases() -> None:
    ahead = replace(KNOWN, head_at=NOW + MINUTE)
    assert decided(fetched(RSS), ahead, seq=5).poll.head_at == NOW + MINUTE


def test_incomplete_document_leaves_no_validators() -> None:
    assert decided(fetched(RSS, headers={"etag": '"v2"'}, truncated=True), seq=5).poll.validators is None
    assert decided(fetched(RSS), seq=5).poll.validators is None


def test_unmodified_document_keeps_validators_and_head() -> None:
    poll = decided(not_modified()).poll
    assert (poll.validators, poll.body_hash, poll.head, poll.full_at) == (VALIDATORS, "h", 4, NOW - HOUR)
    assert (poll.last_success, poll.fetches[0].status) == (NOW, 304)


def test_first_failure_begins_the_failing_time() -> None:
    first = decided(fetch_failed("dns")).poll
    assert (first.errors, first.error_code, first.error, first.failing_since) == (
        1,
        "dns",
        "The fetch failed (dns).",
        NOW,
    )
    second = decided(fetch_failed("timeout"), first, now=NOW + HOUR).poll
    assert (second.errors, second.error_code, second.failing_since) == (2, "timeout", NOW)
    assert second.last_success == KNOWN.last_success


def test_failures_back_off_to_at_most_a_day() -> None:
    poll, waits = KNOWN, []
    for _ in range(12):
        poll = decided(fetch_failed(), poll).poll
        waits.append(poll.next_check - NOW)
    assert waits == sorted(waits)
    assert 300 * SECOND <= waits[0] <= 330 * SECOND
    assert 23 * HOUR <= waits[-1] <= DAY


def test_gone_feed_is_paused() -> None:
    poll = decided(fetch_failed("http_status", status=410)).poll
    assert poll.paused is not None
    assert decided(fetch_failed("http_status", status=404)).poll.paused is None


def test_too_many_requests_holds_the_host() -> None:
    busy = fetch_failed("http_status", status=429)
    assert decided(replace(busy, headers={"retry-after": "120"})).hold_host_until == NOW + 120 * SECOND
    assert decided(busy).hold_host_until == NOW + 300 * SECOND
    assert decided(busy, replace(KNOWN, errors=2)).hold_host_until == NOW + 1200 * SECOND
    assert not decided(busy).is_unavailable


def test_503_is_unavailable_and_holds_nothing_yet() -> None:
    decision = decided(fetch_failed("http_status", status=503))
    assert (decision.is_unavailable, decision.hold_host_until) == (True, 0)


@pytest.mark.parametrize("outcome", [fetched(RSS), not_modified(), fetch_failed()], ids=["200", "304", "failure"])
def test_retry_after_is_the_earliest_next_check(outcome: Outcome) -> None:
    slow = replace(outcome, headers={"retry-after": str(12 * 3600)})
    assert decided(slow).poll.next_check >= NOW + 12 * HOUR


def test_adopted_url_is_dropped_after_five_failures() -> None:
    poll = replace(KNOWN, adopted_url=MOVED)
    for number in range(1, FAILURES_BEFORE_RETURN + 1):
        poll = decided(fetch_failed(), poll).poll
        given_up = number == FAILURES_BEFORE_RETURN
        assert (poll.adopted_url, poll.validators) == ((None, None) if given_up else (MOVED, VALIDATORS))


def test_html_page_is_an_error() -> None:
    poll = decided(fetched(b"<!doctype html><html></html>", headers={"etag": '"v2"'}), seq=5).poll
    assert (poll.error_code, poll.errors, poll.validators, poll.head) == ("html_page", 1, None, 5)
    assert poll.last_success == KNOWN.last_success


def test_unchanged_refused_document_stays_an_error() -> None:
    refused = FoldState(refused_seq=KNOWN.head, refused_code="not_a_feed", refused="No feed.")
    poll = decided(fetched(RSS), fold=refused).poll
    assert (poll.error_code, poll.error, poll.errors) == ("not_a_feed", "No feed.", 1)


def test_document_after_a_refused_one_is_parsed_whole() -> None:
    refused = FoldState(refused_seq=KNOWN.head, refused_code="not_a_feed", refused="No feed.")
    broken = b"<rss" + b" " * 50 + b"\x00"
    assert decided(fetched(RSS), fold=refused, seq=5).poll.error_code is None
    assert decided(fetched(broken), fold=refused, seq=5).poll.error_code is not None
    assert decided(fetched(broken), seq=5).poll.error_code is None  # only its first bytes are checked


# --- moves ---

REDIRECTED = fetched(RSS, final_url=MOVED, hops=(Hop(301, MOVED),))
SHARES = FoldState(shared_url=MOVED)


@pytest.mark.parametrize(
    ("sightings", "hours", "fold", "is_adopted"),
    [
        (2, 48, SHARES, True),
        (9, 48, SHARES, True),
        (1, 48, SHARES, False),
        (2, 47, SHARES, False),
        (2, 48, FoldState(shared_url=FEED_URL), False),
    ],
)
def test_move_is_adopted_after_3_sightings_in_48_hours(
    sightings: int, hours: int, fold: FoldState, is_adopted: bool
) -> None:
    seen = replace(KNOWN, move=Move(MOVED, NOW - hours * HOUR, sightings))
    poll = decided(REDIRECTED, seen, fold, seq=5).poll
    if is_adopted:
        assert (poll.adopted_url, poll.move) == (MOVED, None)
    else:
        assert (poll.adopted_url, poll.move) == (None, Move(MOVED, NOW - hours * HOUR, sightings + 1))


def test_another_target_or_none_restarts_the_sightings() -> None:
    seen = replace(KNOWN, move=Move("https://third.example/", NOW - 9 * DAY, 9))
    assert decided(REDIRECTED, seen, SHARES, seq=5).poll.move == Move(MOVED, NOW, 1)
    assert decided(fetched(RSS), seen, SHARES, seq=5).poll.move is None


# --- any outcome ---

outcomes = st.one_of(
    st.builds(
        fetched,
        st.sampled_from([RSS, b"", b"<html>", b"<rss", b"{}"]),
        headers=st.sampled_from(
            [{}, {"etag": '"v"'}, {"retry-after": "9999999"}, {"cache-control": "max-age=9999999"}]
        ),
        hops=st.sampled_from([(), (Hop(301, MOVED),)]),
    ),
    st.builds(not_modified, headers=st.sampled_from([{}, {"retry-after": "soon"}])),
    st.builds(
        fetch_failed,
        st.sampled_from(["dns", "http_status"]),
        status=st.sampled_from([None, 404, 410, 429, 500, 503]),
        headers=st.sampled_from([{}, {"retry-after": "60"}]),
    ),
)


@given(st.lists(st.tuples(outcomes, st.booleans(), st.integers(0, 3 * DAY)), max_size=30))
def test_every_sequence_of_outcomes_keeps_the_rules(steps: list[tuple[Outcome, bool, int]]) -> None:
    poll, now = PollState(), NOW
    for outcome, is_new, wait in steps:
        now += wait
        seq = poll.head + 1 if is_new and isinstance(outcome, Fetched) else None
        decision = decided(outcome, poll, seq=seq, now=now)
        after = decision.poll
        assert now + LIMITS.minimum_s * SECOND <= after.next_check <= now + DAY + 300 * SECOND
        assert (after.errors == 0) == (after.error_code is None) == (after.failing_since is None)
        assert (after.errors == 0) == (after.last_success == now) or wait == 0
        assert (after.head, after.head_at) == (poll.head if seq is None else seq, max(poll.head_at, after.head_at))
        assert after.fetches == (after.fetches[0], *poll.fetches)[:MAX_FETCH_LINES]
        assert after.last_checked == after.fetches[0].at == now
        assert decision.hold_host_until == 0 or now < decision.hold_host_until <= now + DAY
        poll = after
