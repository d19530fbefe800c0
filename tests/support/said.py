"""What a contract says, sentence by sentence, and which tests hold the code to it."""

import inspect
import re
from collections.abc import Callable, Iterable


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def sentences(text: str) -> list[str]:
    """Part text into sentences: a full stop, and then a capital or code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return [one for part in paragraphs for one in re.split(r"(?<=[.])\s+(?=[A-Z`])", plain(part)) if one]


class Contract:
    """The sentences that tests name, to be compared with those that a contract has."""

    def __init__(self) -> None:
        self.said: dict[str, list[str]] = {}

    def says(self, *texts: str):
        """Name the sentences that a test holds the code to."""

        def mark(test: Callable) -> Callable:
            for text in texts:
                self.said.setdefault(plain(text), []).append(test.__name__)
            return test

        return mark

    def check(self, wanted: Iterable[str]) -> None:
        """Fail for sentences without a test, and for tests of sentences that the contract does not have."""
        wanted = [plain(one) for one in wanted]
        assert [one for one in wanted if one not in self.said] == []
        assert [one for one in self.said if one not in wanted] == []
