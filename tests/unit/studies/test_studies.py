"""What studies share: films, weights, kept trainings, tests between trainings, tables, figures. No TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.errors import BundleError, DataError, RuntimeFailure, UsageError
from cxr_edge.metrics import operating_point, roc
from cxr_edge.studies import calibrate, gradcam, scoring, weights
from cxr_edge.studies.augmentation import SheetOptions, draw_sheet
from cxr_edge.studies.jobs import FOLDER, Engine, Job, Record, run_all
from cxr_edge.studies.report import facts, study_plots, tables
from cxr_edge.studies.report.unfreeze_result import Trend, UnfreezeRow, UnfreezeStudy
from cxr_edge.studies.subset import describe, thin, truth_of
from cxr_edge.system.about import RESEARCH_ONLY


@pytest.fixture(scope="module")
def films() -> Dataset:
    return open_dataset("phantom")


def small(films: Dataset, **counts: int) -> Dataset:
    items = [item for split, count in counts.items() for item in films.select(split=split).items[:count]]
    return dataclasses.replace(films, items=tuple(items))


def test_fewer_films_are_a_part_of_more_and_keep_the_classes_in_proportion(films: Dataset) -> None:
    less, more = thin(films, 60), thin(films, 200)
    assert {item.item_id for item in less.items} < {item.item_id for item in more.items}
    assert describe(less)["train"] == {"covid": 30, "noncovid": 30, "patients": 60}
    assert describe(less)["val"] == describe(films)["val"]


def test_patients_are_taken_whole(films: Dataset) -> None:
    shared = [dataclasses.replace(item, patient_id=item.patient_id[:-1]) for item in films.items]
    chosen = thin(dataclasses.replace(films, items=tuple(shared)), 40)
    taken = {item.patient_id for item in chosen.items if item.split == "train"}
    whole = sum(item.patient_id in taken and item.split == "train" for item in shared)
    assert describe(chosen)["train"]["patients"] == len(taken)
    # Both classes of a patient may not be chosen alike, but no class of it is cut.
    assert sum(item.split == "train" for item in chosen.items) >= 40
    assert sum(item.split == "train" for item in chosen.items) <= whole


def test_too_few_films_are_refused(films: Dataset) -> None:
    with pytest.raises(UsageError, match="--films 4: a training needs 8"):
        thin(films, 4)


def test_truth_is_in_the_order_of_the_splits_asked_for(films: Dataset) -> None:
    both = truth_of(films, "val", "test")
    assert np.array_equal(both.positive[:150], truth_of(films, "val").positive)
    assert len(both.sources) == 450


def test_weights_are_found_by_the_backbones_name_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mobilenet_v2_no_top.weights.h5").write_bytes(b"weights")
    found = weights.find(str(tmp_path), "mobilenetv2")
    assert found.weights == str(tmp_path / "mobilenet_v2_no_top.weights.h5")
    assert "sha256" in found.described


def test_a_backbone_without_a_file_says_so(tmp_path: Path) -> None:
    found = weights.find(str(tmp_path), "inceptionv3")
    assert found.weights is None
    assert found.described.startswith("no file of inceptionv3")


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        weights.find(str(tmp_path / "none"), "xception")


def count(*, number: int, log: str) -> dict[str, Any]:
    """A job: note in a file that it ran, and answer."""
    with Path(log).open("a", encoding="utf-8") as handle:
        handle.write(f"{number}\n")
    return {"square": number**2}


def jobs_in(folder: Path, facts: str = "films") -> list[Job]:
    place = {"log": str(folder / "log")}
    return [Job(f"job {number}", count, {"number": number}, place, {"data": facts}) for number in range(3)]


def test_a_stopped_study_does_only_what_is_left(tmp_path: Path) -> None:
    record = Record(tmp_path, resume=False)
    run_all(jobs_in(tmp_path)[:2], record, "jobs", Engine())
    answers = run_all(jobs_in(tmp_path), Record(tmp_path, resume=True), "jobs", Engine())
    assert (tmp_path / "log").read_text().split() == ["0", "1", "2"]
    assert answers == {f"job {number}": {"square": number**2} for number in range(3)}


def test_answers_of_other_films_are_not_taken(tmp_path: Path) -> None:
    run_all(jobs_in(tmp_path), Record(tmp_path, resume=False), "jobs", Engine())
    run_all(jobs_in(tmp_path, "other films"), Record(tmp_path, resume=True), "jobs", Engine())
    assert (tmp_path / "log").read_text().split() == ["0", "1", "2"] * 2


def test_a_damaged_answer_is_made_again(tmp_path: Path) -> None:
    record = Record(tmp_path, resume=False)
    run_all(jobs_in(tmp_path), record, "jobs", Engine())
    next((tmp_path / FOLDER).glob("*.json")).write_text("{")
    run_all(jobs_in(tmp_path), record, "jobs", Engine())
    assert len((tmp_path / "log").read_text().split()) == 4


def test_a_folder_with_a_study_is_not_written_over(tmp_path: Path) -> None:
    run_all(jobs_in(tmp_path), Record(tmp_path, resume=False), "jobs", Engine())
    with pytest.raises(UsageError, match="add --resume to continue"):
        Record(tmp_path, resume=False)


@pytest.mark.slow
def test_worker_processes_give_the_same_answers(tmp_path: Path) -> None:
    answers = run_all(jobs_in(tmp_path), Record(tmp_path, resume=False), "jobs", Engine("local", 2))
    assert answers["job 2"] == {"square": 4}
    assert sorted((tmp_path / "log").read_text().split()) == ["0", "1", "2"]


def test_a_training_whose_process_dies_each_time_is_an_error(tmp_path: Path) -> None:
    fatal = Job("fatal", os._exit, {"status": 9}, {}, {})
    with pytest.raises(RuntimeFailure, match=r"fatal: its process died 3 times.*continue with --resume"):
        run_all([fatal], Record(tmp_path, resume=False), "jobs", Engine("local", 1))


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--engine steam"):
        run_all(jobs_in(tmp_path), Record(tmp_path, resume=False), "jobs", Engine("steam"))


def scores_of(films: Dataset, shift: float) -> dict[str, list[float]]:
    random = np.random.default_rng(0)
    made = {}
    for split in ("val", "test"):
        truth = truth_of(films, split).positive
        made[split] = (1 / (1 + np.exp(-random.normal(np.where(truth, shift, -shift), 1.0)))).tolist()
    return made


def test_a_report_has_the_threshold_of_val_and_the_figures_of_test(films: Dataset) -> None:
    scores = scores_of(films, 1.0)
    figures = scoring.report(films, scores)
    val, test = (np.array(scores[split]) for split in ("val", "test"))
    assert figures.threshold == operating_point.youden_threshold(val, truth_of(films, "val").positive)
    assert figures.auc.value == roc.auc(test, truth_of(films, "test").positive)
    assert set(figures.within_source) == {"phantom-a", "phantom-b", "phantom-c"}


def test_two_equal_models_do_not_differ(films: Dataset) -> None:
    scores = np.array(scores_of(films, 1.0)["test"])
    tested = scoring.compare_scores(scores, scores, truth_of(films, "test").positive, (0.5, 0.5))
    assert (tested.p_delong, tested.p_mcnemar, tested.auc_change.value) == (1.0, 1.0, 0.0)


def test_a_much_better_model_is_found_better(films: Dataset) -> None:
    first, second = (np.array(scores_of(films, shift)["test"]) for shift in (0.2, 2.0))
    tested = scoring.compare_scores(first, second, truth_of(films, "test").positive, (0.5, 0.5))
    assert tested.auc_change.low > 0
    assert tested.p_delong < 0.001
    assert tested.calls_gained > tested.calls_lost


def test_a_trend_over_groups_is_found_and_chance_is_not() -> None:
    rising = [[0.80, 0.81, 0.79], [0.84, 0.85, 0.83], [0.88, 0.89, 0.87], [0.92, 0.93, 0.91]]
    correlation, p_value = scoring.rank_test(rising, draws=2000)
    assert correlation > 0.9
    assert p_value < 0.01
    assert scoring.rank_test([[0.8, 0.9], [0.9, 0.8], [0.8, 0.9]], draws=500)[1] > 0.2


def test_values_that_are_all_equal_have_no_trend() -> None:
    assert scoring.rank_test([[3.0, 3.0], [3.0, 3.0]], draws=100) == (0.0, 1.0)


def unfreezing(films: Dataset) -> UnfreezeStudy:
    """A result of the study as its code makes it, but for the trainings."""
    history = [{"val_accuracy": 0.8, "val_loss": 0.5, "accuracy": 0.7, "loss": 0.6} for _ in range(3)]
    rows = [
        UnfreezeRow(
            fraction=fraction,
            frozen_layers=10,
            backbone_layers=154,
            trainable_parameters=1000,
            figures=(scoring.report(films, scores_of(films, shift)),) * 2,
            epochs_to_converge=(2, 3),
            best_epoch=(3, 3),
            histories=(history, history),
            scores=(scores_of(films, shift),) * 2,
        )
        for fraction, shift in ((0.33, 0.5), (1.0, 1.0))
    ]
    return UnfreezeStudy(
        # The options of the study itself are a module that needs TensorFlow.
        facts=dataclasses.replace(
            facts.gather("unfreeze", films, SheetOptions("phantom")), options={"epochs": 3, "seeds": [0, 1]}
        ),
        weights="random numbers",
        converged_within=0.02,
        rows=tuple(rows),
        pairs=(),
        trends={"accuracy": Trend(0.9, 0.01), "auc": Trend(0.1, 0.6), "epochs_to_converge": Trend(0.8, 0.02)},
    )


def test_the_page_of_a_study_says_what_holds_what_does_not_and_what_is_not_shown(films: Dataset) -> None:
    shown = tables.render(unfreezing(films))
    assert "- That accuracy rises with the part unfrozen holds here" in shown
    assert "- That AUC rises with the part unfrozen is not shown" in shown
    assert "- The opposite of 'epochs to converge fall with the part unfrozen' holds here" in shown
    assert RESEARCH_ONLY in shown


@pytest.mark.slow
def test_figures_are_written_as_png_and_svg_the_same_each_time(films: Dataset, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        for name, figure in study_plots.draw(unfreezing(films)).items():
            study_plots.save(figure, tmp_path / folder / name)
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["curves.png", "curves.svg", "outcome.png", "outcome.svg"]
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert RESEARCH_ONLY in (tmp_path / "first" / "outcome.svg").read_text()


@pytest.mark.parametrize(("suffix", "mark"), [("jpg", b"\xff\xd8\xff"), ("webp", b"RIFF"), ("png", b"\x89PNG")])
def test_the_contact_sheet_has_the_format_that_its_suffix_says(tmp_path: Path, suffix: str, mark: bytes) -> None:
    out = draw_sheet(SheetOptions("phantom", sets=("mild",), films=1, copies=1), tmp_path / f"sheet.{suffix}")
    assert out.read_bytes().startswith(mark)


def test_a_picture_of_another_suffix_is_refused_before_any_work(
    films: Dataset, tmp_path: Path, brightness_bundle: Bundle
) -> None:
    with pytest.raises(UsageError, match=r"type --out .*sheet\.png"):
        draw_sheet(SheetOptions("nowhere"), tmp_path / "sheet.pdf")
    with pytest.raises(UsageError, match=r"type --out .*map\.png"):
        gradcam.draw_gradcam(brightness_bundle, small(films, test=4), tmp_path / "map.pdf")


def test_the_contact_sheet_shows_each_film_in_each_augmentation(tmp_path: Path) -> None:
    out = draw_sheet(SheetOptions("phantom", sets=("paper", "mild"), films=1, copies=2), tmp_path / "sheet.png")
    with Image.open(out) as sheet:
        assert sheet.size == (3 * 138 + 6, 4 * 160 + 28)


def test_an_unknown_augmentation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--set wild: unknown; choose from paper, default, mild"):
        draw_sheet(SheetOptions("phantom", sets=("wild",)), tmp_path / "sheet.png")


def test_right_and_wrong_films_are_shown_surest_first(films: Dataset) -> None:
    few = small(films, test=8)
    # Every other film is positive, from the first on.
    scores = np.array([0.9, 0.1, 0.8, 0.6, 0.2, 0.3, 0.4, 0.9])
    shown = gradcam.choose(scores, few, 0.5, 1)
    assert [(film.row, film.outcome) for film in shown] == [
        (0, "covid called covid"),
        (1, "noncovid called noncovid"),
        (4, "covid called noncovid"),
        (7, "noncovid called covid"),
    ]


def test_the_gradcam_figure_needs_both_artifacts(films: Dataset, brightness_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no model_int8.tflite; make it with 'cxr-edge export"):
        gradcam.draw_gradcam(brightness_bundle, small(films, test=4), tmp_path / "map.png")


def test_calibrate_writes_threshold_temperature_and_card(
    films: Dataset, brightness_bundle: Bundle, tmp_path: Path
) -> None:
    few = small(films, val=30, test=20)
    out = tmp_path / "calibrated"
    record = calibrate.calibrate(
        brightness_bundle, few, artifact=brightness_bundle.artifact("float32"), sensitivity=0.9, out=out
    )
    read = Bundle.read(out)
    assert (read.manifest.threshold, read.manifest.calibration) == (
        record.fitted.threshold,
        json.loads(json.dumps(record.to_json())),
    )
    assert record.figures["val"].counts.sensitivity >= 0.9
    assert read.artifact_bytes(read.artifact("float32"))
    assert Bundle.read(brightness_bundle.path).manifest.threshold == 0.5
    assert (tmp_path / "calibrated-reliability.svg").is_file()


def test_calibrate_in_place_changes_the_bundle_itself(films: Dataset, brightness_bundle: Bundle) -> None:
    record = calibrate.calibrate(
        brightness_bundle, small(films, val=30), artifact=brightness_bundle.artifact("float32")
    )
    assert Bundle.read(brightness_bundle.path).manifest.threshold == record.fitted.threshold
    assert set(record.figures) == {"val"}


def test_calibrate_refuses_other_classes(films: Dataset, brightness_bundle: Bundle) -> None:
    items = tuple(dataclasses.replace(i, label="sick" if i.label == "covid" else "well") for i in films.items[:4])
    other = dataclasses.replace(films, items=items, labels=("sick", "well"), positive="sick")
    with pytest.raises(DataError, match="its positive class is 'sick', the bundle's 'covid'"):
        calibrate.calibrate(brightness_bundle, other, artifact=brightness_bundle.artifact("float32"))
