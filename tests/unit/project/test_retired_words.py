"""The check for retired phrases finds them where they are, and there are none here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import retired_words
from scripts.retired_words import Phrase, read_phrases

ROOT = Path(__file__).resolve().parents[3]
PHRASE = Phrase("no blue elephants", "no elephants")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("There are no blue elephants.", 1),
        ("No Blue elephants", 1),
        ("One line.\nThere are no\nblue elephants.", 2),
        ("# There are no\n    # blue elephants.", 1),
        ('say("There are no "\n    f"blue elephants")', 1),
        ("no `blue` elephants", 1),
    ],
)
def test_a_phrase_is_found_whatever_its_case_and_line_breaks(text: str, line: int) -> None:
    (finding,) = retired_words.find(text, Path("page.md"), [PHRASE])
    assert str(finding) == f"page.md:{line}: 'no blue elephants' is retired; write 'no elephants'"


def test_other_words_are_not_found() -> None:
    assert list(retired_words.find("no bluer elephants, no blue\n\nsea", Path("page.md"), [PHRASE])) == []


def test_a_retired_phrase_fails_the_check(tmp_path: Path) -> None:
    phrase = read_phrases()[0]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(f"It says {phrase.text}.\n", encoding="utf-8")
    done = _check(tmp_path)

    assert done.returncode == 1
    assert done.stdout == f"docs/page.md:1: '{phrase.text}' is retired; write '{phrase.instead}'\n"


def test_the_repository_has_no_retired_phrase() -> None:
    done = _check(ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_line_without_a_replacement_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# a comment\n\na phrase\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"list\.txt:3: must be 'phrase => replacement'"):
        read_phrases(tmp_path / "list.txt")


def _check(root: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "retired_words.py"
    return subprocess.run([sys.executable, str(script), str(root)], capture_output=True, text=True, check=False)
