"""The resume store: what is kept, under which key, and what a torn or foreign file does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_edge.system.resume import JsonStore


def test_a_kept_answer_comes_back(tmp_path: Path) -> None:
    JsonStore(tmp_path).put("turn 1", "key", {"ms": [1.0]})
    assert JsonStore(tmp_path).get("turn 1", "key") == {"ms": [1.0]}


@pytest.mark.parametrize(("name", "key"), [("turn 1", "other"), ("turn 2", "key")])
def test_an_answer_under_another_name_or_key_is_none(tmp_path: Path, name: str, key: str) -> None:
    JsonStore(tmp_path).put("turn 1", "key", {"ms": [1.0]})
    assert JsonStore(tmp_path).get(name, key) is None


def test_two_names_that_share_a_file_are_told_apart(tmp_path: Path) -> None:
    store = JsonStore(tmp_path)
    store.put("a/b", "key", {"of": "a/b"})
    assert store.path("a/b") == store.path("a:b")
    assert store.get("a:b", "key") is None


@pytest.mark.parametrize("content", [b"", b'{"key": "key", "na', b"[]", b'{"key": "key", "name": "a", "answer": 1}'])
def test_a_file_that_holds_no_piece_is_none(tmp_path: Path, content: bytes) -> None:
    store = JsonStore(tmp_path)
    store.path("a").write_bytes(content)
    assert store.get("a", "key") is None


def test_keep_makes_an_answer_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"number": len(made)}

    answers = [JsonStore(tmp_path).keep("a", "key", make) for _ in range(2)]
    assert answers == [{"number": 1}, {"number": 1}]


def test_clear_removes_everything(tmp_path: Path) -> None:
    store = JsonStore(tmp_path / "store")
    store.put("a", "key", {})
    store.clear()
    assert list(store.paths()) == []
    assert not (tmp_path / "store").exists()
