"""newswire: poll news feeds, keep every document, and answer dated full-text searches."""

__version__ = "0.2.0"
