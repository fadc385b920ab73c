"""The exports of `study backbones`: each backbone with its first head, as TFLite in float and int8, measured here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.benchmarks import run as bench
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchOptions
from cxr_edge.benchmarks.result.device_result import LatencyReport
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import KERAS_NAME, InputContract
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.export import pipeline
from cxr_edge.metrics import calibration
from cxr_edge.metrics.confusion import Floats
from cxr_edge.studies.cached_heads import Place, head_path
from cxr_edge.studies.jobs import Engine, Job, Record, run_all
from cxr_edge.studies.report.backbones_result import Exported, ExportedArtifact, Latency
from cxr_edge.studies.subset import truth_of
from cxr_edge.system import files
from cxr_edge.training.network.heads import put_head
from cxr_edge.training.network.model import build_classifier, build_head
from cxr_edge.training.outcome.bundle_writer import save_model

__all__ = ["Candidate", "export_all", "measure"]

_RECIPES = ("float32", "int8")
_BATCH = 32


@dataclass(frozen=True)
class Candidate:
    """A backbone that has weights, and the jobs that train a head on it, a seed each."""

    backbone: str
    place: Place
    identity: Mapping[str, str]
    heads: tuple[Job, ...]


def export_all(
    candidates: Sequence[Candidate], positive: str, out: Path, record: Record, engine: Engine
) -> dict[str, Exported]:
    """Return what became of each backbone with the first seed's head. Raises what trainings and `measure` raise."""
    jobs = {}
    for candidate in candidates:
        first = candidate.heads[0]
        head = head_path(Path(candidate.place.cache), first.name)
        jobs[candidate.backbone] = Job(
            f"{candidate.backbone} exported",
            measure,
            {"backbone": candidate.backbone, "positive": positive},
            dataclasses.asdict(candidate.place) | {"head": str(head), "out": str(out.resolve())},
            {**candidate.identity, "head": first.key},
        )
    answers = run_all(list(jobs.values()), record, "exports", engine)
    return {backbone: Exported.from_json(answers[job.name]) for backbone, job in jobs.items()}


def measure(
    *, backbone: str, positive: str, data: str, weights: str, cache: str, head: str, out: str
) -> dict[str, Any]:
    """Put a trained head onto its backbone, export it to TFLite, and measure float and int8 here: a job.

    int8 is as the stock converter makes it: the repair knows MobileNetV2 alone, and the backbones shall be equal.
    """
    dataset = open_dataset(data, positive=positive)
    classifier = build_classifier(backbone, weights=weights)
    put_head(classifier, _load_head(classifier, Path(head)))
    folder = Path(out) / "bundles" / backbone
    bundle = _write_bundle(classifier, backbone, dataset, folder)
    exporting = pipeline.ExportOptions(formats=("tflite",), quantize=_RECIPES, data=data)
    exported = pipeline.export(bundle, exporting, folder / "exported")
    split = "test" if any(item.split == "test" for item in dataset.items) else "val"
    found = bench.run(exported, dataset, BenchOptions(split=split), out=None)
    return Exported(
        keras_mb=(folder / KERAS_NAME).stat().st_size / 1e6,
        machine=found.machine.cpu_model,
        warnings=tuple(found.warnings),
        artifacts={row.name: _describe_artifact(row) for row in found.artifacts},
    ).to_json()


def _load_head(classifier: Any, path: Path) -> Any:
    head = build_head(classifier.get_layer("pooled_features").output.shape[-1], labels=classifier.output_shape[-1])
    head.load_weights(path)
    return head


def _write_bundle(classifier: Any, backbone: str, dataset: Dataset, folder: Path) -> Bundle:
    """Write the classifier as a bundle whose threshold is fitted on val, and no further figures."""
    files.prepare_folder(folder)
    path = folder / KERAS_NAME
    save_model(classifier, path)
    val = dataset.select(split="val")
    scores = _score(classifier, val)
    fitted = calibration.fit(scores, truth_of(val, "val").positive)
    artifact = Artifact(KERAS_NAME, "keras", "none", files.sha256_file(path), path.stat().st_size, ("probabilities",))
    manifest = Manifest(
        name=f"study-{backbone}",
        architecture=backbone,
        labels=dataset.labels,
        positive=dataset.positive,
        threshold=fitted.threshold,
        contract=InputContract(),
        artifacts={KERAS_NAME: artifact},
        calibration=fitted.to_json(),
        provenance={"study": "backbones"},
    )
    bundle = Bundle(folder, manifest)
    bundle.write_manifest()
    return bundle


def _score(classifier: Any, dataset: Dataset) -> Floats:
    """Return the probabilities of the positive class, (n,)."""
    pixels = dataset.pixels()
    batches = [pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)]
    answers = np.concatenate([np.asarray(classifier(batch, training=False)) for batch in batches])
    scores: Floats = answers[:, dataset.labels.index(dataset.positive)]
    return scores


def _describe_artifact(row: ArtifactResult) -> ExportedArtifact:
    flips = None
    if row.drift is not None and row.drift.change is not None:
        flips = row.drift.change.flips.count
    return ExportedArtifact(
        size_mb=row.size_bytes / 1e6,
        failures=tuple(row.failures),
        auc=row.drift.auc if row.drift else None,
        flips=flips,
        latency=_describe_latency(row.latencies[0]) if row.latencies else None,
    )


def _describe_latency(found: LatencyReport) -> Latency:
    return Latency(found.p50, found.p90_ms, found.peak_mib, found.runtime, found.threads)
