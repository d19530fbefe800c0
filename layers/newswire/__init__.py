"""newswire: polls news feeds, keeps what it fetched, and answers dated full-text searches."""

__version__ = "0.1.0"
