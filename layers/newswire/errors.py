"""All exceptions that newswire defines, drawn as one tree. `tests/unit/test_errors.py` compares it with the code.

::

    NewswireError                      every error below; its text states what happened, to what, and the next step
    ├── SettingsError                  an environment variable has an invalid value
    ├── FeedsFileError                 a feeds.toml or OPML file is invalid (file, line, key)
    ├── UsageError                     a command or a call that cannot be carried out as it was made
    │   └── RequestError               a search request that is invalid
    │       ├── BadParametersError     its parameters: all their problems together
    │       ├── QueryTooLargeError     its query: too many characters, words or levels
    │       ├── DateValueError         a date value: unreadable, or outside the years 1 to 9999
    │       └── TooManyBucketsError    a histogram with too many buckets
    ├── OutputError                    a command's output cannot be written, for example to a full disk
    ├── FetchError                     a fetch without a document; becomes a `FetchFailed` value
    ├── DataError                      the data folder, the table, the bucket or the queue is unusable
    │   ├── DataNewerError             a newer version of newswire wrote the data
    │   └── DataBusyError              another process held it for longer than we wait
    └── EngineError                    the search engine failed
        ├── EngineUnavailableError     it does not answer
        ├── EngineTimeoutError         it did not finish in time
        └── IndexSchemaError           the index has a newer schema than this code
            └── IndexOutdatedError     the index has an older schema; a reindex rebuilds it from the archive
    _WritesError                       private to `engines/tantivy/faults.py`: what the writes of a caller raised
    _ChildDiedError                    private to `ingest/reading/process.py`: a document killed the child process

Failures of one feed or one item are values in `model.py`, not exceptions, so one bad feed never stops the others.
Examples are a failed fetch, an unreadable document and a refused item.
"""

from __future__ import annotations


class NewswireError(Exception):
    """The root of the tree above. Its text is one or more whole sentences for a person."""


class SettingsError(NewswireError):
    """An environment variable has an invalid value."""


class FeedsFileError(NewswireError):
    """A list of feeds is invalid. The text names file, line and key."""


class UsageError(NewswireError):
    """A command or a call cannot be carried out as it was made."""


class RequestError(UsageError):
    """A search request is invalid. The classes below it are defined in `search/`, next to their rules."""


class OutputError(NewswireError):
    """The output of a command cannot be written."""


class FetchError(NewswireError):
    """A fetch brought no document. `code` is one of the codes in docs/feeds.md; the text is its sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class DataError(NewswireError):
    """Stored data is unusable: its medium is not writable, full, unreachable or damaged."""


class DataNewerError(DataError):
    """A newer version of newswire wrote the data."""


class DataBusyError(DataError):
    """Another process held the data for longer than we wait."""


class EngineError(NewswireError):
    """The search engine did not carry out a call."""


class EngineUnavailableError(EngineError):
    """The engine does not answer. Nothing is lost; a later retry is right."""


class EngineTimeoutError(EngineError):
    """The engine did not finish in time. Nobody gets a partial result as a whole one."""


class IndexSchemaError(EngineError):
    """The index has a newer schema than this code, which therefore does not read it."""


class IndexOutdatedError(IndexSchemaError):
    """The index has an older schema. Commands rebuild it from the archive before anything else."""
