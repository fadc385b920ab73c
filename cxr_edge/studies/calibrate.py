"""A bundle's temperature and operating point chosen anew on films of its user, and written into its manifest."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact
from cxr_edge.contract import KERAS_NAME
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import BundleError, DataError, UsageError
from cxr_edge.metrics import calibration, operating_point, summary
from cxr_edge.models import open_model
from cxr_edge.runtimes.base import Runtime
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.progress import Progress, say

__all__ = ["calibrate"]

CARD = "MODEL_CARD.md"
_HEADING = "\n## Calibration\n"


def calibrate(
    bundle: Bundle,
    dataset: Dataset,
    *,
    artifact: str | None = None,
    rule: str = operating_point.STEADY,
    sensitivity: float | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Fit on the split val, write the manifest of `out` or of the bundle itself, and return what was written.

    The scores are those of `artifact`, model.keras where none is named; `rule` and `sensitivity` are those of
    `calibration.fit`. `test` figures are at the new threshold where there are test films. Raises UsageError, DataError,
    BundleError, RuntimeFailure, OutputError.
    """
    operating_point.check_rule(rule, sensitivity)
    chosen = _choose(bundle, artifact)
    if dataset.positive != bundle.manifest.positive or dataset.positive not in bundle.manifest.labels:
        raise DataError(
            f"{dataset.name}: its positive class is '{dataset.positive}', the bundle's '{bundle.manifest.positive}'"
        )
    runtime = open_model(bundle, chosen)
    scores, truth = {}, {}
    for split in ("val", "test"):
        if split == "val" or any(item.split == split for item in dataset.items):
            part = dataset.select(split=split)
            # A .tflite takes one film at a time.
            batch = 32 if chosen.format == "keras" else 1
            scores[split] = _score(runtime, part, bundle.manifest.positive_index, batch, f"{chosen.name} on {split}")
            truth[split] = np.array([item.label == dataset.positive for item in part.items])
    runtime.close()
    fitted = calibration.fit(scores["val"], truth["val"], rule=rule, sensitivity=sensitivity)
    figures = {
        split: summary.summarise(own, truth[split], (), fitted.threshold).to_json(sources=False)
        for split, own in scores.items()
    }
    record = fitted.to_json() | {
        "artifact": chosen.name,
        "data": {"name": dataset.name, "sha256": dataset.fingerprint()},
        "figures": figures,
    }
    place = _put(bundle, record, fitted.threshold, out)
    _draw(place, scores, truth, fitted.temperature)
    return record


def _choose(bundle: Bundle, artifact: str | None) -> Artifact:
    if artifact is not None:
        return bundle.artifact(artifact)
    if KERAS_NAME not in bundle.manifest.artifacts:
        raise BundleError(f"{bundle.path}: has no {KERAS_NAME}; name the artifact to calibrate with --artifact")
    return bundle.artifact(KERAS_NAME)


def _score(runtime: Runtime, part: Dataset, at: int, batch: int, label: str) -> Any:
    pixels = part.pixels()
    rows = []
    with Progress(label, len(pixels)) as progress:
        for start in range(0, len(pixels), batch):
            rows.append(runtime.run(pixels[start : start + batch])["probabilities"][:, at])
            progress.advance(len(rows[-1]))
    return np.concatenate(rows).astype(np.float64)


def _put(bundle: Bundle, record: dict[str, Any], threshold: float, out: Path | None) -> Path:
    """Write manifest and card, in a copy of the bundle where `out` is another folder; return where they are."""
    place = bundle.path
    if out is not None and out.resolve() != bundle.path.resolve():
        if (out / MANIFEST_NAME).exists():
            raise UsageError(f"--out {out}: holds a bundle already; give another folder")
        with files.staged_folder(out) as staged:
            for name in (*bundle.manifest.artifacts, *bundle.manifest.files):
                shutil.copyfile(bundle.path / name, staged / name)
            _write(Bundle(staged, bundle.manifest), record, threshold)
        place = out
    else:
        _write(bundle, record, threshold)
    if len(bundle.manifest.artifacts) > 1 and threshold != bundle.manifest.threshold:
        say("note: what exported artifacts say of themselves still has the old threshold; export again to renew it")
    return place


def _write(bundle: Bundle, record: dict[str, Any], threshold: float) -> None:
    hashes = dict(bundle.manifest.files)
    if CARD in hashes:
        text = (bundle.path / CARD).read_text(encoding="utf-8").partition(_HEADING)[0]
        files.write_text(bundle.path / CARD, text + _describe(record))
        hashes[CARD] = files.sha256_file(bundle.path / CARD)
    manifest = dataclasses.replace(bundle.manifest, threshold=threshold, calibration=record, files=hashes)
    Bundle(bundle.path, manifest).write_manifest()


def _describe(record: dict[str, Any]) -> str:
    lines = [
        f"{_HEADING}",
        f"Threshold {record['threshold']:.4f} by the rule '{record['rule']}' and temperature "
        f"{record['temperature']:.3f}, chosen on {record['films']} films of the split val of "
        f"`{record['data']['name']}` with {record['artifact']}. The figures above are at the threshold before that; at "
        "this one:",
        "",
        "| films | accuracy | sensitivity | specificity |",
        "|---|---|---|---|",
    ]
    for split, own in record["figures"].items():
        cells = " | ".join(f"{own[name]:.3f}" for name in ("accuracy", "sensitivity", "specificity"))
        lines.append(f"| {split} | {cells} |")
    return "\n".join([*lines, "", RESEARCH_ONLY, ""])


def _draw(place: Path, scores: dict[str, Any], truth: dict[str, Any], temperature: float) -> None:
    """Leave the reliability plot beside the bundle, for a bundle holds nothing that its manifest does not list."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        say("note: no reliability plot without the extra 'train'; type: pip install 'cxr-edge[train]'")
        return
    from cxr_edge.studies.report import study_plots

    split = "test" if "test" in scores else "val"
    figure = study_plots.draw_reliability(
        scores[split], truth[split], temperature, f"{split} films; temperature fitted on val"
    )
    study_plots.save(figure, place.with_name(f"{place.name}-reliability"))
