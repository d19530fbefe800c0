"""Read dates as feeds write them, into an instant with its precision. Wrong is worse than nothing: in doubt, return None.

feedparser is not used for dates. It reads `2025/09/19 12:00` as 1 November, epoch seconds as the year 1758, and CEST, BST
and IST as UTC. It does not read dates without a zone, with dots or slashes, or in other languages than English.

A date that could mean several days (`03/04/2025`, `24 listopada`) is read if its weekday, or its language, decides.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Struct

from newswire.analysis import fold
from newswire.clock import Instant, from_datetime, is_in_calendar
from newswire.ingest.parse.calendar_names import MONTHS, MONTHS_BY_LANGUAGE, WEEKDAYS
from newswire.model import Precision


class ReadDate(Struct, frozen=True, gc=False):
    """An instant in UTC, and the precision of the text it was read from; a day without a time is its midnight in UTC."""

    at: Instant
    precision: Precision


# Zone abbreviations in feeds, in hours from UTC. Of several meanings, the one that news publishers use.
# RFC 822 section 5.1 defines the North American ones and UT, GMT, Z.
_ZONE_HOURS = {
    # RFC 5322 section 4.3: RFC 822 defined the military letters wrongly, so they only mean an unknown zone.
    **dict.fromkeys("abcdefghiklmnopqrstuvwxyz", 0.0),
    **dict.fromkeys(("ut", "utc", "gmt", "gm", "wet", "azost"), 0.0),
    **dict.fromkeys(("bst", "cet", "met", "mez", "west", "wat"), 1.0),
    **dict.fromkeys(("cest", "mest", "mesz", "eet", "sast", "cat"), 2.0),
    **dict.fromkeys(("eest", "msk", "fet", "eat", "trt", "idt", "ast3"), 3.0),
    **dict.fromkeys(("msd", "gst", "samt", "azt", "get"), 4.0),
    **dict.fromkeys(("pkt", "uzt", "yekt"), 5.0),
    **dict.fromkeys(("irst",), 3.5),
    **dict.fromkeys(("mmt",), 6.5),
    **dict.fromkeys(("ist",), 5.5),
    **dict.fromkeys(("npt",), 5.75),
    **dict.fromkeys(("wib", "ict"), 7.0),
    **dict.fromkeys(("hkt", "sgt", "awst", "pht", "wita", "myt"), 8.0),
    **dict.fromkeys(("jst", "kst", "wit"), 9.0),
    **dict.fromkeys(("acst",), 9.5),
    **dict.fromkeys(("aest",), 10.0),
    **dict.fromkeys(("acdt",), 10.5),
    **dict.fromkeys(("aedt",), 11.0),
    **dict.fromkeys(("nzst",), 12.0),
    **dict.fromkeys(("nzdt",), 13.0),
    **dict.fromkeys(("brt", "art", "uyt", "clst"), -3.0),
    "brst": -2.0,
    **dict.fromkeys(("ndt",), -2.5),
    **dict.fromkeys(("nst",), -3.5),
    **dict.fromkeys(("adt",), -3.0),
    **dict.fromkeys(("ast", "edt", "clt", "bot", "vet", "pyt"), -4.0),
    **dict.fromkeys(("est", "cdt", "pet", "cot", "ect"), -5.0),
    **dict.fromkeys(("cst", "mdt"), -6.0),
    **dict.fromkeys(("mst", "pdt"), -7.0),
    **dict.fromkeys(("pst", "akdt"), -8.0),
    **dict.fromkeys(("akst",), -9.0),
    **dict.fromkeys(("hst",), -10.0),
}

# Names of zones of the United States without the letter that tells daylight saving time.
_ZONE_NAMES = {
    "et": "America/New_York",
    "ct": "America/Chicago",
    "mt": "America/Denver",
    "pt": "America/Los_Angeles",
}

# A text is in lower case, with single spaces. A fragment `(?P<name>…)` occurs once in a pattern.
_WEEKDAY = (
    r"(?:(?:(?P<weekday>[^\d\s,.()/:+-]{2,15}(?:[ -][^\d\s,.()/:+-]{2,12})?)\.?(?:\s*,\s*|\s+))?(?:den\s+|d\.\s*)?)"
)
_BEHIND = r"(?:\s*,?\s*\(?(?P<behind>[^\d\s,.()]{1,15}(?:-[^\d\s,.()]{2,10})?)\)?)?"
"""A weekday or a half of the day behind a date, as Hungarian, Lithuanian, Turkish, Chinese and Japanese have it."""
_NAME = r"(?P<name>[^\W\d_]+(?:['’][^\W\d_]+)?)"
_HALF = r"(?:\s*(?P<half>[ap])\.?\s?m\b\.?)"
_TIME = (
    r"(?P<hour>\d{1,2})(?:\s?[:.h]\s?(?P<minute>\d{2}|\d(?=:\d))(?:\s?[:.]\s?(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    + _HALF
    + r"?|\s?h\b|(?P<half2>\s*[ap]\.?\s?m\b\.?))"
)
_OFFSET_TEXT = r"(?:gmt|utc|ut|z)?\s*[+-]\s?\d{1,2}(?::?\d{2}){0,2}"
_ZONE = (
    r"(?:\s*(?:\[(?P<place>[a-z_]+(?:/[a-z0-9_+-]+){1,2})\]"
    r"|(?P<region>[a-z_]{2,20}(?:/[a-z0-9_+-]{2,30}){1,2})"
    r"|\((?P<comment>[a-z]{1,5})\)"
    r"|(?P<zone>" + _OFFSET_TEXT + r"|[a-z]{1,5})"
    r"(?:\s*\([^)]{0,40}\)?|\s*\[[a-z0-9_/+-]{1,40}\]|\s+[a-z]{2,5}(?:\s+m=[+-][\d.]+)?)?))?"
)
_YEAR_MARK = r"(?:\s*(?:г\.?|года|р\.|року|r\.|g\.|m\.|год\.?))?"
_JOIN = (
    r"(?:\s*[,|@•·-]?\s*(?:(?:at|à|a|à las|a las|às|alle|ore|um|om|kl|klo|kell|klockan|plkst|o|ob|u|ve|saat|в|о|у|ω|в)\b\.?)?\s*"
    r"(?:godz\.?\s*)?)"
)
_AFTER = r"(?:\s*(?:uhr|hrs?|hs|ч\.?|óra|h))?"
_CLOCK = r"(?:" + _JOIN + _TIME + _AFTER + _ZONE + r")?"

_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?(?:(?:t|\s*,\s*|\s)\s*"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    + _HALF
    + r"?"
    + _ZONE
    + r")?"
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})"
    r"(?:[t\s]?(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?" + _ZONE + r")?"
)
_DAY_FIRST = re.compile(
    _WEEKDAY
    + r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|re|a|e|\.|º|°|-a)?[\s./-]*(?:(?:de|del|of|a)\s+|d['’]|ta['’])?(?<!\d)"
    + _NAME
    + r"\.?,?[\s./-]+(?:(?:de|del)\s+)?(?P<year>\d{4}|['’]?\d{2})\b"
    + _YEAR_MARK
    + r"\.?,?"
    + r"(?:\s+(?!(?:at|alle|ore|klo|kell|klockan|plkst|saat|godz|kl)\b)(?P<behind>[^\d\s,.()]{3,15}),?(?=\s+\d|\Z))?"
    + _CLOCK
)
_MONTH_FIRST = re.compile(
    _WEEKDAY + _NAME + r"\.?[\s-]+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?[\s-]+(?P<year>\d{4})\b,?" + _CLOCK
)
_ASCTIME = re.compile(
    r"(?P<weekday>[^\W\d_]{2,9}),?\s+"
    + _NAME
    + r"\s+(?P<day>\d{1,2})\s+"
    + _TIME
    + r"\s+(?:(?P<zone>[a-z]{1,5}|[+-]\d{4})\s+)?(?P<year>\d{4})"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})[/.]\s?(?P<month>\d{1,2})[/.]\s?(?P<day>\d{1,2})\.?"
    + _BEHIND
    + r"(?:[\s,t]+"
    + _TIME
    + _ZONE
    + r")?"
)
_YEAR_NAME_DAY = re.compile(
    r"(?P<year>\d{4})\.?(?:\s*(?:m\.|gada|gads|urteko|ko))?[\s-]*"
    + _NAME
    + r"\.?[\s-]+(?P<day>\d{1,2})\.?(?:\s*(?:d\.|a|án|én|-a|-án|-én))?"
    + _BEHIND
    + r"(?:[t\s,]+"
    + _TIME
    + _ZONE
    + r")?"
)
_YEAR_DAY_NAME = re.compile(
    r"(?P<year>\d{4})\.?\s*(?:gada|gads)\s*(?P<day>\d{1,2})\.?\s*"
    + _NAME
    + r"(?:[\s,]+(?:plkst\.?\s*)?"
    + _TIME
    + _ZONE
    + r")?"
)
_EAST_ASIAN = re.compile(
    r"(?P<year>\d{4})\s?[年년]\s?(?P<month>\d{1,2})\s?[月월]\s?(?P<day>\d{1,2})\s?[日号號일]?\s?"
    r"(?:[(（]?(?:星期|周|週|礼拜)?[一二三四五六日天月火水木金土월화수목금토일](?:曜日|曜|요일)?[)）]?)?\s*,?\s*"
    r"(?:(?P<half>上午|下午|午前|午後|오전|오후|凌晨|早上|晚上|中午)?\s?"
    r"(?P<hour>\d{1,2})\s?[:：点點时時시]\s?(?:(?P<minute>\d{1,2})\s?(?:[分분]|[:：](?P<second>\d{1,2})|(?=\s|$|[a-z+-]))"
    r"(?:\s?(?P<second2>\d{1,2})\s?[秒초])?)?" + _ZONE + r")?"
)
_NUMBERS = re.compile(
    _WEEKDAY
    + r"(?P<first>\d{1,2})\s?(?P<mark>[/.-])\s?(?P<other>\d{1,2})\s?(?P=mark)\s?(?P<year>\d{4}|\d{2})\b\.?"
    + _YEAR_MARK
    + r",?"
    + _CLOCK
)
_EPOCH = re.compile(r"(?P<number>\d{9,10}|\d{13})(?:\.\d+)?")
_DOT_NET = re.compile(r"\\?/date\((?P<number>-?\d{1,14})(?:[+-]\d{4})?\)\\?/")
_OFFSET = re.compile(r"(?:gmt|utc|ut|z)?\s*(?P<sign>[+-])\s?(?P<hours>\d{1,2}):?(?P<minutes>\d{2})?(?::?\d{2})?")
_PATTERNS = (
    _ISO,
    _DAY_FIRST,
    _MONTH_FIRST,
    _ASCTIME,
    _YEAR_FIRST,
    _NUMBERS,
    _COMPACT,
    _YEAR_DAY_NAME,
    _YEAR_NAME_DAY,
    _EAST_ASIAN,
)

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{3})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)", re.ASCII)
_MAX_CHARACTERS = 100
_CENTURY_PIVOT = 69  # POSIX: the two-digit years 69 to 99 are in the last century
_MAX_OFFSET_HOURS = 15  # the widest offset in use is +14:00
_MONTHS_IN_YEAR = 12
_HOURS_ON_CLOCK = 12
_FIRST_NOON_HOUR = 11
_HALVES = {
    **dict.fromkeys(("am", "a.m", "上午", "午前", "오전", "凌晨", "早上", "de", "delelott"), "a"),
    **dict.fromkeys(("pm", "p.m", "下午", "午後", "오후", "du", "delutan"), "p"),
    **dict.fromkeys(("晚上",), "night"),
    **dict.fromkeys(("中午",), "noon"),
}
"""Halves of the day, folded: Hungarian, Chinese, Japanese and Korean name them before the time."""
_EAST_ASIAN_WEEKDAYS = frozenset("一二三四五六日天月火水木金土월화수목금토일")
_Day = tuple[int, int, int]


def read_feed_date(raw: str, lang: str | None = None) -> ReadDate | None:
    """Read a date as a feed writes it; return None if it is unreadable or ambiguous.

    `lang` is the language of the entry; it decides between months that one name has in several languages. A date without
    a zone is UTC: RFC 5322 section 3.3 requires a zone, and publishers that omit it mostly mean UTC. Fractions are cut to
    milliseconds. A leap second becomes the second after it.
    """
    if len(raw) > _MAX_CHARACTERS:
        return None
    if _RFC_3339.fullmatch(raw):  # by far the most common form in back-fills; the other path takes five times as long
        try:
            at = from_datetime(datetime.fromisoformat(raw))
        except ValueError:
            pass  # a leap second, which is read below, or a day that does not exist
        else:
            return ReadDate(at, "second") if is_in_calendar(at) else None
    return _read(
        " ".join(raw.translate(_DASHES).split()).replace("İ", "i").lower(), (lang or "").partition("-")[0].lower()
    )


@lru_cache(maxsize=4096)
def _read(text: str, lang: str) -> ReadDate | None:
    text = text.translate(_INVISIBLE)
    if not text or not text.isprintable():
        return None
    if match := _EPOCH.fullmatch(text):
        return _read_epoch(match["number"])
    if match := _DOT_NET.fullmatch(text):
        at = int(match["number"])
        return ReadDate(at, "second") if is_in_calendar(at) else None
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(text):
            return _build(match.groupdict(), lang)
    return None


_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))


def _read_epoch(digits: str) -> ReadDate | None:
    """Read seconds or milliseconds since 1970; nine or ten digits that begin with a day are ambiguous."""
    number = int(digits)
    if len(digits) > 10:  # noqa: PLR2004 - digits
        return ReadDate(number, "second")
    is_year = digits[:2] == "20" or (digits[:2] == "19" and len(digits) < 10)  # noqa: PLR2004 - ten digits 19… are 2030
    if is_year and _is_day(int(digits[:4]), int(digits[4:6]), int(digits[6:8])):
        return None
    return ReadDate(number * 1000, "second")


def _build(parts: dict[str, str | None], lang: str) -> ReadDate | None:
    """Return the date of the named parts of a pattern; None for parts that are out of their range."""
    if behind := parts.get("behind"):
        half = _HALVES.get(fold(behind))
        if half is None and fold(behind) not in WEEKDAYS and behind not in _EAST_ASIAN_WEEKDAYS:
            return None  # it may change the time
        parts = parts | {"half": half or parts.get("half")}
    day = _read_day(parts, lang)
    clock = _read_clock(parts)
    if day is None or clock is None:
        return None
    hour, minute, second = clock
    spill = timedelta()
    if hour == 24 and not minute and not second:  # noqa: PLR2004 - ISO 8601: 24:00 is the end of the day
        hour, spill = 0, timedelta(days=1)
    if second == 60:  # noqa: PLR2004 - a leap second
        second, spill = 59, timedelta(seconds=1)
    fraction = (parts.get("fraction") or "0").ljust(3, "0")[:3]
    try:
        zone = _read_zone(parts)
        if zone is None:
            return None
        local = datetime(*day, hour, minute, second, int(fraction) * 1000, tzinfo=zone)
        at = from_datetime(local.astimezone(UTC) + spill)
    except (ValueError, OverflowError):
        return None
    if not is_in_calendar(at):
        return None
    has_second = (parts.get("second") or parts.get("second2")) is not None
    precision: Precision = "day" if parts.get("hour") is None else "second" if has_second else "minute"
    return ReadDate(at, precision)


def _read_clock(parts: dict[str, str | None]) -> tuple[int, int, int] | None:
    """Return hour, minute and second, with the halves of the day resolved; None for an hour that no clock face has."""
    second = parts.get("second") or parts.get("second2")
    hour, minute = int(parts.get("hour") or 0), int(parts.get("minute") or 0)
    half = (parts.get("half") or parts.get("half2") or "").strip()
    if half:
        is_latin = half[0] in "ap"
        half = "p" if half[0] == "p" else "a" if half[0] == "a" else _HALVES.get(half, half)
        if is_latin and not 0 <= hour <= _HOURS_ON_CLOCK:
            return None
        if half == "night" and hour == _HOURS_ON_CLOCK:
            return None  # noon, or the beginning of the next day
        is_noon = half == "noon" and hour >= _FIRST_NOON_HOUR
        if hour <= _HOURS_ON_CLOCK and not is_noon:
            hour = hour % _HOURS_ON_CLOCK + (0 if half == "a" else _HOURS_ON_CLOCK)
    return hour, minute, int(second or 0)


def _read_day(parts: dict[str, str | None], lang: str) -> _Day | None:
    """Return year, month and day, not checked against the calendar; None if they are ambiguous, or no date at all."""
    days = _possible_days(parts, lang)
    if len(days) < 2:  # noqa: PLR2004 - nothing to choose from
        return days[0] if days else None
    weekday = parts.get("weekday") or parts.get("behind") or ""
    weekdays = WEEKDAYS.get(fold(weekday.rstrip(".")), ())
    right = [day for day in days if _is_day(*day) and datetime(*day, tzinfo=UTC).weekday() in weekdays]
    return right[0] if len(right) == 1 else None


def _possible_days(parts: dict[str, str | None], lang: str) -> list[_Day]:
    """Return the days that a date may mean."""
    digits = (parts.get("year") or "").strip("'’")
    is_short = len(digits) == 2  # noqa: PLR2004 - digits
    year = _whole_year(int(digits)) if is_short else int(digits)
    if name := parts.get("name"):
        return [(year, month, int(parts["day"] or 0)) for month in _months_of(name, lang)]
    if number := parts.get("first"):
        first, second, mark = int(number), int(parts["other"] or 0), parts["mark"]
        if mark == ".":
            is_year_first = is_short and lang in {"ko", "ja", "zh"}
            return [(_whole_year(first), second, int(digits))] if is_year_first else [(year, second, first)]
        days = [(year, second, first), (year, first, second)]
        if is_short:
            days.append((_whole_year(first), second, int(digits)))
        return list(dict.fromkeys(day for day in days if _is_day(*day)))
    return [(year, int(parts["month"] or 0), int(parts.get("day") or 1))]


def _whole_year(year: int) -> int:
    return year + (1900 if year >= _CENTURY_PIVOT else 2000)


def _is_day(year: int, month: int, day: int) -> bool:
    return 1 <= month <= _MONTHS_IN_YEAR and 1 <= day <= monthrange(max(1, min(year, 9999)), month)[1]


def _months_of(name: str, lang: str) -> list[int]:
    """Return the months that a name means: in its language if that is known, else in all."""
    folded = fold(name).replace("ß", "ss").strip(" .'’")
    if month := MONTHS.get(folded):
        return [month]
    by_language = MONTHS_BY_LANGUAGE.get(folded, {})
    if lang in by_language:
        return [by_language[lang]]
    return sorted(set(by_language.values()))


def _read_zone(parts: dict[str, str | None]) -> tzinfo | None:
    """Return the zone: UTC without one, None for an unknown abbreviation or an impossible offset.

    Raises `ValueError` for a name that is not in the tz database.
    """
    if parts.get("zone") is None:
        name = parts.get("place") or parts.get("region")
        if name:
            return _zone_of(name)
        return _read_offset(parts.get("comment"))
    return _read_offset(parts.get("zone"))


@lru_cache(maxsize=512)
def _zone_of(name: str) -> tzinfo | None:
    """Return a zone of the tz database by its name in lower case; None for an unknown one."""
    known = _zones_by_lower_name().get(name)
    return ZoneInfo(known) if known else None


@lru_cache(maxsize=1)
def _zones_by_lower_name() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def _read_offset(zone: str | None) -> tzinfo | None:
    """Return the zone of an offset or an abbreviation: UTC for none, None for what is unknown or impossible."""
    if not zone:
        return UTC
    text = zone.strip()
    if text in _ZONE_HOURS:
        return timezone(timedelta(hours=_ZONE_HOURS[text]))
    if text in _ZONE_NAMES:
        return ZoneInfo(_ZONE_NAMES[text])
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    if hours > _MAX_OFFSET_HOURS or minutes > 59:  # noqa: PLR2004 - minutes of an hour
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if match["sign"] == "-" else offset)
