"""The paper's first comparison: four frozen ImageNet backbones under the same head, on the same films."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxr_edge.benchmarks import run as bench
from cxr_edge.benchmarks.result.bench_result import ArtifactResult, BenchOptions
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact, Manifest
from cxr_edge.contract import KERAS_NAME, InputContract
from cxr_edge.data.dataset import Dataset, open_dataset
from cxr_edge.errors import UsageError
from cxr_edge.export import pipeline
from cxr_edge.metrics import calibration
from cxr_edge.studies import scoring, weights
from cxr_edge.studies.cached_heads import HeadSpec, Place, head_job, prepare
from cxr_edge.studies.jobs import Engine, Job, Record, run_all
from cxr_edge.studies.report import study_page
from cxr_edge.studies.subset import HELD_OUT, describe, truth_of
from cxr_edge.system import files
from cxr_edge.system.progress import say
from cxr_edge.training.network import layers
from cxr_edge.training.network.heads import put_head
from cxr_edge.training.network.model import BACKBONES, build_classifier, build_head
from cxr_edge.training.outcome.bundle_writer import save_model

__all__ = ["BackboneOptions", "run"]

NAME = "backbones"
_MEASURED = ("none", "int8")


@dataclass(frozen=True)
class BackboneOptions:
    """What `study backbones` compares. `weights` is a folder of no-top files, a file, "imagenet" or "none".

    With `devices` False the models are not exported, so there is no latency and no int8.
    """

    data: str
    weights: str = "imagenet"
    backbones: tuple[str, ...] = tuple(BACKBONES)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 60
    positive: str = "covid"
    devices: bool = True

    def check(self) -> None:
        """Raise UsageError for a backbone that is none, or for none at all."""
        unknown = [name for name in self.backbones if name not in BACKBONES]
        if unknown or not self.backbones or not self.seeds:
            raise UsageError(f"--backbone {unknown[0] if unknown else ''}: choose from {', '.join(BACKBONES)}")


def run(options: BackboneOptions, out: Path, *, resume: bool = False, engine: Engine | None = None) -> dict[str, Any]:
    """Run the study in the folder `out` and return its result. Raises UsageError, DataError, OutputError, ExportError.

    A backbone without weights is a row that says so, with its size, and is compared with nothing.
    """
    options.check()
    dataset = open_dataset(options.data, positive=options.positive)
    sources = {name: weights.find(options.weights, name) for name in options.backbones}
    record = Record(out, resume=resume)
    place = {
        name: Place.of(options.data, source.weights, out)
        for name, source in sources.items()
        if source.weights is not None
    }
    facts = {name: {"data": dataset.fingerprint(), "weights": source.described} for name, source in sources.items()}
    jobs = {
        (name, seed): head_job(
            f"{name} seed {seed}",
            HeadSpec(name, "none", seed, options.epochs, None, options.positive),
            where,
            facts[name],
        )
        for name, where in place.items()
        for seed in options.seeds
    }
    for name, where in place.items():
        prepare(dataset, name, where, [jobs[name, seed] for seed in options.seeds], record)
    answers = run_all(list(jobs.values()), record, "heads", engine or Engine())
    scores = {key: answers[job.name]["scores"] for key, job in jobs.items()}
    exports: dict[str, Any] = {}
    if options.devices:
        measured = {
            name: Job(
                f"{name} exported",
                measure,
                {"backbone": name, "positive": options.positive},
                dataclasses.asdict(where)
                | {"head": str(_head(where, jobs[name, options.seeds[0]])), "out": str(out.resolve())},
                facts[name] | {"head": jobs[name, options.seeds[0]].key},
            )
            for name, where in place.items()
        }
        found = run_all(list(measured.values()), record, "exports", engine or Engine())
        exports = {name: found[job.name] for name, job in measured.items()}
    rows = [_make_row(name, sources[name], options, dataset, scores, exports.get(name)) for name in options.backbones]
    result = study_page.head(NAME, dataset, options) | {
        "films": describe(dataset),
        "positive": {split: truth_of(dataset, split).positive.tolist() for split in HELD_OUT},
        "rows": rows,
        "pairs": _compare_pairs(dataset, rows),
    }
    study_page.write(result, out)
    _describe_model(options.backbones[0], out)
    return result


def measure(*, backbone: str, positive: str, data: str, weights: str, cache: str, head: str, out: str) -> Any:
    """Put a trained head onto its backbone, export it to TFLite, and measure float and int8 here: a job.

    int8 is as the stock converter makes it: the repair knows MobileNetV2 alone, and the backbones shall be equal.
    """
    dataset = open_dataset(data, positive=positive)
    classifier = build_classifier(backbone, weights=weights)
    put_head(classifier, _load_head(classifier, Path(head)))
    folder = Path(out) / "bundles" / backbone
    bundle = _write_bundle(classifier, backbone, dataset, folder)
    exporting = pipeline.ExportOptions(formats=("tflite",), quantize=_MEASURED, data=data)
    exported = pipeline.export(bundle, exporting, folder / "exported")
    split = "test" if any(item.split == "test" for item in dataset.items) else "val"
    found = bench.run(exported, dataset, BenchOptions(split=split), out=None)
    return {
        "keras_mb": (folder / KERAS_NAME).stat().st_size / 1e6,
        "machine": found.machine.cpu_model,
        "warnings": list(found.warnings),
        "artifacts": {row.name: _describe_artifact(row) for row in found.artifacts},
    }


def _head(place: Place, job: Job) -> Path:
    return Path(place.cache) / f"{job.name.replace(' ', '-')}.weights.h5"


def _load_head(classifier: Any, path: Path) -> Any:
    head = build_head(classifier.get_layer("pooled_features").output.shape[-1], labels=classifier.output_shape[-1])
    head.load_weights(path)
    return head


def _write_bundle(classifier: Any, backbone: str, dataset: Dataset, folder: Path) -> Bundle:
    """Write the classifier as a bundle whose threshold is fitted on val, and no further figures."""
    files.prepare_folder(folder)
    save_model(classifier, folder / KERAS_NAME)
    val = dataset.select(split="val")
    pixels = val.pixels()
    parts = [np.asarray(classifier(pixels[at : at + 32], training=False)) for at in range(0, len(pixels), 32)]
    at = dataset.labels.index(dataset.positive)
    fitted = calibration.fit(np.concatenate(parts)[:, at], truth_of(val, "val").positive)
    path = folder / KERAS_NAME
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
        provenance={"study": NAME},
    )
    bundle = Bundle(folder, manifest)
    bundle.write_manifest()
    return bundle


def _describe_artifact(row: ArtifactResult) -> dict[str, Any]:
    described: dict[str, Any] = {"mb": row.size_bytes / 1e6, "failures": list(row.failures)}
    if row.drift is not None:
        described |= {"auc": scoring.interval(row.drift.auc)}
        if row.drift.change is not None:
            described["flips"] = row.drift.change.flips.count
    if row.latencies and (latency := row.latencies[0]).p50 is not None:
        described |= {
            "p50_ms": scoring.interval(latency.p50),
            "p90_ms": latency.p90_ms,
            "peak_mib": latency.peak_mib,
            "runtime": latency.runtime,
            "threads": latency.threads,
        }
    return described


def _make_row(
    name: str,
    source: weights.Source,
    options: BackboneOptions,
    dataset: Dataset,
    scores: dict[tuple[str, int], dict[str, list[float]]],
    exported: dict[str, Any] | None,
) -> dict[str, Any]:
    classifier = build_classifier(name, weights="none")
    size = layers.measure(classifier)
    row: dict[str, Any] = {
        "backbone": name,
        "weights": source.described,
        "compared": source.weights is not None,
        "parameters": size.parameters,
        "backbone_parameters": size.backbone_parameters,
        "backbone_layers": size.backbone_layers,
        "float32_mb": size.float32_mb,
    }
    if source.weights is None:
        say(f"warning: {name}: {source.described}")
        return row
    figures = [scoring.report(dataset, scores[name, seed]) for seed in options.seeds]
    row |= {
        "figures": figures[0],
        "seeds": {"auc": [own["auc"] for own in figures], "accuracy": [own["accuracy"] for own in figures]},
        "scores": scores[name, options.seeds[0]],
        "exported": exported,
    }
    return row


def _compare_pairs(dataset: Dataset, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tests between every two backbones that were trained, by the first seed, on the films shown."""
    pairs = []
    for first, second in itertools.combinations([row for row in rows if row["compared"]], 2):
        split = first["figures"]["split"]
        values = [np.array(row["scores"][split]) for row in (first, second)]
        bars = first["figures"]["threshold"], second["figures"]["threshold"]
        tested = scoring.compare(values[0], values[1], truth_of(dataset, split).positive, bars)
        pairs.append({"from": first["backbone"], "to": second["backbone"]} | tested)
    return pairs


def _describe_model(backbone: str, out: Path) -> None:
    """Leave the model's summary and the picture of its layers (the paper's Figures 9 and 10)."""
    from cxr_edge.studies.report import study_plots
    from cxr_edge.training.network.model import freeze

    classifier = build_classifier(backbone, weights="none")
    freeze(classifier, 0.0)
    files.write_text(out / "summary.txt", layers.summarise(classifier))
    study_plots.save(study_plots.draw_layers(layers.list_blocks(classifier), classifier.name), out / "layers")
