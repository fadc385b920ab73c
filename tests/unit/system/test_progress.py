"""Progress goes to stderr: lines in a log, a bar on a terminal, and an end even after an error."""

from __future__ import annotations

import contextlib
import io

import pytest

from cxr_edge.system.progress import Progress, describe_duration, say


class Terminal(io.StringIO):
    """What stderr is on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as Progress sees it; a test moves it."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_say_writes_a_line_to_stderr_and_nothing_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    say("warning: few films")

    assert capsys.readouterr() == ("", "warning: few films\n")


def test_progress_in_a_log_writes_its_end_and_no_terminal_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("reading", 3) as progress:
        for _ in range(3):
            progress.advance()

    assert capsys.readouterr() == ("", "reading: 3/3 (0 s)\n")


def test_progress_in_a_log_writes_a_line_an_interval(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with Progress("reading", 8, interval_s=10) as progress:
        for _ in range(8):
            clock[0] += 5
            progress.advance()

    assert capsys.readouterr().err.splitlines() == [
        "reading: 2/8 (10 s, 30 s left)",
        "reading: 4/8 (20 s, 20 s left)",
        "reading: 6/8 (30 s, 10 s left)",
        "reading: 8/8 (40 s, 0 s left)",
        "reading: 8/8 (40 s)",
    ]


def test_progress_called_with_done_and_total_counts_like_advance(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("drawing", 1) as progress:
        progress(2, 5)
        progress(5, 5)

    assert capsys.readouterr().err == "drawing: 5/5 (0 s)\n"


def test_progress_keeps_the_last_note(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("drift", 2) as progress:
        progress.advance(note="model.keras")
        progress.advance()

    assert capsys.readouterr().err == "drift: 2/2 (0 s) model.keras\n"


def test_progress_says_how_far_it_came_when_the_block_raises(capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(ZeroDivisionError), Progress("reading", 3) as progress:
        progress.advance()
        raise ZeroDivisionError

    assert capsys.readouterr().err == "reading: 1/3 (0 s)\n"


def test_progress_over_nothing_ends_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("reading", 0):
        pass

    assert capsys.readouterr().err == "reading: 0/0 (0 s)\n"


def test_progress_on_a_terminal_redraws_one_line(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    # Not in a fixture: pytest puts its own stderr in place between setting up and the test.
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("reading", 4) as progress:
        for _ in range(4):
            clock[0] += 1
            progress.advance()
    drawn = terminal.getvalue().split("\r\x1b[K")[1:]

    assert drawn[1] == "[############............] reading: 2/4 (2 s, 2 s left)"
    assert drawn[-1] == "[########################] reading: 4/4 (4 s)\n"
    assert len(drawn) == 5


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (99.4, "99 s"), (100, "2 min"), (3600, "60 min"), (12600, "3.5 h")]
)
def test_describe_duration_takes_the_unit_that_suits(seconds: float, text: str) -> None:
    assert describe_duration(seconds) == text
