"""The view of the search form: the value and the problems of each field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from newswire import analysis
from newswire.clock import Instant
from newswire.engines import Facet
from newswire.model import FeedStatus
from newswire.search.dates import read_zone, utc
from newswire.search.parameter_reader import ParameterReader, Problem, included_list, quoted_list, unescape_value
from newswire.search.parameters import PARAMETER, PARAMETERS, Parameter
from newswire.search.request import SearchRequest
from newswire.web.pages.addresses import change_query
from newswire.web.pages.item_rows import feed_title
from newswire.web.pages.moments import local

MAX_FEED_CHOICES = 20
"""Maximum feeds with a checkbox; a text field takes the ids of others."""
LABELS = {parameter.name: parameter.label for parameter in PARAMETERS if parameter.label}
"""The labels of the form's fields; a parameter without a label has no field."""
VISIBLE_FIELDS = ("q", "from", "to", "tz", "sort")
"""The fields that are always visible; the others are folded while all of them are empty."""
ZONES = (
    "UTC", "Europe/London", "Europe/Lisbon", "Europe/Brussels", "Europe/Paris", "Europe/Berlin", "Europe/Madrid",
    "Europe/Rome", "Europe/Warsaw", "Europe/Vilnius", "Europe/Helsinki", "Europe/Athens", "Europe/Kyiv",
    "Europe/Istanbul", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Toronto", "America/Sao_Paulo", "Africa/Cairo", "Africa/Lagos", "Africa/Nairobi", "Asia/Jerusalem",
    "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Shanghai", "Asia/Seoul", "Asia/Tokyo", "Australia/Sydney",
    "Pacific/Auckland",
)  # fmt: skip
"""The suggestions for the time zone; any name of the IANA database is accepted."""


class Option(Struct, frozen=True):
    """A word that a field offers."""

    value: str
    """Empty for the default."""
    text: str
    is_on: bool


class FeedChoice(Struct, frozen=True):
    """A feed with a checkbox."""

    value: str
    title: str
    is_on: bool


class RangeLink(Struct, frozen=True):
    """A link to a preset range."""

    text: str
    href: str
    is_on: bool


class SearchForm(Struct, frozen=True):
    """The form as it was sent, with the problems of each field."""

    values: Mapping[str, str]
    problems: Mapping[str, Sequence[Problem]]
    hidden: Mapping[str, str]
    """Filters without a field of their own; the form keeps them."""
    feeds: tuple[FeedChoice, ...]
    other_feeds: str
    """The values of `feed` without a checkbox, as a list parameter."""
    has_other_feeds: bool
    ranges: tuple[RangeLink, ...]
    labels: Mapping[str, str]
    defaults: Mapping[str, str]
    """What applies where a field is empty."""
    options: Mapping[str, Sequence[Option]]
    """The options of each field that offers words."""
    zones: Sequence[str]

    @property
    def is_open(self) -> bool:
        """Return whether a folded field has a value or a problem."""
        return bool(({*self.values, *self.problems} & LABELS.keys()) - {*VISIBLE_FIELDS})


def form_view(
    parameters: Mapping[str, str],
    statuses: Mapping[str, FeedStatus],
    now: Instant,
    request: SearchRequest | None = None,
    feed_facet: Facet | None = None,
    problems: Iterable[Problem] = (),
) -> SearchForm:
    """Return the form for the sent parameters; pass `problems` instead of `request` if they are wrong.

    The requested feeds come first, then the feeds with most results, then the others by id.
    """
    zone = request.tz if request else read_zone(parameters.get("tz", PARAMETER["tz"].default)) or utc()
    raws = ParameterReader({"feed": [parameters["feed"]]}, ("feed",)).values_of("feed") if "feed" in parameters else ()
    chosen = {raw: analysis.fold_whole(unescape_value(raw)) for raw in raws if not raw.startswith("-")}
    by_results = (value.value for value in feed_facet.values) if feed_facet else ()
    order = dict.fromkeys(feed for feed in (*chosen.values(), *by_results, *statuses) if feed in statuses)
    offered = list(order)[:MAX_FEED_CHOICES]
    others = quoted_list([raw for raw in raws if chosen.get(raw) not in offered])
    by_field: dict[str, list[Problem]] = {}
    for problem in problems:
        by_field.setdefault(problem.param, []).append(problem)
    if "feed" in by_field and not raws:  # its quoting is wrong
        others = parameters["feed"]
    return SearchForm(
        values=parameters,
        problems=by_field,
        hidden={
            name: parameters[name]
            for name in ("category", "author", "lang")
            if name in parameters and name not in by_field
        },
        feeds=tuple(
            FeedChoice(included_list([feed]), feed_title(feed, statuses), feed in chosen.values()) for feed in offered
        ),
        other_feeds=others,
        has_other_feeds=len(order) > len(offered) or bool(others),
        ranges=_ranges(parameters, zone, now),
        labels=LABELS,
        defaults={name: PARAMETER[name].default for name in LABELS},
        options={name: _options(PARAMETER[name], parameters.get(name, "")) for name in LABELS},
        zones=ZONES,
    )


def _options(parameter: Parameter, chosen: str) -> tuple[Option, ...]:
    """Return what the field of a `choice` offers: the default, each other word with a text, and the word sent."""
    texts = parameter.option_labels
    words = [word for word in ("", *parameter.allowed) if word in texts or word == chosen]
    return tuple(Option(word, texts.get(word, word), word == chosen) for word in words)


def _ranges(parameters: Mapping[str, str], zone: ZoneInfo, now: Instant) -> tuple[RangeLink, ...]:
    """Return the preset ranges."""
    year = local(now, zone).year
    presets: tuple[tuple[str, str | None, str | None], ...] = (
        ("Today", "today", "today"),
        ("7 days", "P7D", None),
        ("30 days", "P30D", None),
        (f"{year}", f"{year:04d}", None),
        ("Any time", None, None),
    )
    current = (parameters.get("from"), parameters.get("to"))
    return tuple(
        RangeLink(text, change_query(parameters, from_=start, to=end), current == (start, end))
        for text, start, end in presets
    )
