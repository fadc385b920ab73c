"""What is written is what is read: manifests, recipes and budgets of every shape that their types allow."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import InputContract
from cxr_edge.errors import BundleError, UsageError
from cxr_edge.export.recipes import FORMATS, Recipe
from cxr_edge.metrics.budget import Budget, Limits
from cxr_edge.system import files

# The same examples each time, and no folder of them.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("fixed")

# Any text that UTF-8 can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True).filter(lambda name: name != "manifest.json")
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.just(10**400) | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
RECIPES = st.builds(
    Recipe,
    name=TEXTS,
    weights=TEXTS,
    activations=TEXTS,
    granularity=TEXTS,
    formats=st.lists(st.sampled_from(FORMATS), unique=True).map(tuple),
    tolerance=st.none() | NUMBERS,
    calibrated=st.booleans(),
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    labels = tuple(draw(st.lists(TEXTS, min_size=2, max_size=4, unique=True)))
    artifacts = {}
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        recipe = dataclasses.asdict(draw(RECIPES))
        artifacts[name] = Artifact(
            name=name,
            format=draw(TEXTS),
            quantization=draw(TEXTS),
            sha256=draw(HASHES),
            size_bytes=draw(st.integers(0, 2**40)),
            outputs=tuple(draw(st.lists(TEXTS, max_size=3))),
            details=json.loads(json.dumps({"recipe": recipe, "more": draw(JSON)})),
        )
    return Manifest(
        name=draw(TEXTS),
        architecture=draw(TEXTS),
        labels=labels,
        positive=draw(st.sampled_from(labels)),
        threshold=draw(st.floats(0, 1)),
        contract=InputContract(),
        artifacts=artifacts,
        typicality_limit=draw(st.none() | NUMBERS),
        files=draw(st.dictionaries(NAMES, HASHES, max_size=3)),
        metrics=draw(st.dictionaries(TEXTS, JSON, max_size=3)),
        provenance=draw(st.dictionaries(TEXTS, JSON, max_size=3)),
    )


@given(manifest=manifests())
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    Bundle(folder, manifest).write_manifest()

    assert Bundle.read(folder).manifest == manifest
    assert files.to_json_bytes(Bundle.read(folder).manifest.to_json()) == (folder / "manifest.json").read_bytes()


@given(value=JSON)
def test_what_is_no_manifest_is_an_error_of_ours(value: Any) -> None:
    with pytest.raises(BundleError):
        Manifest.from_json(value, where="manifest.json")


@given(recipe=RECIPES)
def test_a_recipe_is_read_as_it_was_written(recipe: Recipe) -> None:
    stored = json.loads(files.to_json_bytes(dataclasses.asdict(recipe)))

    assert Recipe(**stored | {"formats": tuple(stored["formats"])}) == recipe


RATIOS = st.floats(0, 1e6, exclude_min=True)


@given(
    budget=st.builds(Budget, flips=st.floats(0, 1), auc_change=st.floats(0, 1), size_ratio=RATIOS, latency_ratio=RATIOS)
)
def test_a_budget_is_read_as_it_was_written(budget: Budget, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("budget") / "budget.json"
    files.write_json(path, dataclasses.asdict(budget))

    assert Budget.read(path) == budget


PARTS = st.none() | st.floats(0, 1)
AMOUNTS = st.none() | st.floats(0, 1e6, exclude_min=True)


@given(
    limits=st.builds(
        Limits,
        flips=PARTS,
        auc_change=PARTS,
        auc_margin=PARTS,
        sensitivity_drop=PARTS,
        specificity_drop=PARTS,
        p50_ms=AMOUNTS,
        p90_ms=AMOUNTS,
        size_mb=AMOUNTS,
        peak_mib=AMOUNTS,
    ).filter(lambda limits: limits.stated())
)
def test_limits_are_read_as_they_were_written(limits: Limits, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("limits") / "limits.json"
    files.write_json(path, limits.stated())

    assert Limits.read(path) == limits


@given(value=JSON.filter(lambda value: value != {}))
def test_what_is_no_budget_is_an_error_of_ours(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("budget") / "budget.json"
    files.write_json(path, value)
    with pytest.raises(UsageError):
        Budget.read(path)


@pytest.mark.parametrize("limit", [10**400, -(10**400), "1", None, [], True])
def test_a_limit_that_is_no_number_of_use_is_an_error_of_ours(limit: Any, tmp_path: Path) -> None:
    files.write_json(tmp_path / "budget.json", {"flips": limit})
    with pytest.raises(UsageError, match=r"budget\.json: 'flips' must be a finite number"):
        Budget.read(tmp_path / "budget.json")
