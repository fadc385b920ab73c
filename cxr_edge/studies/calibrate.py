"""A bundle's temperature and operating point chosen anew on films of its user, and written into its manifest."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact
from cxr_edge.contract import KERAS_NAME
from cxr_edge.data.dataset import Dataset
from cxr_edge.data.sufficiency import require_measurable
from cxr_edge.errors import BundleError, DataError, UsageError
from cxr_edge.metrics import calibration, operating_point
from cxr_edge.metrics.calibration import Calibration
from cxr_edge.metrics.confusion import Bools, Floats
from cxr_edge.metrics.summary import Summary, summarise
from cxr_edge.models import open_model
from cxr_edge.runtimes.base import Runtime
from cxr_edge.system import files
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.extras import is_installed
from cxr_edge.system.progress import Progress, say

__all__ = ["Calibrated", "calibrate"]

CARD = "MODEL_CARD.md"
_HEADING = "\n## Calibration\n"


@dataclass(frozen=True)
class Calibrated:
    """What was chosen and on which films; `figures` are at the new threshold, by split."""

    fitted: Calibration
    artifact: str
    data: str
    data_sha256: str
    figures: Mapping[str, Summary]

    def to_json(self) -> dict[str, Any]:
        """Return the object that the manifest keeps under `calibration`."""
        return self.fitted.to_json() | {
            "artifact": self.artifact,
            "data": {"name": self.data, "sha256": self.data_sha256},
            "figures": {split: own.to_json(sources=False) for split, own in self.figures.items()},
        }


@dataclass(frozen=True)
class _Scored:
    """The films of a split: their probabilities of the positive class (n,), and whether they are positive (n,)."""

    scores: Floats
    positive: Bools


def calibrate(
    bundle: Bundle,
    dataset: Dataset,
    *,
    artifact: Artifact | None = None,
    rule: str = operating_point.STEADY,
    sensitivity: float | None = None,
    out: Path | None = None,
) -> Calibrated:
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
    require_measurable(dataset)
    scored = _score_splits(bundle, chosen, dataset)
    val = scored["val"]
    fitted = calibration.fit(val.scores, val.positive, rule=rule, sensitivity=sensitivity)
    found = Calibrated(
        fitted=fitted,
        artifact=chosen.name,
        data=dataset.name,
        data_sha256=dataset.fingerprint(),
        figures={split: summarise(own.scores, own.positive, (), fitted.threshold) for split, own in scored.items()},
    )
    place = _put(bundle, found, out)
    _draw(place, scored, fitted.temperature)
    return found


def _choose(bundle: Bundle, artifact: Artifact | None) -> Artifact:
    if artifact is not None:
        return artifact
    if KERAS_NAME not in bundle.manifest.artifacts:
        raise BundleError(
            f"{bundle.path}: has no {KERAS_NAME}; name the artifact to calibrate with, as BUNDLE:ARTIFACT"
        )
    return bundle.artifact(KERAS_NAME)


def _score_splits(bundle: Bundle, artifact: Artifact, dataset: Dataset) -> dict[str, _Scored]:
    """Return the films of val, and of test where there are any. Raises DataError where val has none."""
    runtime = open_model(bundle, artifact)
    # A .tflite takes one film at a time.
    batch = 32 if artifact.format == "keras" else 1
    scored = {}
    for split in ("val", "test"):
        if split == "val" or any(item.split == split for item in dataset.items):
            part = dataset.select(split=split)
            scores = _score(runtime, part, bundle.manifest.positive_index, batch, f"{artifact.name} on {split}")
            scored[split] = _Scored(scores, np.array([item.label == dataset.positive for item in part.items]))
    runtime.close()
    return scored


def _score(runtime: Runtime, part: Dataset, at: int, batch: int, label: str) -> Floats:
    pixels = part.pixels()
    rows = []
    with Progress(label, len(pixels)) as progress:
        for start in range(0, len(pixels), batch):
            rows.append(runtime.run(pixels[start : start + batch])["probabilities"][:, at])
            progress.advance(len(rows[-1]))
    return np.concatenate(rows).astype(np.float64)


def _put(bundle: Bundle, found: Calibrated, out: Path | None) -> Path:
    """Write manifest and card, in a copy of the bundle where `out` is another folder; return where they are."""
    place = bundle.path
    if out is not None and out.resolve() != bundle.path.resolve():
        if (out / MANIFEST_NAME).exists():
            raise UsageError(f"--out {out}: holds a bundle already; give another folder")
        with files.staged_folder(out) as staged:
            for name in (*bundle.manifest.artifacts, *bundle.manifest.files):
                shutil.copyfile(bundle.path / name, staged / name)
            _write(Bundle(staged, bundle.manifest), found)
        place = out
    else:
        _write(bundle, found)
    if len(bundle.manifest.artifacts) > 1 and found.fitted.threshold != bundle.manifest.threshold:
        say("note: what exported artifacts say of themselves still has the old threshold; export again to renew it")
    return place


def _write(bundle: Bundle, found: Calibrated) -> None:
    hashes = dict(bundle.manifest.files)
    if CARD in hashes:
        text = (bundle.path / CARD).read_text(encoding="utf-8").partition(_HEADING)[0]
        files.write_text(bundle.path / CARD, text + _describe(found))
        hashes[CARD] = files.sha256_file(bundle.path / CARD)
    manifest = dataclasses.replace(
        bundle.manifest, threshold=found.fitted.threshold, calibration=found.to_json(), files=hashes
    )
    Bundle(bundle.path, manifest).write_manifest()


def _describe(found: Calibrated) -> str:
    fitted = found.fitted
    lines = [
        f"{_HEADING}",
        f"Threshold {fitted.threshold:.4f} by the rule '{fitted.rule}' and temperature {fitted.temperature:.3f}, "
        f"chosen on {fitted.films} films of the split val of `{found.data}` with {found.artifact}. The figures above "
        "are at the threshold before that; at this one:",
        "",
        "| films | accuracy | sensitivity | specificity |",
        "|---|---|---|---|",
    ]
    for split, own in found.figures.items():
        rates = (own.counts.accuracy, own.counts.sensitivity, own.counts.specificity)
        lines.append(f"| {split} | {' | '.join(f'{rate:.3f}' for rate in rates)} |")
    return "\n".join([*lines, "", RESEARCH_ONLY, ""])


def _draw(place: Path, scored: Mapping[str, _Scored], temperature: float) -> None:
    """Leave the reliability plot beside the bundle, for a bundle holds nothing that its manifest does not list."""
    if not is_installed("matplotlib"):
        say("note: no reliability plot without the extra 'train'; type: pip install 'cxr-edge[train]'")
        return
    from cxr_edge.studies.report import study_plots

    split = "test" if "test" in scored else "val"
    shown = scored[split]
    figure = study_plots.draw_reliability(
        shown.scores, shown.positive, temperature, f"{split} films; temperature fitted on val"
    )
    study_plots.save(figure, place.with_name(f"{place.name}-reliability"))
