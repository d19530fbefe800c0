"""Test several processes that use one data folder at the same time."""

import json
import time

from tests.support.feed_server import rss, story
from tests.support.processes import Served, command


def test_serve_poll_load_search_and_reindex_run_together(tmp_path, server) -> None:
    feeds = tmp_path / "feeds.toml"
    for n in range(8):
        server.says(f"/{n}", rss(*[story(100 * n + k) for k in range(10)]), delay=0.05)
    feeds.write_text("".join(f'[feed.f{n}]\nurl = "{server.url(f"/{n}")}"\n' for n in range(8)))
    lines = []
    for part in range(3):
        file = tmp_path / f"{part}.jsonl"
        file.write_text(
            "".join(
                json.dumps({"title": f"Line {part} {n}", "link": f"https://l.example/{part}/{n}"}) + "\n"
                for n in range(1500)
            )
        )
        lines.append(file)
    served = Served(tmp_path / "data", "--poll")
    try:
        running = [
            *[command(tmp_path / "data", "load", str(file), "--feed", f"load-{n % 2}") for n, file in enumerate(lines)],
            command(tmp_path / "data", "poll"),
            command(tmp_path / "data", "poll", "--now"),
            command(tmp_path / "data", "reindex"),
            command(tmp_path / "data", "search", "line"),
        ]
        while any(process.poll() is None for process in running):
            status, answer = served.json("/v1/search?q=line&size=1")
            assert status == 200, answer
        output = [process.communicate() for process in running]
        assert not any("Traceback" in text for pair in output for text in pair), output
        for process, (_out, err) in zip(running, output, strict=True):
            assert process.returncode in {0, 1}, err
        assert [process.returncode for process in running[:3]] == [0, 0, 0], output[:3]
        until = time.monotonic() + 30
        while time.monotonic() < until:
            total = served.json("/v1/search?size=0")[1]["total"]["value"]
            if total == 3 * 1500 + 80:
                break
            time.sleep(0.3)
        assert total == 3 * 1500 + 80
        last = command(tmp_path / "data", "reindex")
        _out, err = last.communicate(timeout=60)
        assert last.returncode == 0, err
        assert served.json("/v1/search?size=0")[1]["total"]["value"] == total
    finally:
        _out, err = served.stop()
    assert "Traceback" not in err
    assert all(server.count(f"/{n}") <= 4 for n in range(8))
