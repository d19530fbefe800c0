"""The bytes of a document become text: byte order mark, UTF-8, label, detector, in this order."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.ingest.parse.decode import decode


def xml(label: str, text: str) -> str:
    return f'<?xml version="1.0" encoding="{label}"?><a>{text}</a>'


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("windows-31j", "cp932", "①日本㈱"),
        ("x-sjis", "cp932", "日本"),
        ("Shift_JIS", "cp932", "髙島屋"),
        ("cp949", "cp949", "똠방각하"),
        ("euc-kr", "cp949", "똠방각하"),
        ("ks_c_5601-1987", "cp949", "서울"),
        ("big5-hkscs", "big5hkscs", "㗎中文"),
        ("Big5", "big5hkscs", "㗎中文"),
        ("gbk", "gb18030", "中文€"),
        ("gb2312", "gb18030", "镕基"),
        ("windows-874", "cp874", "ไทย“"),
        ("tis-620", "cp874", "ไทย"),
        ("latin1", "cp1252", "“café” €"),
        ("us-ascii", "cp1252", "café"),
        ("iso-8859-9", "cp1254", "İstanbul ş"),
        ("windows-1251", "cp1251", "Новости"),
        ("win-1251", "cp1251", "Новости"),
        ("koi8-r", "koi8-r", "Новости"),
        ("euc-jp", "euc_jis_2004", "①日本"),
        ("iso-2022-jp", "iso2022_jp", "日本"),
        ("hz-gb-2312", "hz", "中文"),
        ("macintosh", "mac-roman", "é"),
        ("iso-8859-8-i", "iso-8859-8", "שלום"),
        ("x-none", "cp1252", "café"),
        ("idna", "cp1252", "café"),
        ("unicode_escape", "cp1252", "caf\\u00e9 é"),
        ("undefined", "cp1252", "café"),
        ("cp874", "cp874", "ไทย"),
        ("x-windows-874", "cp874", "ไทย"),
        ("Windows1251", "cp1251", "Новости"),
        ("koi8r", "koi8-r", "Новости"),
        ("ShiftJIS", "cp932", "日本"),
        ("big-5", "big5hkscs", "中文"),
        ("gb 2312", "gb18030", "镕基"),
        ("ujis", "euc_jis_2004", "日本"),
        ("EUC-CN", "gb18030", "中文"),
        ("ibm437", "cp437", "é"),
        ("cp855", "cp855", "Новости"),
    ],
)
def test_label_is_read_as_browsers_read_it(label: str, codec: str, text: str) -> None:
    assert decode(xml(label, text).encode(codec)) == xml(label, text)


@pytest.mark.parametrize("label", ["windows-1251", "utf-16", "iso-8859-1", "gbk", "x-none", "utf-7", "us-ascii"])
def test_what_is_utf_8_is_utf_8_whatever_its_label(label: str) -> None:
    text = xml(label, "Žižek, новости, 中文")
    assert decode(text.encode(), f"text/xml; charset={label}") == text


@pytest.mark.parametrize("label", ["gbk", "gb2312", "gb18030"])
def test_euro_of_code_page_936_is_read(label: str) -> None:
    body = xml(label, "价格@100 中文").encode("gb18030").replace(b"@", b"\x80")
    assert decode(body) == xml(label, "价格€100 中文")


@pytest.mark.parametrize("text", ["①②日本", "㈱日本㍻", "日本⑳", "髙日本", "纊日本鸙", "日本㊤！"])
def test_characters_of_vendors_are_read_in_iso_2022_jp(text: str) -> None:
    """The double bytes of code page 932 are those of JIS X 0208 in another arrangement."""
    pairs = b""
    for letter in text:
        lead, trail = letter.encode("cp932")
        row = (lead - (0x81 if lead < 0xA0 else 0xC1)) * 2 + 0x21
        cell = trail - 0x9F + 0x21 if trail >= 0x9F else trail - 0x40 + 0x21 - (trail > 0x7F)
        pairs += bytes((row + (trail >= 0x9F), cell))
    body = xml("iso-2022-jp", "@").encode().replace(b"@", b"\x1b$B" + pairs + b"\x1b(B")
    assert decode(body) == xml("iso-2022-jp", text)


@pytest.mark.parametrize("text", ["😀", "a😀b𝄞", "Žižek 😀😀", "\U0010ffff"])
def test_surrogates_in_utf_8_are_one_character(text: str) -> None:
    body = b"".join(
        unit.encode("utf-8", "surrogatepass")
        for unit in map(chr, struct.unpack(f">{len(text.encode('utf-16-be')) // 2}H", text.encode("utf-16-be")))
    )
    assert decode(xml("utf-8", "@").encode().replace(b"@", body)) == xml("utf-8", text)
    assert decode(xml("utf-8", "é@").encode().replace(b"@", body[:3])) != xml("utf-8", f"é{text}")


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [xml("windows-1251", "Žižek 中文"), '{"title": "Žižek"}', '\n["é"]'])
def test_code_units_show_themselves(codec: str, text: str) -> None:
    assert decode(text.encode(codec)) in {text, text.lstrip()}


def test_label_of_http_comes_before_the_declaration() -> None:
    body = xml("koi8-r", "Новости").encode("cp1251")
    assert "Новости" in decode(body, 'application/xml; charset="windows-1251"')
    assert "Новости" in decode(xml("windows-1251", "Новости").encode("cp1251"), "text/xml; charset=utf-8")


@pytest.mark.parametrize("damage", [b"\xff", b"\xe2\x80", b"\xc3(", b"\xed\xa0\x80", b"\xf0\x9f"])
@pytest.mark.parametrize("label", ["utf-8", "windows-1251", "x-none"])
def test_bad_bytes_cost_only_themselves(damage: bytes, label: str) -> None:
    good = "Загальні новини: café – “naïve”"
    text = decode(xml(label, good).encode() + b" before " + damage + b" after " + good.encode())
    assert text.startswith(xml(label, good) + " before \ufffd")
    assert text.endswith(f" after {good}")


def test_what_an_encoding_does_not_have_is_a_replacement() -> None:
    assert (
        decode(xml("windows-1251", "Новости x").encode("cp1251") + b"\x98")
        == xml("windows-1251", "Новости x") + "\ufffd"
    )


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("big5", "台灣新聞報導指出，今天早上發生了一起交通事故，造成兩人受傷。"),
        ("euc_jp", "今日の朝、東京で交通事故が発生し、二人が負傷した。"),
        ("cp932", "今日の朝、東京で交通事故が発生し、二人が負傷した。"),
        ("gb18030", "今天早上发生了一起交通事故，造成两人受伤，警方正在调查。"),
        ("cp949", "오늘 아침 서울에서 교통사고가 발생하여 두 명이 다쳤다."),
        ("koi8-r", "Сегодня утром в Москве произошла авария, два человека пострадали."),
        ("cp1251", "Сегодня утром в Москве произошла авария, два человека пострадали."),
        ("cp1253", "Σήμερα το πρωί στην Αθήνα έγινε τροχαίο ατύχημα με δύο τραυματίες."),
        ("cp1252", "Le café à côté est fermé – “naïve” déjà vu, où ça?"),
        ("big5", "台北股市收盤下跌一百點"),
        ("gb18030", "北京今日空气质量良好"),
        ("cp932", "東京株式市場"),
        ("euc_jp", "首相、新政策を発表"),
        ("cp949", "대통령 새 정책 발표"),
        ("cp874", "นายกรัฐมนตรีประกาศนโยบายใหม่"),
        ("cp1253", "Ο πρωθυπουργός ανακοίνωσε"),
        ("cp1252", "El niño está aquí, señor"),
        ("cp1252", "Überraschung für größere Bürger"),
    ],
)
def test_undeclared_encoding_is_detected(codec: str, text: str) -> None:
    document = f"<rss><channel><item><title>{text}</title></item></channel></rss>"
    assert decode(document.encode(codec)) == document


@pytest.mark.parametrize(
    ("codec", "language", "text"),
    [
        ("windows-1250", "<language>pl</language>", "Żołnierze wrócą jutro, później zabrał głos prezydent"),
        ("iso-8859-2", "<language>pl-PL</language>", "Żołnierze wrócą jutro, później zabrał głos prezydent"),
        ("windows-1250", "<dc:language>cs</dc:language>", "Příští vrchol bude ve Vilniusu, řekl ministr důležitě"),
        ("iso-8859-2", '<x xml:lang="cs">', "Příští vrchol bude ve Vilniusu, řekl šéf, a je to důležité"),
        ("iso-8859-2", "<language> hu </language>", "Főként erősítésről volt szó, és hűvös idő jött"),
        ("windows-1254", "<language>TR</language>", "Dışişleri bakanı zirvenin yapılacağını açıkladı"),
        ("windows-1257", "<language>lt</language>", "Sąjungininkų pajėgos baigė pratybas Baltijos jūroje"),
        ("windows-1252", "<language>fr</language>", "Le prochain sommet a été annoncé à Vilnius"),
        ("windows-1251", "<language>pl</language>", "Союзные войска завершили учения на Балтике сегодня"),
    ],
)
def test_language_decides_where_letters_are_too_few_to_detect(codec: str, language: str, text: str) -> None:
    document = f'<?xml version="1.0"?><rss>{language}<title>{text}</title></rss>'
    assert text in decode(document.encode(codec))


@given(
    st.binary(max_size=300), st.sampled_from(["", "text/xml; charset=utf-16", "x; charset=gbk", "x; charset=undefined"])
)
def test_any_bytes_are_decoded(body: bytes, content_type: str) -> None:
    assert "\ud800" not in decode(body, content_type)
    decode(b'<?xml version="1.0" encoding="iso-2022-jp"?>' + body, content_type).encode("utf-8", "strict")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_utf_8_is_the_same_text(text: str) -> None:
    body = text.encode()
    if b"\x00" not in body and b"\x1b$" not in body and not text.startswith("\ufeff"):
        assert decode(body) == text
