"""The embedded engine: what it reports of itself."""

import re

from newswire.engines.tantivy.engine import TantivyEngine


def test_version_does_not_repeat_the_name_of_the_engine(tmp_path) -> None:
    info = TantivyEngine(tmp_path / "index").info()
    assert info.name == "tantivy"
    assert re.fullmatch(r"\d+\.\d+\.\d+, index format \d+", info.version)
