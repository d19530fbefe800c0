"""The fold: rules and generated logs."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.ingest.fold import is_split_by_title, step
from newswire.ingest.identity import wanted_ids
from newswire.ingest.item import candidates_of
from newswire.model import Document, Entry, FoldState, Item, ItemState, Markup, Reading, Record, Refusal
from tests import factories
from tests.factories import entry

HOUR = 3_600_000
START = 1_763_985_600_000


def record(seq: int, kind: str = "document", at: int | None = None) -> Record:
    """Return a record that was fetched `seq` hours after `START`, or at the given instant."""
    return factories.record(seq, feed="f", kind=kind, fetched_at=START + seq * HOUR if at is None else at)


class Fold:
    """Fold documents one by one into its own store, as indexing does."""

    def __init__(self) -> None:
        self.fold = FoldState()
        self.states: dict[str, ItemState] = {}
        self.items: dict[str, Item] = {}
        self.writes = 0
        self.seq = 0

    def take(self, *entries: Entry, kind: str = "document", refused: bool = False, at: int | None = None) -> "Fold":
        self.seq += 1
        self.apply(record(self.seq, kind, at), entries, refused=refused)
        return self

    def apply(self, rec: Record, entries: tuple[Entry, ...], *, refused: bool = False, save: bool = True) -> None:
        document = Document(kind="rss20", entries=entries)
        candidates = tuple(candidates_of(document, "f", rec.fetched_at))
        reading = Reading(document, None, len(entries), candidates)
        if refused:
            reading = Reading(refusal=Refusal("not_a_feed", "no"))
        stored_states: dict[str, ItemState | None] = {}
        while missing_ids := wanted_ids(reading.candidates, stored_states, by_title=is_split_by_title(rec)):
            stored_states.update({id_: self.states.get(id_) for id_ in missing_ids})
        folded = step(self.fold, rec, reading, stored_states)
        for write in folded.writes:
            self.items[write.item.id] = write.item
        self.writes += len(folded.writes)
        self.states.update(folded.states)
        if save:
            self.fold = folded.fold

    def one(self) -> Item:
        assert len(self.items) == 1
        return next(iter(self.items.values()))


def test_an_unchanged_document_writes_nothing() -> None:
    fold = Fold().take(entry()).take(entry())
    assert fold.writes == 1
    assert fold.one().revision == 1


def test_a_changed_title_is_a_revision_of_the_same_item() -> None:
    item = Fold().take(entry()).take(entry(title="Two")).one()
    assert (item.title, item.revision, item.first_seen, item.changed) == ("Two", 2, START + HOUR, START + 2 * HOUR)


def test_a_changed_link_is_a_revision_of_the_same_item() -> None:
    assert Fold().take(entry()).take(entry(link="https://a.example/other")).one().revision == 2


def test_a_changed_date_is_a_revision_of_the_same_item() -> None:
    item = Fold().take(entry()).take(entry(date="2025-11-02T10:00:00Z")).one()
    assert (item.published_raw, item.revision) == ("2025-11-02T10:00:00Z", 2)


def test_undated_item_keeps_its_first_seen_time() -> None:
    item = Fold().take(entry(date="")).take(entry(date="", title="Edited")).one()
    assert (item.published, item.date_flags) == (START + HOUR, ("undated",))


def test_later_date_replaces_the_first_seen_time() -> None:
    item = Fold().take(entry(date="")).take(entry()).one()
    assert (item.published_source, item.revision) == ("pubDate", 2)


def test_removed_date_is_kept_without_a_revision() -> None:
    fold = Fold().take(entry()).take(entry(date=""))
    assert fold.writes == 1
    item = fold.take(entry(date="", title="Edited")).one()
    assert (item.published_raw, item.revision) == ("2025-11-01T10:00:00Z", 2)


def test_returning_item_is_not_new() -> None:
    fold = Fold().take(entry()).take(entry("2", "https://a.example/2")).take(entry())
    assert fold.writes == 2
    assert fold.fold.items == 2


def test_future_date_is_ignored_until_it_is_plausible() -> None:
    fold = Fold().take(entry(date="2025-12-24T10:00:00Z"))
    assert (fold.one().published, fold.one().date_flags) == (START + HOUR, ("future",))
    late = fold.take(entry(date="2025-12-24T10:00:00Z", title="Edited"), at=START + 40 * 24 * HOUR).one()
    assert (late.published_source, late.date_flags) == ("pubDate", ())


def test_a_guid_on_several_links_is_split_and_stays_split() -> None:
    a, b = entry(link="https://a.example/a"), entry(link="https://a.example/b", title="B")
    fold = Fold().take(a, b)
    assert len(fold.items) == 2
    fold.take(b)
    fold.take(entry(link="https://a.example/b", title="B2"))
    assert sorted(item.title for item in fold.items.values()) == ["B2", "One"]


def test_the_entry_with_the_stored_link_keeps_the_plain_id() -> None:
    a, b = entry(link="https://a.example/a"), entry(link="https://a.example/b", title="B")
    fold = Fold().take(a)
    plain = fold.one().id
    fold.take(b, a)
    assert fold.items[plain].link == "https://a.example/a"
    assert len(fold.items) == 2


def test_duplicate_guid_and_link_keeps_the_later_date() -> None:
    later = entry(summary=Markup("Later"), date="2025-11-03T10:00:00Z")
    assert Fold().take(entry(), later).one().summary == "Later"
    assert Fold().take(later, entry()).one().summary == "Later"


def test_entries_with_one_identity_and_several_titles_are_split_and_stay_split() -> None:
    titles = ["Road A1 closed", "Road B2 closed", "ROAD  A1 closed"]
    fold = Fold().take(*(entry(title=title) for title in titles[:2]))
    assert sorted(item.title for item in fold.items.values()) == titles[:2]
    ids = set(fold.items)
    fold.take(entry(title=titles[1]))
    fold.take(entry(title=titles[0]), entry(title=titles[1]))
    fold.take(entry(title=titles[2]), entry(title="Road C3 closed"))
    assert ids < set(fold.items)
    assert sorted(item.title for item in fold.items.values()) == ["ROAD A1 closed", "Road B2 closed", "Road C3 closed"]


@pytest.mark.parametrize("known", [0, 1])
def test_known_title_keeps_the_id_when_another_one_appears(known: int) -> None:
    entries = [entry(title="First"), entry(title="Second")]
    fold = Fold().take(entries[known])
    plain = fold.one().id
    fold.take(*entries)
    assert fold.items[plain].title == entries[known].title.text
    assert fold.items[plain].revision == 1
    assert len(fold.items) == 2


@pytest.mark.parametrize("place", [0, 1])
def test_known_title_keeps_the_id_although_its_text_changed_at_the_same_time(place: int) -> None:
    fold = Fold().take(entry(title="Known", summary=Markup("old words")))
    plain = fold.one().id
    both = [entry(title="Other", summary=Markup("words")), entry(title="Known", summary=Markup("new words"))]
    fold.take(*both[place:], *both[:place])
    assert (fold.items[plain].title, fold.items[plain].summary) == ("Known", "new words")
    assert len(fold.items) == 2


def test_titles_are_told_apart_within_each_link_of_a_guid() -> None:
    pages = [("https://a.example/a", "One"), ("https://a.example/b", "Two"), ("https://a.example/b", "Three")]
    fold = Fold()
    for _ in range(3):
        fold.take(*(entry(link=link, title=title) for link, title in pages))
    assert sorted(item.title for item in fold.items.values()) == ["One", "Three", "Two"]
    assert fold.writes == 3


def test_entry_without_a_title_is_another_version_of_the_same_item() -> None:
    fold = Fold().take(entry(), entry(title=""))
    assert fold.one().title == "One"
    assert fold.fold.counts[0].merged == 1


@pytest.mark.parametrize(
    "entries",
    [
        [entry(title="A"), entry(title="", summary=Markup("text b")), entry(title="C")],
        [entry(title="", summary=Markup(text)) for text in ("one", "two", "three")],
        [entry(title=title) for title in ("C", "C++", "C#")],
        [entry(guid="", link="", title="", summary=Markup(text)) for text in ("one", "two", "three")],
        [entry(guid="", link="", title="Brief", summary=Markup(text)) for text in ("one", "two", "three")],
        [entry(guid="", title=title) for title in ("pêche", "péché", "peche")],
    ],
)
def test_stories_that_differ_are_different_items(entries) -> None:
    fold = Fold()
    for _ in range(3):
        fold.take(*entries)
    assert len(fold.items) == 3
    assert fold.writes == 3


def test_edited_title_in_the_next_document_is_a_revision() -> None:
    assert Fold().take(entry(title="One")).take(entry(title="Two")).one().revision == 2


def test_lines_of_a_load_are_not_split_by_title() -> None:
    assert Fold().take(entry(title="One"), entry(title="Two"), kind="load").one().title == "One"


def test_refused_document_only_advances_the_cursor() -> None:
    fold = Fold().take(entry()).take(refused=True)
    assert (fold.fold.cursor, fold.fold.refused_seq, fold.writes) == (2, 2, 1)
    assert fold.take(entry()).fold.refused_code is None


def test_loaded_line_never_overrides_a_document() -> None:
    assert Fold().take(entry()).take(entry(title="Loaded"), kind="load").one().title == "One"


def test_later_load_wins_and_a_document_overrides_loads() -> None:
    fold = Fold().take(entry(title="A"), kind="load").take(entry(title="B"), kind="load")
    assert (fold.one().title, fold.one().revision) == ("B", 2)
    fold.take(entry(title="C")).take(entry(title="D"), kind="load")
    assert fold.one().title == "C"


def test_new_extraction_version_rewrites_without_a_revision(monkeypatch) -> None:
    fold = Fold().take(entry())
    monkeypatch.setattr("newswire.ingest.fold.EXTRACTION", 99)
    fold.take(entry())
    assert (fold.writes, fold.one().revision, fold.one().changed) == (2, 1, START + HOUR)


def test_gap_is_recorded_when_documents_share_nothing() -> None:
    first = [entry(str(n), f"https://a.example/{n}") for n in range(10)]
    second = [entry(str(n), f"https://a.example/{n}") for n in range(20, 30)]
    fold = Fold().take(*first).take(*second)
    assert len(fold.fold.gaps) == 1
    overlapping = [entry(str(n), f"https://a.example/{n}") for n in range(29, 39)]
    assert len(fold.take(*overlapping).fold.gaps) == 1


def test_pinned_entries_do_not_hide_a_gap() -> None:
    pin = entry("pin", "https://a.example/pin")
    fold = Fold()
    for n in range(12):
        fold.take(pin, *[entry(str(k), f"https://a.example/{k}") for k in range(n, n + 9)])
    assert fold.fold.gaps == ()
    fold.take(pin, *[entry(str(k), f"https://a.example/{k}") for k in range(100, 109)])
    assert len(fold.fold.gaps) == 1


_dates = st.sampled_from(["", "soon", "2025-11-01T10:00:00Z", "2025-11-02T10:00:00Z", "2031-01-01T00:00:00Z"])
_entries = st.builds(
    lambda guid, link, title, date: entry(guid, f"https://a.example/{link}" if link else "", title, date),
    st.sampled_from(["", "1", "2", "3"]),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["One", "Two", "Three"]),
    _dates,
)
_documents = st.lists(
    st.tuples(st.lists(_entries, max_size=5), st.sampled_from(["document", "document", "load"]), st.booleans()),
    max_size=8,
)


@given(_documents, st.data())
def test_replay_after_a_lost_cursor_gives_the_same_items(documents, data) -> None:
    straight = Fold()
    for entries, kind, odd in documents:
        straight.take(*entries, kind=kind, refused=odd and not entries)
    replayed = Fold()
    seq = 0
    while seq < len(documents):
        entries, kind, odd = documents[seq]
        lost = data.draw(st.booleans(), label="the cursor is lost")
        rec = record(seq + 1, kind)
        refused = odd and not entries
        replayed.apply(rec, tuple(entries), refused=refused, save=not lost)  # states are saved, the cursor is not
        if lost:
            replayed.apply(rec, tuple(entries), refused=refused)
        seq += 1
    assert replayed.items == straight.items
    assert replayed.states == straight.states
    assert replayed.fold == straight.fold
    assert len(straight.items) == straight.fold.items


@given(_documents)
def test_ids_and_first_seen_times_never_change(documents) -> None:
    fold = Fold()
    seen: dict[str, int] = {}
    for entries, kind, _odd in documents:
        fold.take(*entries, kind=kind)
        for id_, state in fold.states.items():
            assert seen.setdefault(id_, state.first_seen) == state.first_seen
        assert seen.keys() <= fold.states.keys()
    assert msgspec.json.encode(fold.fold)
