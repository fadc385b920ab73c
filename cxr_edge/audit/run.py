"""One audit from beginning to end: films, cues, a model where there is one, the verdict, and the files it leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_edge.audit import heatmap_overlap, page, probe, shortcut_features, verdict
from cxr_edge.audit.heatmap_overlap import Gaze
from cxr_edge.audit.probe import Finding, Labels
from cxr_edge.audit.result import Audit, ModelFinding, SourceRow
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.data.dataset import Dataset, Item
from cxr_edge.errors import DataError
from cxr_edge.inference.batch import run_films
from cxr_edge.inference.classify import choose_artifact
from cxr_edge.metrics import intervals, roc
from cxr_edge.metrics.confusion import Bools, Floats, is_positive
from cxr_edge.metrics.intervals import Interval
from cxr_edge.system import files
from cxr_edge.system.progress import Progress, say

__all__ = ["audit", "write"]

SOURCE_ALONE = "the source's name"


def audit(
    dataset: Dataset,
    bundle: Bundle | None = None,
    *,
    artifact: Artifact | None = None,
    probes: Mapping[str, Floats] | None = None,
    threads: int = 1,
) -> Audit:
    """Audit a data set, and the classifier of a bundle with it, on the films of val and test.

    `probes` are further numbers of all films in their order, (n, some) each, such as a network's features. Raises
    DataError, BundleError, RuntimeFailure, MissingExtraError.
    """
    labels = Labels.of(dataset)
    if bundle is not None:
        _check_classes(dataset, bundle)
    cues = _assess_cues(dataset, labels, probes or {})
    judged = None if bundle is None else _judge_model(dataset, bundle, artifact, labels, cues, threads)
    return Audit(
        data=dataset.name,
        fingerprint=dataset.fingerprint(),
        positive=dataset.positive,
        trained_films=int(labels.trained.sum()),
        sources=_count_sources(labels, judged.called if judged else None),
        cues=cues.findings,
        model=judged.finding if judged else None,
        average_lungs_dice=heatmap_overlap.measure_average_lungs(),
        verdict=verdict.conclude(cues.plain, judged.finding if judged else None),
        warnings=dataset.notes,
    )


def write(result: Audit, out: Path) -> list[Path]:
    """Write audit.json, audit.svg and audit.html to the folder `out`; return their paths. Raises OutputError."""
    files.prepare_folder(out)
    paths = [out / name for name in ("audit.json", "audit.svg", "audit.html")]
    files.write_json(paths[0], result.to_json())
    files.write_text(paths[1], page.draw_file(result))
    files.write_text(paths[2], page.render(result))
    return paths


@dataclass(frozen=True)
class _Cues:
    """What the plain classifiers found, and the scores (n,) that each gave all films."""

    findings: tuple[Finding, ...]
    scores: Mapping[str, Floats]

    @property
    def plain(self) -> list[Finding]:
        """Those that need no network, for a network has to beat no others."""
        names = (*shortcut_features.CUES, shortcut_features.ASPECT)
        return [finding for finding in self.findings if finding.name in names]


@dataclass(frozen=True)
class _Judged:
    """What the model does, and which of the films (n,) it calls positive; trained ones are False."""

    finding: ModelFinding
    called: Bools


@dataclass(frozen=True)
class _Answers:
    """The model's probabilities (n,) of the positive class, 0 for trained films, and its maps (held out, 49)."""

    probabilities: Floats
    heatmaps: Floats | None


def _check_classes(dataset: Dataset, bundle: Bundle) -> None:
    if bundle.manifest.positive != dataset.positive or set(bundle.manifest.labels) != set(dataset.labels):
        raise DataError(
            f"{dataset.name}: has the classes {', '.join(dataset.labels)}, the bundle tells "
            f"{', '.join(bundle.manifest.labels)}; name them alike"
        )


def _assess_cues(dataset: Dataset, labels: Labels, probes: Mapping[str, Floats]) -> _Cues:
    planes, aspects = shortcut_features.read_planes(dataset)
    numbers = shortcut_features.measure(planes, aspects) | {SOURCE_ALONE: _one_hot(labels)} | dict(probes)
    findings, scores = [], {}
    with Progress("cues", len(numbers)) as progress:
        for name, features in numbers.items():
            finding, scores[name] = probe.assess(name, features, labels)
            findings.append(finding)
            progress.advance(note=name)
    return _Cues(tuple(findings), scores)


def _judge_model(
    dataset: Dataset, bundle: Bundle, artifact: Artifact | None, labels: Labels, cues: _Cues, threads: int
) -> _Judged:
    chosen = artifact or choose_artifact(bundle)
    held_out = ~labels.trained
    items = tuple(item for item, kept in zip(dataset.items, held_out, strict=True) if kept)
    answers = _run(bundle, chosen, dataclasses.replace(dataset, items=items), held_out, threads)
    finding = probe.judge(chosen.name, answers.probabilities, labels)
    called = held_out & is_positive(answers.probabilities, bundle.manifest.threshold)
    gazes = {}
    if answers.heatmaps is None:
        say(f"note: {chosen.name} gives no heat map, so where it looks is not measured; export the bundle first")
    else:
        other = next(label for label in bundle.manifest.labels if label != dataset.positive)
        gazes = _measure_gazes(items, answers.heatmaps, called[held_out], (dataset.positive, other))
    against = _compare_with_cues(finding, answers.probabilities, labels, cues)
    return _Judged(ModelFinding(bundle.manifest.name, chosen.name, finding, against, gazes), called)


def _run(bundle: Bundle, artifact: Artifact, dataset: Dataset, held_out: Bools, threads: int) -> _Answers:
    """Return what the model answers to the films of `dataset`, which are those held out."""
    outputs = run_films(bundle, artifact, dataset.pixels(), threads=threads)
    probabilities = np.zeros(len(held_out))
    probabilities[held_out] = outputs["probabilities"][:, bundle.manifest.positive_index]
    if "heatmap" not in outputs:
        return _Answers(probabilities, None)
    return _Answers(probabilities, outputs["heatmap"].reshape(len(dataset.items), -1).astype(np.float64))


def _compare_with_cues(
    finding: Finding, probabilities: Floats, labels: Labels, cues: _Cues
) -> dict[str, tuple[str, Interval]]:
    """Return, for each source with both classes, the strongest cue there and how much the model's AUC is above it."""
    against = {}
    for source in finding.within:
        rows = ~labels.trained & (labels.sources == source)
        best = verdict.strongest(cues.plain, source)
        if best is not None:
            change = roc.auc_change(cues.scores[best.name][rows], probabilities[rows], labels.positive[rows])
            against[source] = (best.name, change)
    return against


def _measure_gazes(items: Sequence[Item], heatmaps: Floats, called: Bools, names: tuple[str, str]) -> dict[str, Gaze]:
    """Return where the maps lie for the films that were called positive and for the others, by those `names`."""
    covers, exact = heatmap_overlap.cover_lungs(items)
    gazes = {}
    for name, rows in zip(names, (called, ~called), strict=True):
        gaze = heatmap_overlap.look(heatmaps[rows], covers[rows], exact=exact) if rows.any() else None
        if gaze is not None:
            gazes[name] = gaze
    return gazes


def _one_hot(labels: Labels) -> Floats:
    coded: Floats = (labels.sources[:, None] == np.unique(labels.sources)[None]).astype(np.float64)
    return coded


def _count_sources(labels: Labels, called: Bools | None) -> tuple[SourceRow, ...]:
    rows = []
    for source in np.unique(labels.sources):
        own = ~labels.trained & (labels.sources == source)
        positive = labels.positive[own]
        right = None
        if called is not None and own.any():
            right = intervals.proportion(int((called[own] == positive).sum()), int(own.sum()))
        rows.append(SourceRow(str(source), int(positive.sum()), int((~positive).sum()), right))
    return tuple(rows)
