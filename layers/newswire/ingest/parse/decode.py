"""Decode the bytes of a document into text, by one rule for every format. Pure.

A byte order mark decides; else what is UTF-8 is read as UTF-8, whatever label it has; else the label decides, by the
WHATWG Encoding Standard; else a detector does. What an encoding cannot read becomes U+FFFD, so no byte costs a document.
"""

from __future__ import annotations

import codecs
import re
from functools import cache, lru_cache

import webencodings
from webencodings.labels import LABELS

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ZERO_PATTERNS = (
    (re.compile(rb"[\x09\x0a\x0d\x20-\x7e]\x00\x00\x00"), "utf-32-le"),
    (re.compile(rb"\x00\x00\x00[\x09\x0a\x0d\x20-\x7e]"), "utf-32-be"),
    (re.compile(rb"(?:[\x09\x0a\x0d\x20-\x7e]\x00){2}"), "utf-16-le"),
    (re.compile(rb"(?:\x00[\x09\x0a\x0d\x20-\x7e]){2}"), "utf-16-be"),
)
"""The first characters of XML and JSON are ASCII, and show the width of the code units (XML 1.0, appendix F)."""
_WIDER = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "euc-jp": "euc_jis_2004",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-kr": "iso2022_kr",
    "hz": "hz",
}
"""Codecs of Python that read all that browsers read under a name of the standard; its own codecs read less."""
_LABEL = re.compile(
    rb"""<\?xml[^>]*?\bencoding\s*=\s*(?:"([^"<>]{1,60})"|'([^'<>]{1,60})'|["']?\s*([\w.:()-]{1,60}))""", re.IGNORECASE
)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_NOT_IN_LABEL = re.compile(r"[^a-z0-9]+")
_MAX_LABEL_OFFSET = 2_000
"""Bytes in which the XML declaration is searched for; blank lines and comments may come before it."""
_JAPANESE_STARTS = (b"\x1b$B", b"\x1b$@", b"\x1b(I")
_ESCAPED = {"iso-2022-jp", "iso-2022-kr", "hz"}
"""Encodings whose bytes are all ASCII."""
_OTHER_LABELS = {
    "cp936": "gbk",
    "ms936": "gbk",
    "cp932": "shift_jis",
    "ms932": "shift_jis",
    "cp949": "euc-kr",
    "ms949": "euc-kr",
    "uhc": "euc-kr",
    "cp950": "big5",
    "ms950": "big5",
    "hkscs": "big5",
    "big5hkscs": "big5",
    "eucjp": "euc-jp",
    "euckr": "euc-kr",
    "eucjp-ms": "euc-jp",
    "cp51932": "euc-jp",
    "hz-gb-2312": "hz",
    "hz": "hz",
    "iso-2022-kr": "iso-2022-kr",
    "utf8mb4": "utf-8",
    "utf-8-sig": "utf-8",
    "cp437": "cp437",
    "ibm850": "cp850",
    "cp-850": "cp850",
    "latin-1": "windows-1252",
    "latin-2": "iso-8859-2",
    "latin-9": "iso-8859-15",
    "cp850": "cp850",
    "cp852": "cp852",
    "cp1125": "cp1125",
    "koi8-t": "koi8-t",
    "cp855": "cp855",
    "ibm855": "cp855",
    "ibm437": "cp437",
    "cp874": "windows-874",
    "ms874": "windows-874",
    "x-windows-874": "windows-874",
    "ujis": "euc-jp",
    "euc-cn": "gbk",
    "cp65001": "utf-8",
    **{
        f"{prefix}{page}": f"windows-{page}"
        for prefix in ("win", "win-", "ansi-", "ms", "cp-")
        for page in range(1250, 1259)
    },
}
"""Labels of feeds that the standard does not list."""
_FALLBACK = "windows-1252"
_LANGUAGE = re.compile(rb"<(?:dc:)?language>\s*([a-z]{2})\b|\bxml:lang\s*=\s*[\"']([a-z]{2})\b", re.IGNORECASE)
_ENCODING_OF_LANGUAGE = {
    **dict.fromkeys(("ar", "fa"), "windows-1256"),
    **dict.fromkeys(("cs", "hr", "hu", "pl", "ro", "sk", "sl"), "iso-8859-2"),
    **dict.fromkeys(("et", "lt", "lv"), "windows-1257"),
    **dict.fromkeys(("az", "ku", "tr"), "windows-1254"),
    "el": "iso-8859-7",
    "he": "windows-1255",
    "vi": "windows-1258",
}
"""The encodings in which browsers read a document of a language that has no label (HTML 13.2.3.2). Those of central Europe
are two, which `_C1` parts."""
_C1 = re.compile(rb"[\x80-\x9f]")
"""Bytes that are letters and quotes in windows-1250, and control characters in ISO-8859-2."""

_FAIR_SHARE = 0.8
"""Share of readable characters outside ASCII from which a document is UTF-8 although its label says otherwise."""
_UNLABELLED_SHARE = 0.5
"""The same without a label: no text in another encoding has half of its characters as valid sequences by chance."""
_LABELLED_SHARE = 0.3
"""The same with the label UTF-8."""
_MAX_DETECTED_BYTES = 50_000
"""Bytes with characters outside ASCII that the detector reads; 5,000 are enough for every encoding of the corpus."""
_MIN_CONFIDENCE = 0.25
"""A line of Chinese, Japanese, Korean, Russian or Greek gives 0.4 and more; a French one 0.1 for a wrong encoding."""
_FOREIGN_RUN_SHARE = 0.5
"""Share of bytes that come in runs: 0.53 to 0.96 in two headlines in Chinese, Japanese, Korean, Russian, Greek or Thai, 0
to 0.4 in those in a Latin script. Few bytes give the detector little confidence; in runs, windows-1252 is out."""
_IN_RUN = re.compile(rb"[\x80-\xff](?=[\x80-\xff])")
_WEB_ENCODINGS = [
    *("big5", "cp932", "cp949", "euc-jp", "gb18030", "iso-8859-2", "iso-8859-5", "koi8-r", "koi8-u", "cp866", "cp874"),
    *(f"cp{page}" for page in range(1250, 1257)),
]
"""What the detector may find, of its 99 encodings."""
_NEARBY = re.compile(rb"[^\x00-\x7f]+(?:[\x20-\x7e][^\x00-\x7f]+)*[\x40-\x7e]?")


_SURROGATES = re.compile(rb"\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])")
"""A character beyond U+FFFF as two surrogates in UTF-8: CESU-8 (UTR 26), which old databases export."""


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what browsers read where a codec of Python cannot, and the offset to go on at; U+FFFD for anything else."""
    if isinstance(error, UnicodeDecodeError):
        at, two = error.start, error.object[error.start : error.start + 2]
        if error.encoding == "gb18030" and two[:1] == b"\x80":
            return "€", at + 1
        if error.encoding == "iso2022_jp_ext" and len(two) == 2 and two.isascii() and min(two) > 0x20:  # noqa: PLR2004
            return _vendor_character(*two), at + 2
        if error.encoding == "utf-8" and (surrogates := _SURROGATES.match(error.object, at)):
            return _joined(surrogates[0]), surrogates.end()
    return codecs.replace_errors(error)


def _joined(surrogates: bytes) -> str:
    return surrogates.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16")


def _vendor_character(row: int, cell: int) -> str:
    """Return a character that NEC or IBM added to JIS X 0208, such as ①, or U+FFFD: only code page 932 has them.

    `row` and `cell` are the two bytes of ISO-2022-JP, 0x21 to 0x7E.
    """
    lead = (row - 0x21) // 2 + (0x81 if row < 0x5F else 0xC1)  # noqa: PLR2004 - JIS X 0208 appendix 1
    trail = cell - 0x21 + (0x9F if row % 2 == 0 else 0x40 if cell < 0x60 else 0x41)  # noqa: PLR2004
    return bytes((lead, trail)).decode("cp932", "replace")[:1]


_REPLACE = "newswire.replace"
codecs.register_error(_REPLACE, _replace)


def decode(body: bytes, content_type: str = "") -> str:
    """Return the text of a document without its byte order mark; never raises.

    `content_type` is the HTTP header; its charset comes before the encoding of the XML declaration (RFC 7303 section 3.2).
    """
    for bom, name in _BOMS:
        if body.startswith(bom):
            return body[len(bom) :].decode(name, _REPLACE)
    if b"\x00" in body[:4]:
        for pattern, name in _ZERO_PATTERNS:
            if pattern.match(body):
                return body.decode(name, "replace")
    labels = _labels_of(body, content_type)
    if body.isascii() and (escaped := _escaped_encoding(body, labels)):
        return body.decode(_codec_of(escaped), _REPLACE)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_other(body, labels)


def _labels_of(body: bytes, content_type: str = "") -> list[str]:
    """Return the encodings that the label of HTTP and that of the XML declaration name, without unknown ones.

    The names are those of the WHATWG Encoding Standard in lower case, so `latin1` gives `windows-1252`.
    """
    charset = _CHARSET.search(content_type)
    declared = _LABEL.search(body, 0, _MAX_LABEL_OFFSET)
    names = [charset[1] if charset else "", _group_of(declared).decode("ascii", "replace") if declared else ""]
    return [name for label in names if (name := _name_of(label))]


def _group_of(label: re.Match[bytes]) -> bytes:
    return next(group for group in label.groups() if group is not None)


def _escaped_encoding(body: bytes, labels: list[str]) -> str:
    """Return the encoding of a document that writes other characters in ASCII, or "" if it is what it seems to be."""
    if b"\x1b" not in body and b"~{" not in body:
        return ""
    japanese = "iso-2022-jp" if any(start in body for start in _JAPANESE_STARTS) else ""
    return next((label for label in labels if label in _ESCAPED), japanese)


def _decode_other(body: bytes, labels: list[str]) -> str:
    """Decode what is not valid UTF-8 as a whole: damaged UTF-8, or another encoding."""
    text = body.decode("utf-8", _REPLACE)
    others = [label for label in labels if not label.startswith("utf-")]
    share = _readable_share(text, body)
    if share >= (_FAIR_SHARE if others else _LABELLED_SHARE if labels else _UNLABELLED_SHARE):
        return text
    for label in others:
        for codec in (_python_codec_of(label), _codec_of(label)):
            try:
                return body.decode(codec)
            except UnicodeDecodeError:
                continue
    return body.decode(_codec_of(others[0]) if others else _detect(body), _REPLACE)


def _readable_share(text: str, body: bytes) -> float:
    """Return the share of the characters outside ASCII that are valid UTF-8, of a text decoded with replacements."""
    damaged = text.count("\ufffd") - body.count(b"\xef\xbf\xbd")
    readable = len(text) - len(body.translate(None, bytes(range(128, 256)))) - damaged
    return readable / (readable + damaged) if readable + damaged else 1.0


def _detect(body: bytes) -> str:
    """Return the codec that the detector finds in the characters outside ASCII, or that of the language if it is not sure."""
    import chardet  # noqa: PLC0415 - 20 ms, for the rare document without a true label

    sample = b"\n".join(_NEARBY.findall(body))[:_MAX_DETECTED_BYTES]
    found = chardet.detect(sample, include_encodings=_WEB_ENCODINGS)
    name = _name_of(str(found.get("encoding") or ""))
    is_sure = (found.get("confidence") or 0.0) >= _MIN_CONFIDENCE or _run_share(sample) >= _FOREIGN_RUN_SHARE
    if not name or name.startswith("utf-") or not is_sure or name == _FALLBACK:
        name = _encoding_of_language(body)
    return _codec_of(name)


def _encoding_of_language(body: bytes) -> str:
    """Return the encoding that is usual for the language of a document, or windows-1252: the letters are too few to tell."""
    language = _LANGUAGE.search(body)
    name = _ENCODING_OF_LANGUAGE.get(_group_of(language).decode("ascii").lower(), "") if language else ""
    if name == "iso-8859-2" and _C1.search(body):
        return "windows-1250"
    return name or _FALLBACK


def _run_share(sample: bytes) -> float:
    """Return the share of bytes outside ASCII that follow another one."""
    return len(_IN_RUN.findall(sample)) / (len(sample.translate(None, bytes(range(128)))) or 1)


@lru_cache(maxsize=256)
def _name_of(label: str) -> str:
    """Return the name of an encoding in the WHATWG Encoding Standard, or "" for an unknown label."""
    plain = _plain(label)
    if other := _other_labels().get(plain):
        return other
    name = _standard_labels().get(plain, "")
    return "" if name in {"x-user-defined", "replacement"} else name


def _plain(label: str) -> str:
    """Return a label without what publishers write in many ways: `Shift_JIS`, `shift-jis` and `ShiftJIS` are one."""
    return _NOT_IN_LABEL.sub("", label.lower())


@cache
def _standard_labels() -> dict[str, str]:
    return {_plain(label): name for label, name in LABELS.items()}


@cache
def _other_labels() -> dict[str, str]:
    return {_plain(label): name for label, name in _OTHER_LABELS.items()}


def _codec_of(name: str) -> str:
    """Return the codec of Python that reads all that browsers read in an encoding of the standard."""
    return _WIDER.get(name) or _python_codec_of(name)


def _python_codec_of(name: str) -> str:
    """Return the codec that Python has under the name of an encoding."""
    encoding = webencodings.lookup(name)
    is_known = encoding is not None and encoding.name != "replacement"
    return str(encoding.codec_info.name) if is_known else _WIDER.get(name, name)
