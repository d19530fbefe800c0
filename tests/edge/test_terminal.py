"""Progress bars on a real terminal (a pty) and in a pipe."""

import fcntl
import json
import os
import pty
import re
import struct
import termios
from pathlib import Path

import pytest

from tests.support.feed_server import rss, story
from tests.support.processes import command, command_writing_to

BAR = re.compile(r"(loading|indexing|polling|reindexing): ")


class Terminal:
    """A terminal of 100 columns; `of` runs a command and returns its output and exit status."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def of(self, *arguments: str, streams: tuple[str, ...] = ("stderr",), **environ: str) -> tuple[str, int]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        process = command_writing_to(dict.fromkeys(streams, theirs), self._data, *arguments, **environ)
        os.close(theirs)
        written = b""
        try:
            while part := os.read(ours, 65_536):
                written += part
        except OSError:  # EIO: the last process on the terminal has ended
            pass
        finally:
            os.close(ours)
        process.communicate(timeout=30)
        return written.decode().replace("\r\n", "\n"), process.returncode


@pytest.fixture
def terminal(tmp_path) -> Terminal:
    return Terminal(tmp_path / "data")


def lines_of(tmp_path: Path) -> str:
    file = tmp_path / "items.jsonl"
    file.write_text("".join(json.dumps({"title": f"Line {n}"}) + "\n" for n in range(2_500)))
    return str(file)


def test_load_draws_and_clears_a_progress_bar(tmp_path, terminal) -> None:
    shown, status = terminal.of("load", lines_of(tmp_path), "--feed", "a")
    assert status == 0
    assert BAR.search(shown)
    assert "items/s" in shown
    assert re.search(r"\r +\r$", shown), "nothing of the bar stays"


def test_piped_output_has_no_progress_bar(tmp_path) -> None:
    for arguments in (["load", lines_of(tmp_path), "--feed", "a"], ["reindex"], ["poll", "--now"]):
        process = command(tmp_path / "data", *arguments)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, ""), arguments
        assert not BAR.search(out)
        assert "\r" not in out


def test_reindex_draws_a_progress_bar(tmp_path, terminal) -> None:
    command(tmp_path / "data", "load", lines_of(tmp_path), "--feed", "a").communicate(timeout=30)
    shown, status = terminal.of("reindex")
    assert status == 0
    assert "reindexing: " in shown


def test_poll_bar_leaves_every_output_line_whole(tmp_path, terminal, server) -> None:
    feeds = [f"feed-{n}" for n in range(5)]
    for name in feeds:
        server.says(f"/{name}", rss(story(1)), delay=0.15)
    (tmp_path / "feeds.toml").write_text(
        "".join(f'[feed.{name}]\nurl = "{server.url(f"/{name}")}"\n' for name in feeds)
    )
    shown, status = terminal.of("poll", streams=("stdout", "stderr"))
    assert status == 0
    assert "polling: " in shown
    assert "/5 [" in shown, "the bar knows how many feeds there are"
    on_screen = [line.rpartition("\r")[2] for line in shown.split("\n")]
    for name in feeds:
        assert any(re.fullmatch(rf"{name}: 1 new, 0 changed, 0 unchanged", line) for line in on_screen), shown
    assert any(line.startswith("5 feeds polled, 5 with a new document") for line in on_screen), shown


def test_progress_bar_does_not_cut_error_lines(tmp_path, terminal) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"title": "Good"}\nnot json\n')
    shown, status = terminal.of("load", str(file), "--feed", "a")
    assert status == 1
    lines = [line.rpartition("\r")[2] for line in shown.split("\n")]
    assert any(line.startswith(f"{file}, line 2: ") for line in lines), shown


INVISIBLE = "\u200f\u061c\ufeff\u2028\u2029\u2066\u202e\U000e0041\ue000\ufdd0\U0010ffff\x1b[31m\x9b2J"


def test_invisible_characters_of_a_publisher_are_escaped(tmp_path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(json.dumps({"title": f"Baltic {INVISIBLE} \u200d end", "link": "https://a.example/1"}) + "\n")
    command(tmp_path / "data", "load", str(file), "--feed", "a").communicate(timeout=60)
    shown, _err = command(tmp_path / "data", "search", "baltic").communicate(timeout=60)
    assert "end" in shown
    assert [character for character in INVISIBLE if not character.isascii() and character in shown] == []
    assert "\x1b" not in shown
    assert "\u200d" in shown, "a joiner is part of a word"
