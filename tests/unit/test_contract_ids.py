"""The check of a contract's ids: what counts as a promise, and each way in which the check fails."""

import pytest

from tests.support.contract_ids import Contract, docstring_promises, markdown_promises

PAGE = """# The API

An introduction. It needs no id.
JSON is UTF-8. <!-- R1 -->

## Start

See `x`. Then go on.

## Rules

Lists:

- The API answers GET. <!-- R2 -->
- It refuses POST. <!-- R3 -->

```
not a promise
```

| status | when |
|---|---|
| 404 | nothing is there <!-- S1 --> |
"""


def contract_of(page: str, *tested: str) -> Contract:
    contract = Contract()
    contract.read_markdown(page, ["Start"])

    @contract.covers(*tested)
    def test_something() -> None:
        pass

    return contract


def test_covered_page_has_no_problems() -> None:
    contract_of(PAGE, "R1", "R2", "R3", "S1").check()


def test_markdown_promises_are_sentences_and_rows() -> None:
    assert [
        (markdown_promise.text, markdown_promise.ids) for markdown_promise in markdown_promises(PAGE, ["Start"])
    ] == [
        ("JSON is UTF-8.", ("R1",)),
        ("- The API answers GET.", ("R2",)),
        ("- It refuses POST.", ("R3",)),
        ("| 404 | nothing is there  |", ("S1",)),
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (" <!-- R3 -->", "", "needs exactly one id, has 0: - It refuses POST."),
        (" <!-- S1 -->", "", "needs exactly one id, has 0: | 404 | nothing is there |"),
        ("refuses POST.", "refuses POST. It refuses PUT.", "needs exactly one id, has 0: - It refuses POST."),
        ("POST. <!-- R3 -->", "POST. <!-- R3 --> <!-- R4 -->", "needs exactly one id, has 2: - It refuses POST."),
        (
            "- It refuses POST. <!-- R3 -->",
            "It refuses:\n\nPOST. <!-- R3 -->",
            "needs exactly one id, has 0: It refuses:",
        ),
        ("<!-- R3 -->", "<!-- R2 -->", "duplicated id: R2"),
        ("<!-- R3 -->", "<!-- R4 -->", "id without a test: R4"),
        ("<!-- R3 -->", "<!-- R4 -->", "unknown id R3 in test_something"),
    ],
)
def test_wrong_page_is_reported(old: str, new: str, problem: str) -> None:
    contract = contract_of(PAGE.replace(old, new), "R1", "R2", "R3", "S1")
    assert problem in contract.problems()
    with pytest.raises(AssertionError):
        contract.check()


def test_id_without_a_test_fails() -> None:
    assert contract_of(PAGE, "R1", "R2", "S1").problems() == ["id without a test: R3"]


def test_test_of_an_unknown_id_fails() -> None:
    problems = contract_of(PAGE, "R1", "R2", "R3", "S1", "R9").problems()
    assert problems == ["unknown id R9 in test_something"]


def test_section_outside_the_informative_ones_needs_ids() -> None:
    contract = contract_of(PAGE.replace("## Start", "## Begin"), "R1", "R2", "R3", "S1")
    assert contract.problems() == [f"needs exactly one id, has 0: {value}" for value in ("See `x`.", "Then go on.")]


def test_docstring_promises_are_sentences() -> None:
    text = """Find items [SE-1].

    The total
    is exact [SE-2]. `size` items are given. A version
    [SE-4].
    """
    assert [tuple(docstring_promise) for docstring_promise in docstring_promises(text)] == [
        ("Find items.", ("SE-1",)),
        ("The total is exact.", ("SE-2",)),
        ("`size` items are given.", ()),
        ("A version.", ("SE-4",)),
    ]


def test_docstring_sentence_without_an_id_fails() -> None:
    contract = Contract()
    contract.read_docstring("Find items [SE-1]. The total is exact.")
    assert "needs exactly one id, has 0: The total is exact." in contract.problems()
