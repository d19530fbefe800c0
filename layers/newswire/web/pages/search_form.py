"""The form of a search: what was sent comes in, what stands in each field and what is wrong with it goes out. Pure."""

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
from newswire.search.parameters import PARAMETERS
from newswire.search.request import SearchRequest
from newswire.web.pages.addresses import address_of
from newswire.web.pages.item_rows import feed_title
from newswire.web.pages.moments import local

MOST_FEEDS = 20
"""So many feeds are offered as checkboxes; others are named in a field of their own."""
LABELS = {parameter.name: parameter.label for parameter in PARAMETERS if parameter.label}
"""The labels of the form's fields; a parameter without a label has no field."""
AT_ONCE = ("q", "from", "to", "tz", "sort")
"""The fields that are always seen; the others are folded away until one of them says something."""
ZONES = (
    "UTC", "Europe/London", "Europe/Lisbon", "Europe/Brussels", "Europe/Paris", "Europe/Berlin", "Europe/Madrid",
    "Europe/Rome", "Europe/Warsaw", "Europe/Vilnius", "Europe/Helsinki", "Europe/Athens", "Europe/Kyiv",
    "Europe/Istanbul", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Toronto", "America/Sao_Paulo", "Africa/Cairo", "Africa/Lagos", "Africa/Nairobi", "Asia/Jerusalem",
    "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Shanghai", "Asia/Seoul", "Asia/Tokyo", "Australia/Sydney",
    "Pacific/Auckland",
)  # fmt: skip
"""What the field of the time zone suggests; any name of the IANA database may be typed."""


class FeedChoice(Struct, frozen=True):
    """A feed that can be ticked."""

    value: str
    title: str
    is_on: bool


class RangeLink(Struct, frozen=True):
    """A range of time that is one click away."""

    text: str
    href: str
    is_on: bool


class SearchForm(Struct, frozen=True):
    """The form as it was sent, with what is wrong beside each field."""

    values: Mapping[str, str]
    problems: Mapping[str, Sequence[Problem]]
    hidden: Mapping[str, str]
    """What the search is narrowed to and no field shows."""
    feeds: tuple[FeedChoice, ...]
    other_feeds: str
    """What is asked of feeds beyond the checkboxes, as it is written in an address."""
    has_other_feeds: bool
    ranges: tuple[RangeLink, ...]
    labels: Mapping[str, str]
    zones: Sequence[str]

    @property
    def is_open(self) -> bool:
        """Say whether something is set or wrong that is not seen at once."""
        return bool(({*self.values, *self.problems} & LABELS.keys()) - {*AT_ONCE})


def form_view(
    parameters: Mapping[str, str],
    statuses: Mapping[str, FeedStatus],
    now: Instant,
    request: SearchRequest | None = None,
    found: Facet | None = None,
    problems: Iterable[Problem] = (),
) -> SearchForm:
    """Fill the form with what was sent; without a request it was not understood, and `problems` say why.

    Feeds that are asked for come first, then those of which most was found, then the others by id.
    """
    zone = request.tz if request else read_zone(parameters.get("tz", "")) or utc()
    raws = ParameterReader({"feed": [parameters["feed"]]}, ("feed",)).values_of("feed") if "feed" in parameters else ()
    chosen = {raw: analysis.fold_whole(unescape_value(raw)) for raw in raws if not raw.startswith("-")}
    most_found = (one.value for one in found.values) if found else ()
    order = dict.fromkeys(feed for feed in (*chosen.values(), *most_found, *statuses) if feed in statuses)
    offered = list(order)[:MOST_FEEDS]
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
        zones=ZONES,
    )


def _ranges(parameters: Mapping[str, str], zone: ZoneInfo, now: Instant) -> tuple[RangeLink, ...]:
    """Offer the ranges of time that are asked for most."""
    year = local(now, zone).year
    offered: tuple[tuple[str, str | None, str | None], ...] = (
        ("Today", "today", "today"),
        ("7 days", "P7D", None),
        ("30 days", "P30D", None),
        (f"{year}", f"{year:04d}", None),
        ("Any time", None, None),
    )
    asked = (parameters.get("from"), parameters.get("to"))
    return tuple(
        RangeLink(text, address_of(parameters, from_=start, to=end), asked == (start, end))
        for text, start, end in offered
    )
