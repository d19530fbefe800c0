"""The search engines as tests have them: opened over a place of their own, and broken on purpose."""

from pathlib import Path

from newswire.engines import SearchEngine
from newswire.engines.tantivy import TantivyEngine
from newswire.engines.tantivy_fields import SCHEMA


class TantivyPlace:
    """A folder for an index of the embedded engine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "index"
        self._opened: list[SearchEngine] = []

    def open(self) -> SearchEngine:
        self._opened.append(TantivyEngine(self._folder))
        return self._opened[-1]

    def is_untouched(self) -> bool:
        return not self._folder.exists()

    def damage(self) -> None:
        for file in (self._folder / "g000001").glob("*.*"):
            file.write_bytes(b"rubbish")

    def change_schema(self, by: int) -> None:
        (self._folder / "g000001" / "schema").write_text(str(SCHEMA + by))

    def close(self) -> None:
        for engine in self._opened:
            engine.close()


ENGINES = [TantivyPlace]
