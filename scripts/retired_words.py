"""Find retired phrases in guides, docstrings, comments and messages.

python scripts/retired_words.py [FOLDER]      default: this repository

Ends with 1 if it finds one. `retired_words.txt` lists the phrases, each with what to write instead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Finding", "Phrase", "find", "list_files", "read_phrases"]

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "scripts" / "retired_words.txt"
FOLDERS = ("docs", "cxr_edge", "export", "benchmarks", "android_demo", "scripts", "tests")
SUFFIXES = (".md", ".py", ".html", ".js", ".sh", ".service")

# What may lie between two words: blanks, or a line break with the quotes of a split string or the mark of a comment.
_GAP = r'(?:[`"\s]*\n\s*(?:#|f?"|//)?\s*|[`\s]+)'


@dataclass(frozen=True)
class Phrase:
    """A retired phrase and what to write instead."""

    text: str
    instead: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Match the phrase whatever its case, line breaks and backquotes."""
        return re.compile(_GAP.join(re.escape(word) for word in self.text.split()), re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """A retired phrase in a file, with the number of the line where it begins."""

    path: Path
    line: int
    phrase: Phrase

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: '{self.phrase.text}' is retired; write '{self.phrase.instead}'"


def read_phrases(path: Path = LIST) -> list[Phrase]:
    """Return the phrases of a list. Raises ValueError for a line without a replacement."""
    phrases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        text, _, instead = line.partition("=>")
        if not text.strip() or not instead.strip():
            raise ValueError(f"{path}:{number}: must be 'phrase => replacement'")
        phrases.append(Phrase(text.strip(), instead.strip()))
    return phrases


def list_files(root: Path) -> list[Path]:
    """Return the files that people read: guides, code, templates and scripts. Build outputs and caches are not."""
    found = list(root.glob("*.md"))
    for folder in FOLDERS:
        found += [path for path in (root / folder).rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    return sorted(found)


def find(text: str, path: Path, phrases: list[Phrase]) -> Iterator[Finding]:
    """Yield each use of a retired phrase in the text of a file."""
    for phrase in phrases:
        for match in phrase.pattern.finditer(text):
            yield Finding(path, text.count("\n", 0, match.start()) + 1, phrase)


def main() -> None:
    """Print each finding, and end with 1 if there is one."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    phrases = read_phrases()
    findings = [
        finding
        for path in list_files(root)
        for finding in find(path.read_text(encoding="utf-8"), path.relative_to(root), phrases)
    ]
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
