from __future__ import annotations

import io
import sys

import pytest

from vernier.exec.progress import Progress, short, span


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_when_it_is_not_a_terminal() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("keep", 12, 4000, reused=2, stream=stream, clock=clock) as progress:
        for clock.now in (1.0, 4.0, 9.0, 10.0, 11.0, 19.0, 20.0):
            progress.update(int(clock.now // 4), int(100 * clock.now))
        clock.now = 40.0
        progress.update(10, 4000)
    assert stream.getvalue().split("\n") == [
        "keep: 12 shards, 2 of them done before",
        "keep: 4/12 shards, 1.0k rows, 100 rows/s, 30 s left",
        "keep: 7/12 shards, 2.0k rows, 100 rows/s, 20 s left",
        "keep: 12/12 shards, 4.0k rows, 100 rows/s, 0.0 s left",
        "keep: done, 12/12 shards, 4.0k rows in 40 s",
        "",
    ]


def test_without_rows_the_items_tell_the_time_left() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress("keep", 4, stream=stream, clock=clock, unit="files")
    clock.now = 30.0
    progress.update(3, 0)
    clock.now = 31.0
    progress.close()
    assert stream.getvalue().split("\n")[1:] == [
        "keep: 3/4 files, 10 s left",
        "keep: stopped, 3/4 files in 31 s",
        "",
    ]


def test_nothing_done_yet_gives_no_time_left() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress("keep", 4, stream=stream, clock=clock)
    clock.now = 12.0
    progress.update(0, 0)
    assert stream.getvalue().endswith("keep: 0/4 shards\n")


def test_quiet_shows_only_what_workers_print() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress("keep", 2, quiet=True, stream=stream, clock=clock) as progress:
        clock.now = 60.0
        progress.update(1, 5)
        progress.say("a warning\n")
    assert stream.getvalue() == "a warning\n"


def test_live_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with Progress("keep", 3, stream=stream) as progress:
        progress.update(1, 10)
        progress.say("a [bold] warning\n")
        progress.update(3, 30)
    text = stream.getvalue()
    assert "\x1b[" in text and "a [bold] warning" in text and "3/3 shards" in text
    assert text.split("\n")[-2].endswith("s") and "keep: done, 3/3 shards, 30 rows in" in text


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Progress("keep", 1, stream=stream) as progress:
        progress.update(1, 1)
    assert "\x1b" not in stream.getvalue()


def test_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("keep", 1, stream=None):
        pass
    out, err = capsys.readouterr()
    assert out == "" and "keep: 1 shards" in err
    assert sys.stderr is not None


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *[(0, "0"), (12.4, "12"), (999, "999"), (1000, "1.0k"), (9949, "9.9k"), (9951, "10k")],
        *[(999_400, "999k"), (999_600, "1.0M"), (1_234_567, "1.2M"), (5e9, "5.0G"), (2e13, "20000G")],
    ],
)
def test_short(count: float, text: str) -> None:
    assert short(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text
