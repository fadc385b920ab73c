"""One audit from beginning to end: films, cues, a model where there is one, the verdict, and the files it leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cxr_edge.audit import heatmap_overlap, page, probe, shortcut_features, verdict
from cxr_edge.audit.probe import Finding, Labels
from cxr_edge.audit.result import Audit, ModelFinding, SourceRow
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.data.dataset import Dataset
from cxr_edge.errors import DataError
from cxr_edge.inference.batch import run_films
from cxr_edge.inference.classify import choose_artifact
from cxr_edge.metrics import intervals, roc
from cxr_edge.metrics.confusion import Bools, Floats, is_positive
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
    planes, aspects = shortcut_features.read_planes(dataset)
    numbers = shortcut_features.measure(planes, aspects) | {SOURCE_ALONE: _one_hot(labels)} | dict(probes or {})
    found, scores = [], {}
    with Progress("cues", len(numbers)) as progress:
        for name, features in numbers.items():
            finding, scores[name] = probe.assess(name, features, labels)
            found.append(finding)
            progress.advance(note=name)
    judged = None
    called = None
    # Only what needs no network is a cue that a network has to beat.
    plain = [
        finding
        for finding in found
        if finding.name in shortcut_features.CUES or finding.name == shortcut_features.ASPECT
    ]
    if bundle is not None:
        if bundle.manifest.positive != dataset.positive or set(bundle.manifest.labels) != set(dataset.labels):
            raise DataError(
                f"{dataset.name}: has the classes {', '.join(dataset.labels)}, the bundle tells "
                f"{', '.join(bundle.manifest.labels)}; name them alike"
            )
        judged, called = _judge_model(dataset, bundle, artifact, labels, plain, scores, threads)
    return Audit(
        data=dataset.name,
        fingerprint=dataset.fingerprint(),
        positive=dataset.positive,
        trained_films=int(labels.trained.sum()),
        sources=_count_sources(labels, called),
        cues=tuple(found),
        model=judged,
        average_lungs_dice=heatmap_overlap.measure_average_lungs(),
        verdict=verdict.conclude(plain, judged),
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


def _judge_model(
    dataset: Dataset,
    bundle: Bundle,
    artifact: Artifact | None,
    labels: Labels,
    plain: list[Finding],
    scores: dict[str, Floats],
    threads: int,
) -> tuple[ModelFinding, Bools]:
    """Return what the model does, and which of the films (n,) it calls positive; trained ones are False."""
    chosen = artifact or choose_artifact(bundle)
    held_out = ~labels.trained
    items = tuple(item for item, kept in zip(dataset.items, held_out, strict=True) if kept)
    pixels = dataclasses.replace(dataset, items=items).pixels()
    outputs = run_films(bundle, chosen, pixels, threads=threads)
    answers = np.zeros(len(held_out))
    answers[held_out] = outputs["probabilities"][:, bundle.manifest.positive_index]
    finding = probe.judge(chosen.name, answers, labels)
    against = {}
    for source in finding.within:
        rows = held_out & (labels.sources == source)
        best = verdict.strongest(plain, source)
        if best is not None:
            change = roc.auc_change(scores[best.name][rows], answers[rows], labels.positive[rows])
            against[source] = (best.name, change)
    called = held_out & is_positive(answers, bundle.manifest.threshold)
    gazes = {}
    if "heatmap" in outputs:
        covers, exact = heatmap_overlap.cover_lungs(items)
        maps = outputs["heatmap"].reshape(len(items), -1).astype(np.float64)
        others = [label for label in bundle.manifest.labels if label != dataset.positive]
        for label, rows in ((dataset.positive, called[held_out]), (others[0], ~called[held_out])):
            seen = heatmap_overlap.look(maps[rows], covers[rows], exact=exact) if rows.any() else None
            if seen is not None:
                gazes[label] = seen
    else:
        say(f"note: {chosen.name} gives no heat map, so where it looks is not measured; export the bundle first")
    return ModelFinding(bundle.manifest.name, chosen.name, finding, against, gazes), called


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
