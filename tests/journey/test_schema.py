"""Test an index of another schema version: an older one is rebuilt, a newer one is refused."""

import json

import pytest

from newswire.cli.main import main
from newswire.engines.tantivy.fields import SCHEMA
from newswire.storage.feeds.metadata import BegunReindex


@pytest.fixture
def data(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "data"
    monkeypatch.setenv("NEWSWIRE_DATA", str(folder))
    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(json.dumps({"guid": str(n), "title": f"Story {n}"}) + "\n" for n in range(50)))
    assert main(["load", str(lines), "--feed", "old"]) == 0
    capsys.readouterr()
    return folder


def found(capsys) -> int:
    assert main(["search", "story", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["total"]["value"]


def test_older_index_is_rebuilt_before_a_search(data, capsys) -> None:
    (data / "index" / "g000001" / "schema").write_text(str(SCHEMA - 1))
    assert main(["search", "story", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["total"]["value"] == 50
    assert "rebuilt from the archive" in err
    assert found(capsys) == 50
    assert not (data / "index" / "g000001").exists()


def test_damaged_older_index_is_rebuilt(data, capsys) -> None:
    for file in (data / "index" / "g000001").iterdir():
        file.write_text("rubbish") if file.name != "schema" else file.write_text("0")
    assert found(capsys) == 50


def test_generation_of_an_older_schema_is_not_resumed(data, capsys) -> None:
    from newswire.app import App
    from newswire.settings import read_settings

    app = App(read_settings())
    app.feeds.keep_metadata(BegunReindex(2, 1, SCHEMA - 1))
    app.engine.index([], 2)
    app.close()
    begun = data / "index" / "g000002"
    begun.mkdir()
    (begun / "schema").write_text(str(SCHEMA - 1))
    assert main(["reindex"]) == 0
    capsys.readouterr()
    assert found(capsys) == 50


def test_newer_index_is_refused_with_advice(data, capsys) -> None:
    (data / "index" / "g000001" / "schema").write_text(str(SCHEMA + 1))
    more = data.parent / "more.jsonl"
    more.write_text('{"guid": "new", "title": "Another story"}\n')
    for command in (["search", "story"], ["load", str(more), "--feed", "old"]):
        assert main(command) == 1
        out, err = capsys.readouterr()
        assert "Update newswire" in out + err
    assert (data / "index" / "g000001").exists()
