"""The figures on a card: those of the bench result that has the very file, and what is left out with a word."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.system import files
from cxr_edge.web.models import catalog
from cxr_edge.web.models.figures import find_bench_figures
from tests.support import benches, models
from tests.support.web_server import run_server


def write_bench(folder: Path, bundle: Bundle, *, started: str = "2026-01-02T03:04:05+00:00", mark: str = "") -> None:
    """Write a bench result of the bundle's artifacts."""
    result = benches.rename(benches.make_result(), mark) if mark else benches.make_result()
    shas = [item.sha256 for item in bundle.manifest.artifacts.values()]
    rows = tuple(
        dataclasses.replace(row, sha256=sha256) for row, sha256 in zip(result.artifacts, [*shas, "0" * 64], strict=True)
    )
    files.write_json(folder / "bench.json", dataclasses.replace(result, artifacts=rows, started=started).to_json())


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    contents = {"model_float32.tflite": models.tflite(), "model_int8.tflite": models.tflite(inverted=True)}
    return models.write_bundle(tmp_path / "build" / "mine", contents)


def test_a_card_has_the_figures_of_the_bench_result_beside_its_bundle(bundle: Bundle) -> None:
    write_bench(bundle.path.with_name("mine-bench"), bundle)
    bench = benches.make_result()
    with run_server(build=bundle.path.parent) as server:
        (entry,) = [item for item in server.ask("api/models").json["bundles"] if item["key"] == "mine"]
        card = server.ask("parts/models").body.decode()

    drift = bench.artifacts[1].drift
    assert drift is not None
    assert drift.change is not None
    found = entry["models"][1]["figures"][0]
    assert found["auc"] == pytest.approx([drift.auc.value, drift.auc.low, drift.auc.high], abs=1e-4)
    assert (found["data"], found["films"], found["p50_ms"]) == ("films, test", 40, 13)
    assert (found["verdict"], found["reference"]) == (drift.change.verdict.outcome, benches.FLOAT)
    assert set(found["within"]) == {"hospital-a", "hospital-b"}
    assert f"AUC {drift.auc.value:.3f}" in card


def test_the_newest_result_of_a_file_counts(bundle: Bundle) -> None:
    folder = bundle.path.parent
    write_bench(folder / "b-new", bundle, started="2026-03-01T00:00:00+00:00", mark="new")
    write_bench(folder / "a-old", bundle)
    figures = find_bench_figures([folder])
    assert {item.data for item in figures.values()} == {"new, test"}


@pytest.mark.parametrize(
    ("given", "found"), [("build/mine", "films, test"), ("build", "48 simulated films, measured here")]
)
def test_results_of_the_folder_above_are_for_a_bundle_given_by_itself(
    bundle: Bundle, tmp_path: Path, given: str, found: str
) -> None:
    write_bench((tmp_path / given).parent / "a-bench", bundle)
    with run_server(build=tmp_path / "none", models=tmp_path / given) as server:
        listed = server.wait_until_measured()["bundles"]

    (entry,) = [item for item in listed if item["key"] == "mine"]
    assert entry["models"][1]["figures"][0]["data"] == found


def test_a_changed_file_has_no_figures_of_the_old_one(bundle: Bundle) -> None:
    write_bench(bundle.path.with_name("mine-bench"), bundle)
    changed = models.tflite(inverted=True, outputs=("probabilities",))
    other = models.write_bundle(bundle.path.with_name("other"), {"model_float32.tflite": changed})
    (artifact,) = other.manifest.artifacts.values()
    assert artifact.sha256 not in find_bench_figures([bundle.path.parent])


def test_names_in_a_bench_result_are_text_on_the_page(bundle: Bundle) -> None:
    write_bench(bundle.path.with_name("mine-bench"), bundle, mark=benches.HOSTILE)
    with run_server(build=bundle.path.parent) as server:
        page = server.ask("").body.decode()
    assert "alert(1)" in page
    assert "<script>alert" not in page


def test_what_cannot_be_read_is_left_out_with_a_word(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bundle.path.parent
    files.write_text(folder / "broken-bench" / "bench.json", '{"schema": 1}')
    files.write_text(folder / "torn" / "manifest.json", "{")

    assert find_bench_figures([folder]) == {}
    assert [entry.key for entry in catalog.find_bundles(folder, None)] == ["default", "mine"]
    said = capsys.readouterr().err
    assert "schema 1 is not 2" in said
    assert "not valid JSON" in said
