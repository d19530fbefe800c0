"""Documents that once stopped newswire: each is small, and takes a parser quadratic time, much memory, or an exception."""

import gzip

_HEAD = b'<?xml version="1.0"?><rss version="2.0"><channel><title>Hostile</title>'
_SITEMAP = (
    b'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
    b'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">'
)
_ATOM = b'<feed xmlns="http://www.w3.org/2005/Atom"><title>Hostile</title>'


def rss_with(inside: bytes = b"", head: bytes = b"") -> bytes:
    """Return an RSS document whose only item contains `inside`."""
    return _HEAD + head + b"<item><title>Hostile</title><guid>h</guid>" + inside + b"</item></channel></rss>"


def described(text: bytes) -> bytes:
    return rss_with(b"<description><![CDATA[Baltic " + text + b"]]></description>")


def atom_with(inside: bytes) -> bytes:
    """Return an Atom document whose only entry contains `inside`."""
    return _ATOM + b"<entry><id>h</id><title>Baltic</title>" + inside + b"</entry></feed>"


def entity_bomb(size: int) -> bytes:
    """Return a document of `size` bytes that would expand to about 85 times that, with its document type on one line."""
    text = b"A" * (size // 50)
    references = b"&a;" * (size // 4)
    return (
        b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "' + text + b'">]><rss version="2.0"><channel><title>t</title>'
        b"<item><title>" + references + b"</title></item></channel></rss>"
    )


RAISING = {
    "a reference of 4,301 digits": rss_with(b"<category>&amp;#" + b"9" * 4301 + b";</category>"),
    "a reference of 4,301 digits in a title": _HEAD
    + b"<item><title><![CDATA[Baltic &#"
    + b"9" * 4301
    + b";]]></title><guid>h</guid></item></channel></rss>",
    "a sitemap with a broken IPv6 address": _SITEMAP
    + b"<url><loc>http://[bad</loc><news:news><news:title>Baltic</news:title></news:news></url></urlset>",
    "a date at the end of time in a far zone": atom_with(b"<updated>9999-12-31T23:59:59-14:00</updated>"),
    "a date before the beginning of time": atom_with(b"<updated>0001-01-01T00:00:00+14:00</updated>"),
    "every private-use letter": described("".join(map(chr, range(0xE000, 0xF8FF))).encode()),
    "a link with a broken address": rss_with(b"<link>http://[</link>"),
}
"""Documents for which a stage once raised; all are readable now."""

ENTITIES = {
    "an entity on the line of its document type": entity_bomb(60_000),
    "nested entities": b'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><rss version="2.0"><channel><item><title>&c;</title></item></channel></rss>',
    "an entity after a comment with brackets": b"<!-- ]> --><!DOCTYPE rss [<!-- ]> --><!ENTITY a 'b'>]><rss/>",
    "an entity in lower case": b"<!doctype rss [<!entity a 'b'>]><rss/>",
    "default values of attributes": b'<!DOCTYPE rss [<!ATTLIST x b CDATA "'
    + b"A " * 1_000
    + b'">]><rss><channel/></rss>',
    "an external entity": b'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel/></rss>',
    "an entity after a quoted angle": b'<!DOCTYPE rss SYSTEM "x>y" [<!ENTITY a "b">]><rss version="2.0"/>',
    "an entity after two quoted angles": b"<!DOCTYPE rss PUBLIC 'a>' \"x>y\" [<!ENTITY a 'b'>]><rss version='2.0'/>",
    "an entity after quoted brackets": b'<!DOCTYPE rss SYSTEM "a[]>b" [<!ENTITY a "b">]><rss version="2.0"/>',
    "a sitemap with an entity after a quoted angle": b'<!DOCTYPE urlset SYSTEM "x>y" [<!ENTITY a "b">]>'
    + _SITEMAP
    + b"</urlset>",
    "a sitemap with an entity": b'<!DOCTYPE urlset [<!ENTITY a "b">]>' + _SITEMAP + b"</urlset>",
    "an entity in UTF-16": '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "b">]><rss version="2.0"/>'.encode("utf-16"),
}
"""Documents that declare entities, in every XML format."""

LINEAR = {
    "unclosed font and p elements": described(b"".join(b"<font a=%d><p>" % n for n in range(4_000))),
    "unclosed list items": described(b"<ul><li>" * 8_000),
    "unclosed divs": described(b"<div>" * 12_000),
    "misnested spans": described(b"<span>x</b>" * 5_000),
    "links around divs": described(b"<a><div>" * 7_000),
    "quotes that hide every end": described(b'<b x=">"' * 7_000),
    "quotes without an end": described(b'<a b="' * 9_000),
    "tags without an end": described(b"<b " * 18_000),
    "comments without an end": described(b"<!--" * 14_000),
    "scripts without an end": described(b"<script>" * 7_000),
    "nested drawings": described(b"<svg>" * 7_000 + b"</svg>" * 3_000),
    "a long skipDays": rss_with(head=b"<skipDays>" + b"a" * 24_000 + b"</skipDays>"),
    "many skipHours": rss_with(head=b"<skiphours>" * 5_000),
    "guids without an end": described(b"<guid" * 12_000),
    "comments in the document": _HEAD + b"<!--" * 16_000,
    "dates without an end": _HEAD + b"<date>" * 10_000,
    "build dates without an end": _HEAD + b"<lastBuildDate " * 4_000,
    "document types without an end": b"<!doctype " * 6_000,
    "instructions without an end": b"<?" * 30_000,
    "marks parted by dropped characters": described(("\u094d\u093c" * 15 + "\u200b").encode() * 500),
    "alternating marks": described("\u0301\u0316".encode() * 12_000),
    "references": described(b"&amp;lt;" * 8_000),
    "an author of 200,000 letters": rss_with(b"<author>" + b"a" * 200_000 + b"</author>"),
    "an author of dots": rss_with(b"<author>" + b"a." * 30_000 + b"</author>"),
    "an editor of 60,000 letters": rss_with(head=b"<managingEditor>" + b"a.b-" * 15_000 + b"</managingEditor>"),
    "100,000 attributes": rss_with(b"<x " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b"/>"),
    "an author in parts": rss_with(b"<author>" + (b"a" * 1_900 + b"<!---->") * 25 + b"</author>"),
    "lines before the document": b'<?xml version="1.0"?>'
    + b"\n " * 32_000
    + rss_with()[len(b'<?xml version="1.0"?>') :],
}
"""Documents that take linear time now. Each took seconds to hours once."""

COSTLY = {
    "200,000 categories": rss_with(b"".join(b"<category>c%d</category>" % n for n in range(200_000))),
    "200,000 terms": atom_with(b"".join(b'<category term="c%d"/>' % n for n in range(200_000))),
    "100,000 keywords": rss_with(
        b'<k:keywords xmlns:k="http://search.yahoo.com/mrss/">'
        + b",".join(b"c%d" % n for n in range(100_000))
        + b"</k:keywords>"
    ),
}
"""Documents that take feedparser minutes; a child process reads them, and is ended."""


def many_gzip_members(count: int) -> bytes:
    """Return a gzip file of empty members, which took quadratic time to decompress."""
    return gzip.compress(b"") * count
