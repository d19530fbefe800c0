"""A document that is not well-formed is mended where it is wrong, and is the same everywhere else."""

from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.ingest.parse.repair import cut_open_entry, well_formed
from tests.support.linear_time import assert_linear


def mended(document: str) -> str:
    return well_formed(document.encode()).decode()


def assert_well_formed(document: bytes) -> None:
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.Parse(document, True)


@pytest.mark.parametrize(
    ("document", "right"),
    [
        ("<a>R&D &amp; AT&T</a>", "<a>R&amp;D &amp; AT&amp;T</a>"),
        ("<a>caf&eacute;&nbsp;&copy &lt;</a>", "<a>café\xa0&amp;copy &lt;</a>"),
        ("<a>&unknown; &#xZZ; &;</a>", "<a>&amp;unknown; &amp;#xZZ; &amp;;</a>"),
        ("<a>&#55357;&#56832;&#xD83D;&#xDE00;</a>", "<a>😀😀</a>"),
        ("<a>&#55357; &#56832;</a>", "<a>\ufffd \ufffd</a>"),
        ("<a>&#0;&#x110000;&#99999999999999;</a>", "<a>\ufffd\ufffd\ufffd</a>"),
        ("<a>x\x0by\x00z &#11;&#x1F;&</a>", "<a>xyz &amp;</a>"),
        ("<a>5 < 6, a<4, <3</a>", "<a>5 &lt; 6, a&lt;4, &lt;3</a>"),
        ("<a>x ]]> y</a>", "<a>x ]]&gt; y</a>"),
        ("<a><b><i>x</b></i></a>", "<a><b><i>x</i></b></a>"),
        ("<a>x</b></a>", "<a>x</a>"),
        ("<a><pubDate>x</pubdate></a>", "<a><pubDate>x</pubDate></a>"),
        ("<a b=1 c d='2' b='3'/>", '<a b="1" d="2"/>'),
        ("<a b='x&y<z>\"'/>", '<a b="x&amp;y&lt;z>&quot;"/>'),
        ("<a><media:x/></a>", '<a xmlns:media="http://search.yahoo.com/mrss/"><media:x/></a>'),
        ("<a><own:x own:y='1'/></a>", '<a xmlns:own="urn:prefix:own"><own:x own:y="1"/></a>'),
        ("<a xmlns:g='http://g.example/\n'><g:x/></a>", '<a xmlns:g="http://g.example/"><g:x/></a>'),
        ("<a>x</a>junk <b>", "<a>x</a>"),
        ("<a><b>x", "<a><b>x</b></a>"),
        ("<a><b>x<c d='1", "<a><b>x</b></a>"),
        ("<a><![CDATA[x <b> & y]]>&</a>", "<a>x &lt;b&gt; &amp; y&amp;</a>"),
        ("<a><b><![CDATA[x</b><c>y</c></a>", "<a><b>x</b><c>y</c></a>"),
        ("<a><b><![CDATA[x</b><c><![CDATA[y]]></c></a>", "<a><b>x</b><c>y</c></a>"),
        ("<a><!-- x -- y -->z<?p?></a>", "<a>z</a>"),
        ("<a><item>1<item>2</item></a>", "<a><item>1</item><item>2</item></a>"),
        ("<item><title>T<link>x</link>&</item>", "<item><title>T</title><link>x</link>&amp;</item>"),
        (
            "<item><description>x<p>y<guid>1</guid></item>",
            "<item><description>x&lt;p>y</description><guid>1</guid></item>",
        ),
        ("<a><b c='x>y</b>z</a>", "<a><b>y</b>z</a>"),
    ],
)
def test_only_what_is_wrong_is_changed(document: str, right: str) -> None:
    assert mended(document) == right
    assert_well_formed(right.encode())


@pytest.mark.parametrize(
    "document", ["<a/>", "<a>x &amp; <b c='1'>y</b></a>", "<a xmlns:b='u'><b:c/></a>", "<a><![CDATA[<&]]></a>"]
)
def test_well_formed_document_is_the_same(document: str) -> None:
    assert mended(document) == document


TOKENS = [
    "<a>", "</a>", "<a:b>", "</a:b>", "<b:c>", "&", "&amp;", "&#0;", "&#xd800;", "&#56832;", "<", "/>", ">", '"', "'", "=",
    "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", "text", "é", "²", "<²>", "<é>", "<item>", "<title>", "</title>", "<link/>",
    "<!DOCTYPE>", "<xml:a>", "<xmlns:a>", "<:a>", "<a:>", "<a:b:c>", "<A:B>", "xml:lang=en", "a:b='1'", "xmlns='",
    "<x xmlns:a='u'>", "<a xmlns:b=''>", "<b:c b:d='1' b:d='2'>", "<a b='c'>", "\x0b", "\ufffe", "\n", " ", "xmlns:xml='q'",
    "<a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'>", "<a xmlns='http://www.w3.org/2000/xmlns/'>",
    "<a xmlns:z='http://www.w3.org/XML/1998/namespace'>",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join))
def test_anything_becomes_well_formed(inside: str) -> None:
    assert_well_formed(well_formed(f"<r>{inside}".encode()))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_any_text_becomes_well_formed(inside: str) -> None:
    assert_well_formed(well_formed(f"<r>{inside}".encode()))


@pytest.mark.parametrize(
    "part",
    [
        "<",
        "&",
        "<a ",
        "<![CDATA[",
        "<!--",
        '<a b="',
        "</a>",
        "<a>",
        "<x=",
        "]]>",
        "&#",
        "<?",
        "<!",
        "<a b='<",
        "<a:b>",
        "\x0b",
    ],
)
def test_mending_takes_linear_time(part: str) -> None:
    assert_linear(lambda size: well_formed(f"<r>{part * (size // len(part))}&</r>".encode()))


@pytest.mark.parametrize(
    ("document", "rest", "is_cut"),
    [
        (b"<rss><item>1</item><item>2</item></rss>", None, False),
        (b"<rss><item>1</item><item>2", b"<rss><item>1</item>", True),
        (b"<rss><item>1</item><item>2</item>", None, True),
        (b"<feed><entry>1</entry><entry", None, True),
        (b"<rss>", None, True),
    ],
)
def test_entry_that_is_not_closed_is_cut(document: bytes, rest: bytes | None, is_cut: bool) -> None:
    assert cut_open_entry(document) == (document if rest is None else rest, is_cut)
