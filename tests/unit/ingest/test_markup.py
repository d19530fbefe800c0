"""The stripping of markup: the text of a tree builder, in linear time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.analysis import MAX_MARKS, fold
from newswire.ingest.markup import clean_characters, decode_references, plain_text, strip_markup
from newswire.model import Markup
from tests.support.linear_time import assert_linear


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>two</p>", "One two"),
        ("a<br>b<BR/>c", "a b c"),
        ("<b>bold</b>ly <i>it</i>", "boldly it"),
        ("5 < 6, a<4 and 7 > 2", "5 < 6, a<4 and 7 > 2"),
        ('<a href="x>y">link</a>', "link"),
        ("<a title=it's>link</a> it's", "link it's"),
        ("<img alt='a>b'>after", "after"),
        ("<!-- <b>x</b> -->after", "after"),
        ("<!--x--!>after<!-->too<!--->also", "aftertooalso"),
        ("<!DOCTYPE html><?php x ?>after", "after"),
        ("<script>a<b && '</b>'</script>after", "after"),
        ("<SCRIPT>x</sCript >after", "after"),
        ("<style>p{}</style><svg><text>x</text><svg></svg></svg>after", "after"),
        ("<svg/>after<math/>too", "aftertoo"),
        ("<iframe><p>x</iframe>after", "after"),
        ("<object><object>x</object>y</object>after", "after"),
        ("<svg><svg/></svg>after", "after"),
        ("<object>a<objects>b</object>after", "after"),
        ("<math>a<mathx/></math>after", "after"),
        ("<noscript>x</noscripts>y</noscript>after", "after"),
        ("</p>after</>too</ 3>also", "aftertooalso"),
        ("&lt;b&gt; &amp;amp; &#8364;&#x20AC;&eacute;", "<b> &amp; €€é"),
        ("&#" + "9" * 5_000 + ";x", "\ufffdx"),
        ("&#x" + "f" * 5_000 + ";x", "\ufffdx"),
        ("&#" + "0" * 5_000 + "65;x", "Ax"),
        ("cut <a href='http://news.example/", "cut"),
        ("cut <br", "cut"),
        ("cut <img src=x al", "cut"),
        ("if a<b then sort the rest", "if a<b then sort the rest"),
        ("I </3 you, <3", "I </3 you, <3"),
        ("<gorilla> & <list of names>", "<gorilla> & <list of names>"),
        ("vector<int> <o:p>x</o:p>", "vector<int> x"),
        ("<![CDATA[<p>inside</p>]]>after", "inside after"),
        ("&#55357;&#56832; &#xD83D;&#xDE00; &#xD83D;", "😀 😀 \ufffd"),
        ("a<iframe src='x'/>rest<object data='x'/> of<noscript/> it", "arest of it"),
        ("a<svg>b<math>c<object>d", "abcd"),
        ("a<script>code", "a"),
        ("a\x85b\x0bc", "a b c"),
        ("<main>a</main><aside>b</aside><option>c</option><summary>d</summary>", "a b c d"),
        ("trailing <", "trailing <"),
        ("trailing </", "trailing </"),
        ('<a b="x>y <b>more', "y more"),
    ],
)
def test_markup_is_stripped_as_html_reads_it(markup: str, text: str) -> None:
    assert " ".join(strip_markup(markup).split()) == text


@given(st.text(alphabet="<>/!-?\"'= abpsvg&#;x9script", max_size=200))
def test_text_without_angle_brackets_survives(markup: str) -> None:
    assert strip_markup(markup) is not None
    plain = markup.replace("<", "").replace("&", "")
    assert strip_markup(plain) == plain


@given(st.text(max_size=50), st.text(max_size=50))
def test_markup_around_a_text_leaves_the_text(before: str, after: str) -> None:
    before, after = before.replace("<", "").replace("&", ""), after.replace("<", "").replace("&", "")
    assert strip_markup(f"{before}<b>{after}</b>") == before + after


def test_runs_of_marks_are_cut() -> None:
    text = "a" + "\u0301\u0316" * 5_000 + "b"
    clean = clean_characters(text)
    assert len(clean) == MAX_MARKS + 2
    assert clean.endswith("b")
    assert clean_characters("—" * 100) == "—" * 100
    assert len(fold("\u0301\u0316" * 100_000)) <= MAX_MARKS


def test_control_characters_are_removed() -> None:
    assert clean_characters("a\x00b\x1b[0m\ud800c") == "ab[0mc"
    assert decode_references("no references") == "no references"


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Nice <gorilla>, what does he weigh?", "Nice <gorilla>, what does he weigh?"),
        ("A guide to <head> and <iframe> elements", "A guide to <head> and <iframe> elements"),
        ("A <style> guide, a <table> of <text>, a <set>", "A <style> guide, a <table> of <text>, a <set>"),
        ("If a<b then c>d", "If a<b then c>d"),
        ("Map<String, List<Integer>> & vector<int>", "Map<String, List<Integer>> & vector<int>"),
        ("<b>Bold</b> <i class='x'>stays</i> markup<br/>", "Bold stays markup"),
        ("<script>alert(1)</script>Safe<style>p{}</style>", "Safe"),
        ("<![CDATA[Spring &amp; news]]>", "Spring & news"),
        ("5 < 10 <!-- no --> and <3", "5 < 10 and <3"),
        ("I </3 this", "I </3 this"),
        ("&lt;p&gt; and &amp;amp;", "<p> and &amp;"),
    ],
)
def test_only_elements_that_titles_have_are_markup_in_a_title(title: str, plain: str) -> None:
    assert plain_text(Markup(title), title=True) == plain


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("<p>One\ntwo</p><p>three</p>", ["One two", "three"]),
        ("<ul><li>a</li><li>b <b>c</b></li></ul>after", ["a", "b c", "after"]),
        ("a<br>b<br/><br/>c", ["a", "b", "c"]),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", ["1 2", "3"]),
        ("no blocks\nat all", ["no blocks at all"]),
        ("a\x1eb", ["ab"]),
        ("<pre>def f():\n  return 1</pre><p>a\nb</p>", ["def f():", "return 1", "a b"]),
        ("<p>x\ny</p><PRE class=verse>a\nb", ["x y", "a", "b"]),
    ],
)
def test_content_keeps_its_lines(content: str, lines: list[str]) -> None:
    assert plain_text(Markup(content), lines=True).split("\n") == lines


def test_plain_content_keeps_its_line_breaks() -> None:
    assert plain_text(Markup("One <b>\n\n two\x1e ", html=False), lines=True) == "One <b>\ntwo"
    assert plain_text(Markup("One\ntwo", html=False)) == "One two"


@given(st.text(alphabet="<>/!-?\"'= abpsvg&#;x9\nscript[]CDAT", max_size=200))
def test_lines_are_the_words_of_the_text(markup: str) -> None:
    assert plain_text(Markup(markup), lines=True).split() == plain_text(Markup(markup)).split()


@pytest.mark.parametrize(
    "part", ["<!--", "<!-- >", "<!", "</", "<b", "<svg>", "<a href='", "&#", "<![CDATA[", "--!>", "<p>"]
)
@pytest.mark.parametrize("end", ["", ">", "-->", "--!>", "</svg>"])
def test_stripping_takes_linear_time(part: str, end: str) -> None:
    assert_linear(lambda size: plain_text(Markup(part * (size // len(part)) + end), lines=True))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Fish&notes &region A&microns", "Fish&notes &region A&microns"),
        ("&copy 2020, &copy; 2020, &eacute;t&eacute", "© 2020, © 2020, été"),
        ("x?a=1&copy=2&lang=en&section=3", "x?a=1&copy=2&lang=en&section=3"),
        ("&notit; &hellip; &nosuch;", "&notit; … &nosuch;"),
        ("AT&amp;T &#65;&#x42", "AT&T AB"),
    ],
)
def test_ampersand_before_a_word_is_no_reference(written: str, read: str) -> None:
    assert plain_text(Markup(written)) == read
    assert plain_text(Markup(f"<p>{written}</p>")) == read
