"""Write the golden outputs anew: `python -m tests.golden`. Needs ../shared/data, and Maven with a JDK."""

import json
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path

from newswire.app import App
from newswire.clock import from_datetime
from newswire.ingest.backfill import load
from newswire.ingest.reindex import reindex
from newswire.settings import Settings
from tests import golden
from tests.conftest import SHARED
from tests.support.nodes import Nodes, nodes_of_the_run
from tests.support.opensearch_node.indexes import delete_indexes, merge_indexes
from tests.support.timeline import write_lines

END_OF_2023 = from_datetime(datetime(2024, 1, 1, tzinfo=UTC))


def main() -> None:
    write("openapi.json", golden.openapi_text())
    write("help.txt", golden.help_text())
    with nodes_of_the_run():
        write_year(Nodes().url("3.8"))


def write_year(url: str) -> None:
    """Write the outputs over a year of news, on both engines."""
    prefix = f"golden{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lines = folder / "lines.jsonl.gz"
        write_lines(SHARED, lines)
        embedded = Settings(data=str(folder / "tantivy"))
        cluster = Settings(
            data=str(folder / "opensearch"),
            engine="opensearch",
            opensearch_url=url,
            opensearch_prefix=prefix,
            opensearch_timeout_seconds=60,
        )
        answers = {}
        for name, settings in (("tantivy", embedded), ("opensearch", cluster)):
            app = App(settings, clock=lambda: END_OF_2023)
            load(app, [str(lines)], None)
            app.engine.refresh()
            if name == "opensearch":
                merge_indexes(url, prefix)
            answers[name] = golden.answers(app, scored=name == "tantivy")
            if name == "tantivy":
                reindex(app)
                write("items.json", json.dumps(golden.items_digest(app), indent=1) + "\n")
            app.close()
        write("answers.json", json.dumps(answers, indent=1, ensure_ascii=False) + "\n")
    delete_indexes(url, prefix)


def write(name: str, text: str) -> None:
    (golden.FOLDER / name).write_text(text)
    print(name)


if __name__ == "__main__":
    main()
