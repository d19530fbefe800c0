"""Read dates as feeds write them, into an instant with its precision. Wrong is worse than nothing: in doubt, return None.

feedparser is not used for dates. It reads `2025/09/19 12:00` as 1 November, epoch seconds as the year 1758, and CEST, BST
and IST as UTC. It does not read dates without a zone, with dots or slashes, or in other languages than English. A date
that could mean two days (`03/04/2025`) is not read here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from msgspec import Struct

from newswire.analysis import fold
from newswire.clock import Instant, from_datetime, is_in_calendar
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
    **dict.fromkeys(("eest", "msk", "eat", "trt", "idt", "ast3"), 3.0),
    **dict.fromkeys(("msd", "gst", "samt"), 4.0),
    **dict.fromkeys(("pkt", "uzt", "yekt"), 5.0),
    **dict.fromkeys(("irst",), 3.5),
    **dict.fromkeys(("ist",), 5.5),
    **dict.fromkeys(("npt",), 5.75),
    **dict.fromkeys(("wib", "ict"), 7.0),
    **dict.fromkeys(("hkt", "sgt", "awst", "pht", "wita"), 8.0),
    **dict.fromkeys(("jst", "kst"), 9.0),
    **dict.fromkeys(("acst",), 9.5),
    **dict.fromkeys(("aest",), 10.0),
    **dict.fromkeys(("acdt",), 10.5),
    **dict.fromkeys(("aedt",), 11.0),
    **dict.fromkeys(("nzst",), 12.0),
    **dict.fromkeys(("nzdt",), 13.0),
    **dict.fromkeys(("brt", "art"), -3.0),
    **dict.fromkeys(("ndt",), -2.5),
    **dict.fromkeys(("nst",), -3.5),
    **dict.fromkeys(("adt",), -3.0),
    **dict.fromkeys(("ast", "edt"), -4.0),
    **dict.fromkeys(("est", "cdt"), -5.0),
    **dict.fromkeys(("cst", "mdt"), -6.0),
    **dict.fromkeys(("mst", "pdt"), -7.0),
    **dict.fromkeys(("pst", "akdt"), -8.0),
    **dict.fromkeys(("akst",), -9.0),
    **dict.fromkeys(("hst",), -10.0),
}

# Names and abbreviations of months, folded, in English and in other languages of feeds.
_MONTH_NAMES = (
    "jan january janv janvier januar janner jaenner enero ene gennaio gen januari janeiro stycznia styczen sty leden ledna "
    "januara ianuarie ian ocak января январь янв січня",
    "feb february fev fevr fevrier februar febrero febbraio februari fevereiro lutego luty lut unor unora februara "
    "februarie subat февраля февраль фев лютого",
    "mar march mars marz maerz mrz marzo maart mrt marco marca marzec brezen brezna marec martie mart марта март мар березня",
    "apr april avr avril abril abr aprile kwietnia kwiecien kwi duben dubna aprila aprilie nisan апреля апрель апр квітня",
    "may mai mayo maggio mag mei maio maja maj kveten kvetna mayis мая май травня",
    "jun june juin juni junio giugno giu junho czerwca czerwiec cze cerven cervna juna iunie iun haziran июня июнь июн червня",
    "jul july juil juillet juli julio luglio lug julho lipca lipiec lip cervenec cervence jula iulie iul temmuz июля июль "
    "июл липня",
    "aug august aout aou agosto ago augustus sierpnia sierpien sie srpen srpna augusta avgust agustos август августа авг серпня",
    "sep sept september septembre septiembre settembre set setembro wrzesnia wrzesien wrz zari septembra septembrie eylul "
    "сентября сентябрь сен вересня",
    "oct october octobre oktober okt octubre ottobre ott outubro out pazdziernika pazdziernik paz rijen rijna oktobra "
    "octombrie ekim октября октябрь окт жовтня",
    "nov november novembre noviembre novembro listopada listopad lis novembra noiembrie noi kasim ноября ноябрь ноя листопада",
    "dec december decembre dezember dez diciembre dic dicembre desember dezembro grudnia grudzien gru prosinec prosince "
    "decembra decembrie aralik декабря декабрь дек грудня",
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}

_TIME = r"(?P<hour>\d{1,2})[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
_TIME_12 = _TIME + r"(?:\s*(?P<half>[ap])\.?m\.?)?"
_ZONE = r"(?:\s*(?P<zone>(?:gmt|utc|ut)?\s*[+-]\d{1,2}:?\d{0,2}|[a-z]{1,5})(?:\s*\(.{0,40}\))?)?"
_NAME = r"[^\W\d_]{3,12}"

_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?(?:[t\s]\s*"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?" + _ZONE + r")?"
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:t?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?"
    + _ZONE
    + r")?"
)
_DAY_FIRST = re.compile(
    r"(?:[^\W\d_]{2,12}\.?\s*,?\s+)?(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.)?[\s-]+(?:de\s+)?(?P<name>"
    + _NAME
    + r")\.?,?[\s-]+(?:de\s+)?"
    r"(?P<year>\d{4}|\d{2}),?(?:\s*(?:at|-|um|a)?\s*" + _TIME_12 + _ZONE + r")?"
)
_MONTH_FIRST = re.compile(
    r"(?:[^\W\d_]{2,12}\.?,?\s+)?(?P<name>" + _NAME + r")\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4}),?"
    r"(?:\s*(?:at|-)?\s*" + _TIME_12 + _ZONE + r")?"
)
_ASCTIME = re.compile(
    r"[^\W\d_]{3,9},?\s+(?P<name>"
    + _NAME
    + r")\s+(?P<day>\d{1,2})\s+"
    + _TIME
    + r"\s+(?:(?P<zone>[a-z]{1,5}|[+-]\d{4})\s+)?(?P<year>\d{4})"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})[/.](?P<month>\d{1,2})[/.](?P<day>\d{1,2})(?:[\s,t]+" + _TIME_12 + _ZONE + r")?"
)
_NUMBERS = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[/.-])(?P<other>\d{1,2})(?P=mark)(?P<year>\d{4})(?:[\s,]+" + _TIME_12 + _ZONE + r")?"
)
_EPOCH = re.compile(r"(?P<number>\d{9,10}|\d{12,13})(?:\.\d+)?")
_OFFSET = re.compile(r"(?:gmt|utc|ut)?\s*(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d{2})?")

_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{3})?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)", re.ASCII)
_MAX_CHARACTERS = 100
_CENTURY_PIVOT = 69  # POSIX: the two-digit years 69 to 99 are in the last century
_MAX_OFFSET_HOURS = 15  # the widest offset in use is +14:00


def read_feed_date(raw: str) -> ReadDate | None:
    """Read a date as a feed writes it; return None if it is unreadable or ambiguous.

    A date without a zone is UTC: RFC 5322 section 3.3 requires a zone, and publishers that omit it mostly mean UTC.
    Fractions are cut to milliseconds. A leap second becomes the second after it.
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
    return _read(" ".join(raw.replace("\u2212", "-").split()).lower())


@lru_cache(maxsize=4096)
def _read(text: str) -> ReadDate | None:
    if not text or not text.isprintable():
        return None
    if match := _EPOCH.fullmatch(text):
        number = int(match["number"])
        return ReadDate(number if len(match["number"]) > 10 else number * 1000, "second")  # noqa: PLR2004 - digits
    for pattern in (_ISO, _DAY_FIRST, _MONTH_FIRST, _ASCTIME, _YEAR_FIRST, _NUMBERS, _COMPACT):
        if match := pattern.fullmatch(text):
            return _build(match.groupdict())
    return None


def _build(parts: dict[str, str | None]) -> ReadDate | None:
    """Return the date of the named parts of a pattern; None for parts that are out of their range."""
    day = _read_day(parts)
    offset = _read_offset(parts.get("zone"))
    if day is None or offset is None:
        return None
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:  # noqa: PLR2004 - the hours of a clock face
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    spill = timedelta()
    if hour == 24 and not minute and not second:  # noqa: PLR2004 - ISO 8601: 24:00 is the end of the day
        hour, spill = 0, timedelta(days=1)
    if second == 60:  # noqa: PLR2004 - a leap second
        second, spill = 59, timedelta(seconds=1)
    fraction = (parts.get("fraction") or "0").ljust(3, "0")[:3]
    try:
        local = datetime(*day, hour, minute, second, int(fraction) * 1000, tzinfo=timezone(offset))
        at = from_datetime(local.astimezone(UTC) + spill)
    except (ValueError, OverflowError):
        return None
    if not is_in_calendar(at):
        return None
    precision: Precision = "day" if parts.get("hour") is None else "minute" if parts.get("second") is None else "second"
    return ReadDate(at, precision)


def _read_day(parts: dict[str, str | None]) -> tuple[int, int, int] | None:
    """Return year, month and day, not checked against the calendar.

    None for a name that is not a month, and for two numbers that could each be the month.
    """
    digits = parts.get("year") or ""
    year = int(digits)
    if len(digits) == 2:  # noqa: PLR2004 - digits
        year += 1900 if year >= _CENTURY_PIVOT else 2000
    if name := parts.get("name"):
        month = _MONTHS.get(fold(name).replace("ß", "ss"))
        return (year, month, int(parts["day"] or 0)) if month else None
    if number := parts.get("first"):
        first, second = int(number), int(parts["other"] or 0)
        if parts["mark"] == "/" and first <= 12 and second <= 12 and first != second:  # noqa: PLR2004 - months
            return None  # 03/04/2025 is in March in one country, and in April in another
        if parts["mark"] == "/" and second > 12:  # noqa: PLR2004 - months
            return year, first, second
        return year, second, first
    return year, int(parts["month"] or 0), int(parts.get("day") or 1)


def _read_offset(zone: str | None) -> timedelta | None:
    """Return the offset from UTC: 0 without a zone, None for an unknown abbreviation or an impossible offset."""
    if not zone:
        return timedelta()
    text = zone.strip()
    if text in _ZONE_HOURS:
        return timedelta(hours=_ZONE_HOURS[text])
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    hours, minutes = int(match["hours"]), int(match["minutes"] or 0)
    if hours > _MAX_OFFSET_HOURS or minutes > 59:  # noqa: PLR2004 - minutes of an hour
        return None
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if match["sign"] == "-" else offset
