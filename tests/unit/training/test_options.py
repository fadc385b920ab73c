"""Presets and what a user may change in them."""

from __future__ import annotations

import pytest

from cxr_edge.errors import UsageError
from cxr_edge.training.options import PRESETS, Stage, build


def test_paper_preset_is_what_the_paper_states() -> None:
    (stage,) = PRESETS["paper"].stages
    assert (stage.learning_rate, stage.epochs, stage.patience, stage.weight_decay) == (1e-3, 40, 10, 1e-4)
    assert PRESETS["paper"].batch_size == 32
    assert PRESETS["paper"].balance == "augment"


@pytest.mark.parametrize("preset", ["single", "default"])
def test_our_presets_end_with_every_layer_unfrozen(preset: str) -> None:
    assert PRESETS[preset].stages[-1].unfreeze == 1.0


def test_default_learns_from_three_that_differ_in_films_and_ranking() -> None:
    teachers = build(weights="none", epochs=3, seed=4).taught_by
    assert [teacher.preset for teacher in teachers] == ["single"] * 3
    assert [teacher.seed for teacher in teachers] == [4, 4, 5]
    assert [any(stage.simulated for stage in teacher.stages) for teacher in teachers] == [False, True, False]
    assert [teacher.stages[-1].pairs for teacher in teachers] == [0, 0, 1]
    assert {teacher.weights for teacher in teachers} == {"none"}
    assert max(stage.epochs for teacher in teachers for stage in teacher.stages) == 3
    assert build(preset="single").taught_by == build(preset="paper").taught_by == ()


@pytest.mark.parametrize(("unfreeze", "expected"), [(0.0, [0.0]), (0.34, [0.0, 0.34]), (1.0, [0.0, 0.65, 0.65, 1.0])])
def test_unfreeze_ends_the_stages_there(unfreeze: float, expected: list[float]) -> None:
    assert [stage.unfreeze for stage in build(preset="single", unfreeze=unfreeze).stages] == expected
    assert [stage.unfreeze for stage in build(unfreeze=unfreeze).stages] == [part for part in expected if part] or [0.0]


def test_a_part_unfrozen_reads_cached_activations() -> None:
    assert [stage.copies > 0 for stage in build(preset="single", unfreeze=0.34).stages] == [True, True]


def test_unfreeze_widens_the_paper_preset() -> None:
    assert [stage.unfreeze for stage in build(preset="paper", unfreeze=1.0).stages] == [1.0]


@pytest.mark.parametrize("unfreeze", [-0.1, 1.1])
def test_unfreeze_outside_its_range_is_refused(unfreeze: float) -> None:
    with pytest.raises(UsageError, match="must lie between 0"):
        build(unfreeze=unfreeze)


def test_ranking_counts_wherever_the_backbone_trains() -> None:
    assert [stage.pairs for stage in build(preset="single", ranking=1.5).stages] == [0, 1.5, 1.5, 1.5]
    assert [stage.pairs for stage in build(preset="paper", ranking=0.5).stages] == [0.5]
    with pytest.raises(UsageError, match="--ranking -1: must be 0 or more"):
        build(ranking=-1)


def test_epochs_caps_every_stage() -> None:
    assert max(stage.epochs for stage in build(epochs=2).stages) == 2


def test_an_unknown_preset_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="--preset best: unknown; choose one of paper, default, single"):
        build(preset="best")


def test_an_unknown_balance_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="--balance luck: unknown; choose one of augment, weights"):
        build(balance="luck")


def test_cosine_rate_falls_from_the_full_rate_to_a_hundredth() -> None:
    stage = Stage(unfreeze=1.0, epochs=5, learning_rate=0.1, cosine=True)
    rates = [stage.rate(epoch) for epoch in range(5)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.001)
    assert rates == sorted(rates, reverse=True)


def test_constant_rate_stays() -> None:
    stage = Stage(unfreeze=1.0, epochs=5, learning_rate=0.1)
    assert {stage.rate(epoch) for epoch in range(5)} == {0.1}
