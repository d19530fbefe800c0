"""The errors that newswire raises on purpose, and no others.

::

    NewswireError                 every one: says what happened, to which thing, and what to do next
    ├── SettingsError             an environment variable holds what it can't hold
    ├── FeedsFileError            a feeds.toml or OPML file is wrong (file, line, key)
    ├── UsageError                a command or a call asks for what can't be done
    ├── FetchError                a fetch that did not bring a document; becomes a `FetchFailed` value
    ├── DataError                 the data folder can't be used
    │   ├── DataNewerError        it was written by a newer version
    │   └── DataBusyError         another process holds it for longer than we wait
    └── EngineError               the search engine
        ├── EngineUnavailableError    it does not answer
        ├── EngineTimeoutError        it did not finish in its time
        └── IndexSchemaError          the index is of a newer schema than this code
            └── IndexOutdatedError    it is of an older one, and is built anew from the archive

Outcomes that belong to one feed or one item (a fetch that failed, a document that is no feed, an item that was
refused) are values in `model.py`, not exceptions: one bad feed never stops the others.
"""

from __future__ import annotations


class NewswireError(Exception):
    """The root of the tree above; its text is one or more whole sentences for a person."""


class SettingsError(NewswireError):
    """An environment variable holds what it can't hold."""


class FeedsFileError(NewswireError):
    """A list of feeds can't be read; names file, line and key."""


class UsageError(NewswireError):
    """What was asked for can't be done as it was asked."""


class FetchError(NewswireError):
    """A fetch brought no document: `code` is one of the codes in docs/feeds.md, the text is its sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class DataError(NewswireError):
    """The data folder can't be used: not writable, full, or damaged."""


class DataNewerError(DataError):
    """The data folder was written by a newer version of newswire."""


class DataBusyError(DataError):
    """Another process holds what we need, and held it for as long as we wait."""


class EngineError(NewswireError):
    """The search engine did not do what it was asked."""


class EngineUnavailableError(EngineError):
    """The engine does not answer; nothing was lost, and trying again later is right."""


class EngineTimeoutError(EngineError):
    """The engine did not finish in its time; a partial result is never passed off as whole."""


class IndexSchemaError(EngineError):
    """The index was built with another schema than this code reads; it is never read wrongly."""


class IndexOutdatedError(IndexSchemaError):
    """The index was built with an older schema; commands build it anew from the archive before anything else."""
