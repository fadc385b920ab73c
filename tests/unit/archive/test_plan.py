"""The plan: sorted on the disk, each film once, cut the same way whatever the order of the listing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cxr_edge.archive import plan as plans
from cxr_edge.archive.members import Member
from cxr_edge.errors import DataError


def members(count: int) -> list[Member]:
    return [Member(f"{index % 7}/{index:05}.png") for index in range(count)]


def planned(plan: plans.Plan) -> list[Member]:
    return [member for index in range(plan.partitions) for member in plan.members(index)]


def test_every_film_is_in_one_partition_once_whatever_the_order(tmp_path: Path) -> None:
    shuffled = random.Random(0).sample(members(500), 500)
    plan = plans.make(shuffled + shuffled[:100], tmp_path / "a")
    other = plans.make(members(500), tmp_path / "b")

    assert planned(plan) == sorted(members(500), key=lambda member: member.to_line())
    assert planned(plan) == planned(other)
    assert [plan.size_of(index) for index in range(plan.partitions)] == [50] * 10


@pytest.mark.parametrize(("films", "shard_films"), [(1, 50), (3_200, 50), (6_500, 100), (70_000, 1000)])
def test_larger_archives_have_larger_shards(tmp_path: Path, films: int, shard_films: int) -> None:
    plan = plans.make(members(films), tmp_path)

    assert plan.shard_films == shard_films
    assert sum(plan.size_of(index) for index in range(plan.partitions)) == plan.films == films


def test_a_stated_size_is_kept(tmp_path: Path) -> None:
    plan = plans.make(members(10), tmp_path, shard_films=4)

    assert [len(plan.members(index)) for index in range(plan.partitions)] == [4, 4, 2]


def test_many_sorted_runs_are_merged_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_RUN_LINES", 3)
    monkeypatch.setattr(plans, "_MAX_RUNS", 4)
    plan = plans.make(random.Random(1).sample(members(100), 100), tmp_path)

    assert planned(plan) == sorted(members(100), key=lambda member: member.to_line())
    assert sorted(path.name for path in (tmp_path / "_plan").iterdir()) == ["films.jsonl", "plan.json"]


def test_the_digest_of_a_listing_knows_its_films_and_not_their_order(tmp_path: Path) -> None:
    plan = plans.make(members(30), tmp_path)

    assert plans.survey_digest(reversed(members(30))) == plan.listing
    assert plans.survey_digest(members(29)) != plan.listing
    assert plans.survey_digest([*members(29), Member("other.png")]) != plan.listing


def test_a_plan_that_is_read_again_is_the_same(tmp_path: Path) -> None:
    assert plans.make(members(120), tmp_path) == plans.read(tmp_path)


def test_an_archive_without_films_is_refused_and_leaves_no_plan(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no films"):
        plans.make([], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["{}", '{"schema": 9}', "[]", "no json"])
def test_a_damaged_plan_is_refused(tmp_path: Path, content: str) -> None:
    plans.make(members(3), tmp_path)
    (tmp_path / "_plan" / "plan.json").write_text(content)

    with pytest.raises(DataError, match=r"plan\.json"):
        plans.read(tmp_path)
